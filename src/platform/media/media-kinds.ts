export type MediaKind = 'image' | 'pdf' | 'video' | 'audio';

const IMAGES = ['jpeg', 'png', 'webp', 'gif', 'tiff', 'avif', 'heic', 'heif'];

/**
 * ffmpeg's reader for each type. It is forced: left to guess, ffmpeg takes a playlist for what it says it is and opens
 * whatever that names.
 */
const DEMUXERS: Readonly<Record<string, string>> = {
  'video/mp4': 'mov',
  'video/quicktime': 'mov',
  'video/x-m4v': 'mov',
  'video/3gpp': 'mov',
  'video/webm': 'matroska',
  'video/x-matroska': 'matroska',
  'video/matroska': 'matroska',
  'video/x-msvideo': 'avi',
  'video/vnd.avi': 'avi',
  'video/ogg': 'ogg',
  'audio/mpeg': 'mp3',
  'audio/mp4': 'mov',
  'audio/x-m4a': 'mov',
  'audio/aac': 'aac',
  'audio/ogg': 'ogg',
  'audio/opus': 'ogg',
  'audio/webm': 'matroska',
  'audio/x-matroska': 'matroska',
  'audio/flac': 'flac',
  'audio/x-flac': 'flac',
  'audio/wav': 'wav',
  'audio/x-wav': 'wav',
  'audio/vnd.wave': 'wav',
};

/** What a media type is made into, or null: nothing to be made of it (SVG, HTML and text never). Parameters are ignored. */
export function mediaKindOf(contentType: string): MediaKind | null {
  const type = essenceOf(contentType);
  const [family, subtype = ''] = type.split('/');
  if (family === 'image') return IMAGES.includes(subtype) ? 'image' : null;
  if (type === 'application/pdf') return 'pdf';
  return demuxerOf(type) !== null && (family === 'video' || family === 'audio') ? family : null;
}

/** ffmpeg's name of the only reader that may open this type; null where there is none. */
export function demuxerOf(contentType: string): string | null {
  const type = essenceOf(contentType);
  return Object.hasOwn(DEMUXERS, type) ? (DEMUXERS[type] ?? null) : null;
}

function essenceOf(contentType: string): string {
  return (contentType.split(';')[0] ?? '').trim().toLowerCase();
}
