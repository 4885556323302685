const MAX_TEXT_CHARS = 200;
/** Nothing else than a picture of letters needs them, and they turn the text around them. */
const UNSEEN = /[\p{Cc}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]+/gu;
const DATE = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)?$/;

/** Where a number may lie; what does not is left out. */
interface Range {
  readonly min: number;
  readonly max: number;
  readonly whole?: boolean;
}

const count = { min: 1, max: 1e9, whole: true };
const NUMBERS = {
  /** Pixels as shown, that is after turning; of a PDF points (1/72 inch) of the first page, whole ones. */
  width: count,
  height: count,
  /** EXIF 1..8: how the stored pixels have to be turned. */
  orientation: { min: 1, max: 8, whole: true },
  /** Pictures of an animation. */
  frames: count,
  /** Of a PDF or TIFF. */
  pages: count,
  durationSeconds: { min: 0, max: 1e7 },
  /** Pictures a second. */
  frameRate: { min: 0.01, max: 1000 },
  iso: count,
  /** Seconds. */
  exposureTime: { min: 1e-7, max: 1e6 },
  fNumber: { min: 0.1, max: 1000 },
  /** Millimetres, of the lens itself. */
  focalLength: { min: 0.1, max: 1e5 },
} as const satisfies Readonly<Record<string, Range>>;

const TEXTS = ['format', 'videoCodec', 'audioCodec', 'camera', 'lens', 'title', 'author', 'album'] as const;

type Numbers = { readonly [name in keyof typeof NUMBERS]?: number };
type Texts = { readonly [name in (typeof TEXTS)[number]]?: string };

/**
 * What a file says of itself; every field is missing where the file says nothing of use. It is written by strangers: texts
 * are well-formed, without control characters and of 200 characters at most, numbers finite and within bounds. Written
 * `author` is a document's author, a picture's artist or a piece's interpreter.
 */
export interface MediaMetadata extends Numbers, Texts {
  /** ISO 8601; without an offset it is the camera's local time. */
  readonly takenAt?: string;
  /** Degrees, WGS 84. Thumbnails never hold it. */
  readonly location?: { readonly latitude: number; readonly longitude: number };
}

/** The fields of something read from a stranger's file, made harmless; what is not named above is dropped. */
export function toMediaMetadata(raw: unknown): MediaMetadata {
  const given = isRecord(raw) ? raw : {};
  const numbers = Object.entries(NUMBERS).map(([name, range]) => [name, boundedNumber(given[name], range)]);
  const texts = TEXTS.map((name) => [name, cleanText(given[name])]);
  const rest = { takenAt: isoDate(given['takenAt']), location: place(given['location']) };
  const fields = [...numbers, ...texts, ...Object.entries(rest)];
  return Object.fromEntries(fields.filter(([, value]) => value !== undefined));
}

/** What a search may find a file by: camera, lens, title, author, album, in lower case; at most 1000 characters. */
export function searchTextOf(metadata: MediaMetadata): string {
  const { title, author, album, camera, lens } = metadata;
  return [...new Set([title, author, album, camera, lens])]
    .filter((text) => text !== undefined)
    .join(' ')
    .toLowerCase()
    .slice(0, 1000)
    .toWellFormed();
}

function boundedNumber(value: unknown, range: Range): number | undefined {
  if (typeof value !== 'number' || !(value >= range.min && value <= range.max)) return undefined;
  if (range.whole) return Math.round(value);
  // Six digits after the point are more than any device measures; the times of fast shutters need more.
  return Math.abs(value) < 1 ? Number(value.toPrecision(6)) : Number(value.toFixed(6));
}

function cleanText(value: unknown): string | undefined {
  if (typeof value !== 'string') return undefined;
  const clean = value
    .slice(0, MAX_TEXT_CHARS * 4)
    .toWellFormed()
    .replace(UNSEEN, ' ')
    .replace(/\s+/gu, ' ')
    .trim();
  // By code points, so that none is cut in two; twice, as normalizing may lengthen.
  const cut = (text: string) => Array.from(text).slice(0, MAX_TEXT_CHARS).join('').trim();
  const text = cut(cut(clean).normalize('NFC'));
  return text === '' ? undefined : text;
}

function isoDate(value: unknown): string | undefined {
  if (typeof value !== 'string' || !DATE.test(value) || Number.isNaN(Date.parse(value))) return undefined;
  return value;
}

function place(value: unknown): MediaMetadata['location'] {
  if (!isRecord(value)) return undefined;
  const latitude = boundedNumber(value['latitude'], { min: -90, max: 90 });
  const longitude = boundedNumber(value['longitude'], { min: -180, max: 180 });
  return latitude === undefined || longitude === undefined ? undefined : { latitude, longitude };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
