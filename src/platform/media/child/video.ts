import { stat } from 'node:fs/promises';
import { MediaRefusedError } from '../errors.ts';
import { type FfmpegTools, runProgram } from './ffmpeg.ts';
import { holdsMedia, type Probe, probeSchema, toFields } from './probe.ts';
import { type ChildTask, contentPath, type Thumbnail } from './protocol.ts';
import { writeThumbnails } from './thumbnails.ts';

/** The poster is taken here, as far as the video goes: first pictures are often black. */
const POSTER_SECONDS = 3;

/** Reads a video's or sound's metadata by ffprobe, and makes thumbnails of a frame (of a sound, its cover) by ffmpeg. */
export async function decodeVideo({ folder, memoryBytes, maxPixels, ffmpeg }: ChildTask) {
  if (ffmpeg === null) throw new MediaRefusedError('unsupported', 'ffmpeg is not installed');
  const tools: FfmpegTools = { ...ffmpeg, memoryBytes, maxPixels, input: contentPath(folder) };
  const probe = await probeFile(tools);
  const metadata = toFields(probe);
  const hasPicture = probe.streams.some((stream) => stream.codec_type === 'video');
  const thumbnails = hasPicture ? await makeThumbnails(tools, folder, metadata.durationSeconds ?? 0) : [];
  return { metadata, thumbnails };
}

async function probeFile(tools: FfmpegTools): Promise<Probe> {
  const result = await runProgram(tools, tools.ffprobe, [
    ...['-show_entries', 'format=duration:format_tags:stream_tags=rotate:stream_side_data=rotation'],
    ...[
      '-show_entries',
      'stream=codec_type,codec_name,width,height,sample_rate,duration,avg_frame_rate,sample_aspect_ratio',
    ],
    ...['-show_entries', 'stream_disposition=attached_pic', '-of', 'json'],
    ...['-i', `file:${tools.input}`],
  ]);
  const probe = result.ok ? probeSchema.safeParse(parseJson(result.output)) : undefined;
  if (probe?.success && holdsMedia(probe.data)) return probe.data;
  if (result.outOfMemory) throw new MediaRefusedError('memory', 'the file takes too much memory');
  if (result.refusedCodec) throw new MediaRefusedError('unsupported', 'the codec of the file cannot be read here');
  throw new MediaRefusedError('broken', 'the file is broken or of another type than it says');
}

/** None where no frame can be decoded: the metadata is worth having alone. */
async function makeThumbnails(tools: FfmpegTools, folder: string, durationSeconds: number): Promise<Thumbnail[]> {
  const at = Math.min(durationSeconds / 10, POSTER_SECONDS);
  const frame = `${folder}/frame.png`;
  // Key frames alone need no others; a stream that marks none is read from its beginning.
  const found =
    (await grabFrame(tools, frame, ['-skip_frame', 'nokey', '-noaccurate_seek', '-ss', at.toFixed(3)])) ||
    (await grabFrame(tools, frame, []));
  if (!found) return [];
  // Only now: while ffmpeg runs, the memory is its own.
  const { openSharp } = await import('../../images/sharp.ts');
  const sharp = await openSharp(['Png'], 'File');
  return writeThumbnails(sharp(frame), folder);
}

async function grabFrame(tools: FfmpegTools, frame: string, seek: readonly string[]): Promise<boolean> {
  const fit = "scale='min(1024,iw*max(sar,1/8))':'min(1024,ih)':force_original_aspect_ratio=decrease";
  const { ok } = await runProgram(tools, tools.ffmpeg, [
    ...['-nostdin', ...seek, '-threads', '1', '-i', `file:${tools.input}`],
    ...['-map', '0:v:0', '-an', '-sn', '-dn', '-frames:v', '1', '-filter_threads', '1'],
    ...[
      '-vf',
      `${fit},setsar=1`,
      '-threads',
      '1',
      '-c:v',
      'png',
      '-f',
      'image2',
      '-update',
      '1',
      '-y',
      `file:${frame}`,
    ],
  ]);
  const size = await stat(frame).then(
    (found) => found.size,
    () => 0,
  );
  return ok && size > 0;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
