import { deflateSync } from 'node:zlib';
import sharp, { type Colour, type Sharp } from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { MediaResult } from '../../src/platform/media/media-worker.ts';
import { heicOf } from '../support/heic.ts';
import { MediaBench } from '../support/media.ts';
import { pdfOfPages } from '../support/pdf.ts';
import { emptyPng, pngChunk } from '../support/png.ts';
import { stripTags, type TiffTag, tiffOf } from '../support/tiff.ts';

const RED = { r: 255, g: 0, b: 0 };
const BLUE = { r: 0, g: 0, b: 255 };

let bench: MediaBench;
beforeAll(async () => {
  bench = await MediaBench.start();
});
afterAll(() => bench.stop());

function flat(width: number, height: number, background: Colour = RED): Sharp {
  return sharp({ create: { width, height, channels: 3, background } });
}

/** Left half red, right half blue. */
function halves(width: number, height: number): Sharp {
  const right = { create: { width: width / 2, height, channels: 3 as const, background: BLUE } };
  return flat(width, height).composite([{ input: right, left: width / 2, top: 0 }]);
}

function thumbnail({ thumbnails }: MediaResult, size: string): Buffer {
  const found = thumbnails.find((one) => one.size === size);
  if (!found) throw new Error(`no ${size}`);
  return found.webp;
}

/** The colours at these places, each given in shares of width and height. */
async function coloursAt(webp: Buffer, places: readonly (readonly [number, number])[]): Promise<string[]> {
  const { data, info } = await sharp(webp).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  return places.map(([x, y]) => {
    const at = (Math.floor(y * info.height) * info.width + Math.floor(x * info.width)) * 3;
    const [r = 0, g = 0, b = 0] = data.subarray(at, at + 3);
    if (r > 180 && g < 80 && b < 80) return 'red';
    return b > 180 && r < 80 && g < 80 ? 'blue' : `${r},${g},${b}`;
  });
}

const EDGES = { left: [0.1, 0.5], right: [0.9, 0.5], top: [0.5, 0.1], bottom: [0.5, 0.9] } as const;

describe('thumbnails', () => {
  it.each(['jpeg', 'png', 'webp', 'gif', 'tiff', 'avif'] as const)('of a %s fit into three squares', async (format) => {
    const result = await bench.read(await flat(1600, 800).toFormat(format).toBuffer(), `image/${format}`);
    const sizes = result.thumbnails.map(({ size, width, height }) => [size, width, height]);
    expect(sizes).toEqual([
      ['large', 1024, 512],
      ['medium', 512, 256],
      ['small', 256, 128],
    ]);
    for (const { webp, width, height } of result.thumbnails)
      expect(await sharp(webp).metadata()).toMatchObject({ format: 'webp', width, height });
    expect(await coloursAt(thumbnail(result, 'small'), [EDGES.left])).toEqual(['red']);
    expect(result.metadata).toMatchObject({ format, width: 1600, height: 800 });
  });

  it('are never larger than the picture', async () => {
    const { thumbnails } = await bench.read(await flat(300, 40).png().toBuffer(), 'image/png');
    expect(thumbnails.map(({ width, height }) => [width, height])).toEqual([
      [300, 40],
      [300, 40],
      [256, 34],
    ]);
  });

  it.each([
    [1, 'left', 'right'],
    [2, 'right', 'left'],
    [3, 'right', 'left'],
    [4, 'left', 'right'],
    [5, 'top', 'bottom'],
    [6, 'top', 'bottom'],
    [7, 'bottom', 'top'],
    [8, 'bottom', 'top'],
  ] as const)('are turned as EXIF says: %i', async (orientation, red, blue) => {
    const picture = await halves(400, 200).jpeg({ quality: 95 }).withMetadata({ orientation }).toBuffer();
    const result = await bench.read(picture, 'image/jpeg');
    const [width, height] = orientation < 5 ? [400, 200] : [200, 400];
    expect(result.metadata).toMatchObject({ width, height, orientation });
    expect(result.thumbnails[0]).toMatchObject({ width, height });
    for (const { webp } of result.thumbnails)
      expect(await coloursAt(webp, [EDGES[red], EDGES[blue]])).toEqual(['red', 'blue']);
  });

  it.each(['gif', 'webp'] as const)('of an animated %s show the first picture', async (format) => {
    const pictures = await Promise.all([RED, BLUE, RED].map((colour) => flat(60, 30, colour).png().toBuffer()));
    const animation = await sharp(pictures, { join: { animated: true } })
      .toFormat(format)
      .toBuffer();
    const result = await bench.read(animation, `image/${format}`);
    expect(result.metadata).toMatchObject({ width: 60, height: 30, frames: 3 });
    expect(await coloursAt(thumbnail(result, 'large'), [EDGES.left])).toEqual(['red']);
    expect((await sharp(thumbnail(result, 'large')).metadata()).pages).toBeUndefined();
  });

  it('keep what can be seen through', async () => {
    const clear = sharp({ create: { width: 20, height: 20, channels: 4, background: { ...RED, alpha: 0 } } });
    const result = await bench.read(await clear.png().toBuffer(), 'image/png');
    const { data, info } = await sharp(thumbnail(result, 'small')).raw().toBuffer({ resolveWithObject: true });
    expect([info.channels, data[3]]).toEqual([4, 0]);
  });

  it('of a PDF show its first page', async () => {
    const page = '1 0 0 rg 0 0 200 200 re f 0 0 1 rg 200 0 200 200 re f';
    const result = await bench.read(pdfOfPages([page, '', '']), 'application/pdf');
    const facts = { format: 'pdf', pages: 3, width: 400, height: 200, title: 'Three pages', author: 'Jörg' };
    expect(result.metadata).toEqual(facts);
    expect(result.thumbnails[0]).toMatchObject({ size: 'large', width: 1024, height: 512 });
    const small = thumbnail(result, 'small');
    expect(await coloursAt(small, [EDGES.left, EDGES.right])).toEqual(['red', 'blue']);
  });
});

