import type { Metadata } from 'sharp';

const MAX_EXIF_BYTES = 1024 * 1024;
/** What JPEG writes before the EXIF itself. */
const EXIF_MARK = Buffer.from('Exif\0\0', 'latin1');

const OPTIONS = {
  tiff: true,
  exif: true,
  gps: true,
  ifd1: false,
  interop: false,
  xmp: false,
  icc: false,
  iptc: false,
  jfif: false,
  ihdr: false,
  makerNote: false,
  userComment: false,
  translateValues: false,
  reviveValues: false,
  mergeOutput: true,
} as const;

/** Reads what the camera wrote. EXIF that cannot be read is as good as none: the picture can be shown all the same. */
export async function loadExifReader() {
  const { default: exifr } = await import('exifr');
  return async (header: Metadata, path: string): Promise<Record<string, unknown>> => {
    const source = header.format === 'tiff' ? path : exifOf(header);
    if (source === null) return {};
    // exifr throws, rejects or gives nothing, according to what is broken.
    const parse = async (): Promise<unknown> => exifr.parse(source, OPTIONS);
    const tags = await parse().catch(() => undefined);
    return typeof tags === 'object' && tags !== null ? toFields(tags as Record<string, unknown>) : {};
  };
}

function exifOf({ exif }: Metadata): Buffer | null {
  if (!exif || exif.length > MAX_EXIF_BYTES) return null;
  return exif.subarray(0, EXIF_MARK.length).equals(EXIF_MARK) ? exif.subarray(EXIF_MARK.length) : exif;
}

function toFields(tags: Record<string, unknown>): Record<string, unknown> {
  return {
    camera: cameraOf(tags['Make'], tags['Model']),
    lens: tags['LensModel'],
    title: tags['ImageDescription'],
    author: tags['Artist'],
    iso: firstOf(tags['ISO'] ?? tags['ISOSpeedRatings'] ?? tags['PhotographicSensitivity']),
    exposureTime: tags['ExposureTime'],
    fNumber: tags['FNumber'],
    focalLength: tags['FocalLength'],
    takenAt: takenAt(tags['DateTimeOriginal'] ?? tags['CreateDate'], tags['OffsetTimeOriginal'] ?? tags['OffsetTime']),
    location: { latitude: tags['latitude'], longitude: tags['longitude'] },
  };
}

/** Many models begin with their maker's name. */
function cameraOf(make: unknown, model: unknown): string | undefined {
  const [maker, name] = [make, model].map((text) => (typeof text === 'string' ? text.slice(0, 1000).trim() : ''));
  if (!name) return maker || undefined;
  return maker && !name.toLowerCase().startsWith(maker.toLowerCase()) ? `${maker} ${name}` : name;
}

function firstOf(value: unknown): unknown {
  return Array.isArray(value) || ArrayBuffer.isView(value) ? Array.from(value as ArrayLike<unknown>)[0] : value;
}

/** `2026:11:21 18:00:00` and `+01:00`, which need not be there. */
function takenAt(date: unknown, offset: unknown): string | undefined {
  const [, year, month, day, time] = /^(\d{4}):(\d\d):(\d\d) (\d\d:\d\d:\d\d)/.exec(String(date)) ?? [];
  if (time === undefined) return undefined;
  const [zone = ''] = /^([+-]\d\d:\d\d|Z)/.exec(String(offset)) ?? [];
  return `${year}-${month}-${day}T${time}${zone}`;
}
