import type { Metadata } from 'sharp';

/** What is read line by line is held in strips of lines, several times over: a PNG of 50 lines of a million pixels takes 2.4 GiB. */
const MAX_LINE_BYTES = 64 * 1024;
/**
 * What a decoder may have to hold whole. Measured in RSS: progressive JPEG takes 1.1 times this, WebP 1.0, interlaced PNG
 * 1.6; 16 megapixels of JPEG fit.
 */
const MAX_WHOLE_BYTES = 96 * 1024 * 1024;

/** Whether decoding an image takes more than some 160 MiB, told by its header, before anything is decoded. */
export function takesTooMuchMemory(header: Metadata): boolean {
  return lineBytes(header) > MAX_LINE_BYTES || wholeBytes(header) > MAX_WHOLE_BYTES;
}

/** What its decoder holds at once of an image that cannot be read line by line; 0 where it can. */
function wholeBytes(header: Metadata): number {
  const { format, width, height, isProgressive } = header;
  // libwebp decodes to RGBA, whatever comes out; of a GIF the canvas and the picture are held.
  if (format === 'webp') return width * height * 4;
  if (format === 'gif') return width * height * 4 * 2;
  // Planes of the codec, which works on several pictures, and pixels made of them: 19 bytes a pixel of 8 bits in RSS.
  if (format === 'heif') return lineBytes(header) * height * 4;
  if (!isProgressive) return 0;
  // Of a JPEG in several scans the coefficients, of 16 bits each.
  return lineBytes(header) * height * (format === 'jpeg' ? 2 : 1);
}

function lineBytes({ width, channels, depth }: Metadata): number {
  return width * channels * (depth === 'uchar' ? 1 : 2);
}
