import { z } from 'zod';

const tags = z.record(z.string(), z.string()).optional();
const stream = z.object({
  codec_type: z.string().optional(),
  codec_name: z.string().optional(),
  width: z.number().optional(),
  height: z.number().optional(),
  sample_rate: z.string().optional(),
  duration: z.string().optional(),
  avg_frame_rate: z.string().optional(),
  sample_aspect_ratio: z.string().optional(),
  tags,
  side_data_list: z.array(z.object({ rotation: z.number().optional() })).optional(),
  disposition: z.object({ attached_pic: z.number().optional() }).optional(),
});

/** What is asked of ffprobe. */
export const probeSchema = z.object({
  streams: z.array(stream).max(1000).default([]),
  format: z.object({ duration: z.string().optional(), tags }).optional(),
});
export type Probe = z.infer<typeof probeSchema>;
type Stream = z.infer<typeof stream>;

/** Whether anything could be read: a forced reader finds a stream in any bytes, but then nothing is known of it. */
export function holdsMedia({ streams }: Probe): boolean {
  return streams.some((one) => (one.width ?? 0) > 0 || Number(one.sample_rate ?? 0) > 0);
}

/** ffprobe's findings as fields of `MediaMetadata`, not yet cleaned. A sound's cover is no video. */
export function toFields({ streams, format }: Probe) {
  const video = streams.find((one) => one.codec_type === 'video' && one.disposition?.attached_pic !== 1);
  const audio = streams.find((one) => one.codec_type === 'audio');
  const tag = tagsOf(format?.tags);
  return {
    ...(video ? { ...sizeOf(video), frameRate: ratioOf(video.avg_frame_rate, '/') } : {}),
    videoCodec: video?.codec_name,
    audioCodec: audio?.codec_name,
    durationSeconds: secondsOf(format?.duration) ?? secondsOf(video?.duration) ?? secondsOf(audio?.duration),
    takenAt: takenAt(tag('com.apple.quicktime.creationdate') ?? tag('creation_time')),
    camera: [tag('com.apple.quicktime.make'), tag('com.apple.quicktime.model')].filter(Boolean).join(' ') || undefined,
    location: locationOf(tag('com.apple.quicktime.location.iso6709') ?? tag('location')),
    title: tag('title'),
    author: tag('artist') ?? tag('author'),
    album: tag('album'),
  };
}

/** As shown: square pixels, upright. */
function sizeOf(video: Stream) {
  const aspect = ratioOf(video.sample_aspect_ratio, ':') ?? 1;
  const [width, height] = [Math.round((video.width ?? 0) * aspect), video.height];
  const turned = video.side_data_list?.find((one) => one.rotation !== undefined)?.rotation;
  const degrees = turned ?? Number(tagsOf(video.tags)('rotate') ?? 0);
  return Math.abs(degrees) % 180 === 90 ? { width: height, height: width } : { width, height };
}

/** By name, whose case differs between formats. */
function tagsOf(all: Readonly<Record<string, string>> | undefined): (name: string) => string | undefined {
  const byName = new Map(Object.entries(all ?? {}).map(([name, value]) => [name.toLowerCase(), value]));
  return (name) => byName.get(name);
}

function ratioOf(text: string | undefined, sign: string): number | undefined {
  const [above, below] = (text ?? '').split(sign).map(Number);
  return above && below && above > 0 && below > 0 ? above / below : undefined;
}

function secondsOf(text: string | undefined): number | undefined {
  const seconds = Number(text ?? Number.NaN);
  return Number.isFinite(seconds) && seconds >= 0 ? seconds : undefined;
}

/** `2026-11-21T18:00:00.000000Z`, `2026-11-21T18:00:00+0100`. */
function takenAt(text: string | undefined): string | undefined {
  const [, date, zone, minutes] =
    /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?(?:(Z|[+-]\d\d):?(\d\d)?)?$/.exec(text ?? '') ?? [];
  if (date === undefined) return undefined;
  return minutes === undefined ? `${date}${zone === 'Z' ? 'Z' : ''}` : `${date}${zone}:${minutes}`;
}

/** ISO 6709: `+37.3318-122.0312+012.345/`. */
function locationOf(text: string | undefined) {
  const [, latitude, longitude] = /^([+-]\d{1,2}\.\d+)([+-]\d{1,3}\.\d+)/.exec(text ?? '') ?? [];
  return latitude === undefined ? undefined : { latitude: Number(latitude), longitude: Number(longitude) };
}
