import { randomBytes } from 'node:crypto';
import sharp, { type Sharp } from 'sharp';
import type { MediaRefusal } from '../../src/platform/media/errors.ts';
import { pdfOfPages } from './pdf.ts';
import { emptyPng } from './png.ts';
import { stripTags, type TiffTag, tiffOf } from './tiff.ts';

/** What it is, what it says it is, how it is made, and the refusals that it may end with. */
export type Hostile = readonly [
  what: string,
  type: string,
  make: () => Buffer | Promise<Buffer>,
  codes: readonly MediaRefusal[],
];

function flat(width: number, height: number) {
  return sharp({ create: { width, height, channels: 3, background: '#336699' }, limitInputPixels: false });
}

/** With what stands somewhere else replaced. */
function patched(bytes: Buffer, mark: string | number, change: (found: Buffer) => void): Buffer {
  const at = typeof mark === 'number' ? mark : bytes.indexOf(mark, 0, 'latin1');
  if (at < 0) throw new Error(`no ${mark}`);
  change(bytes.subarray(at));
  return bytes;
}

async function cut(image: Sharp): Promise<Buffer> {
  const bytes = await image.toBuffer();
  return bytes.subarray(0, Math.floor(bytes.length * 0.6));
}

/** A picture that does not compress, so that what is cut off is pixels. */
function noise() {
  return sharp(randomBytes(200 * 200 * 3), { raw: { width: 200, height: 200, channels: 3 } });
}

/** A header of VP8L that claims more than follows. */
async function claimingWebp(width: number, height: number): Promise<Buffer> {
  const bytes = await noise().webp({ lossless: true }).toBuffer();
  return patched(bytes, 'VP8L', (chunk) => chunk.writeUInt32LE(((width - 1) | ((height - 1) << 14)) >>> 0, 9));
}

async function claimingJpeg(progressive: boolean): Promise<Buffer> {
  const bytes = await flat(64, 64).jpeg({ progressive, mozjpeg: false }).toBuffer();
  const frame = bytes.indexOf(Buffer.from(progressive ? 'ffc2' : 'ffc0', 'hex'));
  return patched(bytes, frame, (found) => found.writeUInt32BE(0xffdcffdc, 5));
}

async function claimingGif(): Promise<Buffer> {
  const screen = patched(await flat(9, 9).gif().toBuffer(), 6, (size) => size.writeUInt32LE(0xea60ea60));
  return patched(screen, ',\0\0\0\0\t\0\t\0', (frame) => frame.writeUInt32LE(0xea60ea60, 5));
}

async function claimingAvif(): Promise<Buffer> {
  const bytes = await flat(64, 64).avif().toBuffer();
  return patched(bytes, 'ispe', (box) => box.writeBigUInt64BE(0x0000ea600000ea60n, 8));
}

/** One tile of 300 MB that a run-length code writes in few bytes: it has to be unpacked whole. */
function tiffBomb(): Buffer {
  const edge = 9984;
  const pixels = Buffer.alloc(((edge * edge * 3) / 128) * 2, Buffer.from([0x81, 0]));
  const tags = stripTags([edge, edge], { samples: 3, compression: 32_773 }).filter(([tag]) => tag < 273 || tag === 277);
  const tile: TiffTag[] = [
    [322, 4, 1, edge],
    [323, 4, 1, edge],
    [324, 4, 1, 8],
    [325, 4, 1, pixels.length],
  ];
  return tiffOf([...tags, ...tile], { pixels });
}

export const HOSTILE_IMAGES: readonly Hostile[] = [
  [
    'a PNG of 50,000 x 50,000',
    'image/png',
    () => emptyPng({ width: 50_000, height: 50_000, depth: 1, colour: 'grey' }),
    ['too_many_pixels'],
  ],
  [
    'a PNG of long lines',
    'image/png',
    () => emptyPng({ width: 1_000_000, height: 50, depth: 8, colour: 'rgba' }),
    ['too_many_pixels'],
  ],
  [
    'a PNG of 150,000,000 lines',
    'image/png',
    () => emptyPng({ width: 1, height: 150_000_000, depth: 1, colour: 'grey' }),
    ['too_many_pixels', 'broken'],
  ],
  [
    'an interlaced PNG',
    'image/png',
    () => emptyPng({ width: 5200, height: 5200, depth: 8, colour: 'rgba', interlaced: true }),
    ['too_many_pixels'],
  ],
  ['a PNG, cut off', 'image/png', () => cut(noise().png()), ['broken']],
  ['a JPEG that claims 65,500 x 65,500', 'image/jpeg', () => claimingJpeg(false), ['too_many_pixels']],
  ['a progressive JPEG that claims it', 'image/jpeg', () => claimingJpeg(true), ['too_many_pixels']],
  [
    'a progressive JPEG of 36 megapixels',
    'image/jpeg',
    () => flat(6000, 6000).jpeg({ progressive: true }).toBuffer(),
    ['too_many_pixels'],
  ],
  ['a JPEG, cut off', 'image/jpeg', () => cut(noise().jpeg()), ['broken']],
  [
    'a WebP that claims 16,383 x 16,383',
    'image/webp',
    () => claimingWebp(16_383, 16_383),
    ['too_many_pixels', 'memory'],
  ],
  ['a WebP that claims less', 'image/webp', () => claimingWebp(5000, 5000), ['broken']],
  ['a WebP, cut off', 'image/webp', () => cut(noise().webp()), ['broken']],
  ['a GIF that claims 60,000 x 60,000', 'image/gif', claimingGif, ['too_many_pixels']],
  [
    'a GIF without pictures',
    'image/gif',
    () => Buffer.from('GIF89a\x10\x00\x10\x00\x80\x00\x00\0\0\0\xff\xff\xff;', 'latin1'),
    ['broken'],
  ],
  ['a GIF, cut off', 'image/gif', () => cut(noise().gif()), ['broken']],
  ['a TIFF whose directories go round', 'image/tiff', () => tiffOf(stripTags([100, 100]), { next: -1 }), ['broken']],
  [
    'a TIFF of tags with four billion values',
    'image/tiff',
    () => tiffOf(stripTags([100, 100]).map(([tag, type, , value]) => [tag, type, 0xffffffff, value] as const)),
    ['broken'],
  ],
  ['a TIFF of 60,000 x 60,000', 'image/tiff', () => tiffOf(stripTags([60_000, 60_000])), ['too_many_pixels']],
  ['a TIFF with one tile of 300 MB', 'image/tiff', tiffBomb, ['memory', 'broken']],
  ['a TIFF, cut off', 'image/tiff', () => cut(noise().tiff()), ['broken']],
  ['an AVIF that claims 60,000 x 60,000', 'image/avif', claimingAvif, ['too_many_pixels', 'broken']],
  [
    'an AVIF of 12 megapixels',
    'image/avif',
    () => flat(4000, 3000).avif({ effort: 0 }).toBuffer(),
    ['too_many_pixels'],
  ],
  ['an AVIF, cut off', 'image/avif', () => cut(noise().avif({ effort: 0 })), ['broken']],
  [
    'an SVG that says it is a PNG',
    'image/png',
    () => Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'),
    ['broken'],
  ],
  ['a PDF that says it is an image', 'image/jpeg', () => pdfOfPages(['']), ['broken']],
  [
    'HTML that says it is a JPEG',
    'image/jpeg',
    () => Buffer.from('<html><script>alert(1)</script></html>'),
    ['broken'],
  ],
  ['random bytes', 'image/heic', () => randomBytes(100_000), ['broken']],
  ['an empty file', 'image/jpeg', () => Buffer.alloc(0), ['broken']],
];