describe('what the camera wrote', () => {
  const exif = {
    IFD0: { Make: 'NIKON CORPORATION', Model: 'NIKON D750', ImageDescription: 'Evil\u0007 hour', Artist: 'Ann' },
    IFD2: {
      DateTimeOriginal: '2024:05:01 12:30:00',
      OffsetTimeOriginal: '+02:00',
      ExposureTime: '1/250',
      FNumber: '28/10',
      ISOSpeedRatings: '400',
      FocalLength: '50/1',
      LensModel: 'x'.repeat(3000),
    },
    IFD3: {
      GPSLatitudeRef: 'N',
      GPSLatitude: '52/1 31/1 12/1',
      GPSLongitudeRef: 'W',
      GPSLongitude: '13/1 24/1 36/1',
    },
  };

  it.each(['jpeg', 'png', 'webp', 'avif'] as const)('is read from a %s, and in no thumbnail', async (format) => {
    const picture = await flat(40, 20).withExif(exif).toFormat(format).toBuffer();
    const { metadata, thumbnails } = await bench.read(picture, `image/${format}`);
    expect(metadata).toMatchObject({
      camera: expect.stringContaining('NIKON D750'),
      lens: 'x'.repeat(200),
      title: 'Evil hour',
      author: 'Ann',
      takenAt: '2024-05-01T12:30:00+02:00',
      exposureTime: 0.004,
      fNumber: 2.8,
      iso: 400,
      focalLength: 50,
      location: { latitude: 52.52, longitude: -13.41 },
    });
    for (const { webp } of thumbnails) {
      const { exif: left, xmp, icc } = await sharp(webp).metadata();
      expect([left, xmp, icc]).toEqual([undefined, undefined, undefined]);
      expect(webp.includes('NIKON')).toBe(false);
    }
  });

  it('is read from a TIFF', async () => {
    const pixels = Buffer.from(`${'\0'.repeat(16)}Scan Co\0Scanner 9\0`, 'latin1');
    const texts: TiffTag[] = [
      [271, 2, 8, 24],
      [272, 2, 10, 32],
    ];
    const tags = [...stripTags([4, 4], { stripBytes: 16 }), ...texts].sort(([a], [b]) => a - b);
    const { metadata } = await bench.read(tiffOf(tags, { pixels }), 'image/tiff');
    expect(metadata).toMatchObject({ format: 'tiff', width: 4, height: 4, pages: 1, camera: 'Scan Co Scanner 9' });
  });

  it('does no harm where it goes round', async () => {
    const picture = await flat(40, 20).withExif(exif).jpeg().toBuffer();
    const tiff = picture.indexOf('Exif\0\0', 0, 'latin1') + 6;
    const little = picture.toString('latin1', tiff, tiff + 2) === 'II';
    const entries = little ? picture.readUInt16LE(tiff + 8) : picture.readUInt16BE(tiff + 8);
    // The first directory is followed by itself, and its sub-directories are it.
    for (let i = 0; i < entries; i++) {
      const at = tiff + 10 + i * 12;
      const tag = little ? picture.readUInt16LE(at) : picture.readUInt16BE(at);
      if (tag === 0x8769 || tag === 0x8825) picture.set(little ? [8, 0, 0, 0] : [0, 0, 0, 8], at + 8);
    }
    picture.set(little ? [8, 0, 0, 0] : [0, 0, 0, 8], tiff + 10 + entries * 12);
    const { metadata } = await bench.read(picture, 'image/jpeg');
    expect(metadata).toMatchObject({ width: 40, height: 20 });
  });
});

describe('a HEIC', () => {
  it('has no thumbnails, as its codec is not known here, but metadata', async () => {
    const video = ['-f', 'lavfi', '-i', 'color=red:size=64x48', '-frames:v', '1', '-c:v', 'libx265', '-tag:v', 'hvc1'];
    const heic = heicOf(await bench.ffmpeg('a.mp4', ...video), [64, 48]);
    const { metadata, thumbnails } = await bench.read(heic, 'image/heic');
    expect([metadata, thumbnails]).toEqual([{ format: 'heic', width: 64, height: 48 }, []]);
  });
});

describe('what is packed in a PNG', () => {
  const packed = deflateSync(Buffer.alloc(50_000_000), { level: 9 });
  const text = (i: number) => pngChunk('zTXt', Buffer.concat([Buffer.from(`k${i}\0\0`, 'latin1'), packed]));
  const profile = pngChunk('iCCP', Buffer.concat([Buffer.from('icc\0\0', 'latin1'), packed]));

  it.each([
    ['50 texts', () => Array.from({ length: 50 }, (_, i) => text(i))],
    ['a colour profile', () => [profile]],
  ])('is not unfolded: %s', async (_what, extra) => {
    const png = emptyPng({ width: 20, height: 20, depth: 8, colour: 'rgba', extra: extra() });
    const { thumbnails } = await bench.read(png, 'image/png');
    expect(thumbnails).toHaveLength(3);
    expect(bench.seen.at(-1)?.durationMs).toBeLessThan(5000);
  });
});
