import { crc32, deflateSync } from 'node:zlib';

/** What a PNG's header says. */
export interface PngShape {
  readonly width: number;
  readonly height: number;
  /** Bits a sample. */
  readonly depth: 1 | 8 | 16;
  readonly colour: 'grey' | 'rgba';
  readonly interlaced?: boolean;
  /** Chunks before the first pixel. */
  readonly extra?: readonly Buffer[];
}

/** Where Adam7's passes begin and their steps: x, y, dx, dy. */
const PASSES = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
] as const;
const COLOURS = { grey: { type: 0, samples: 1 }, rgba: { type: 6, samples: 4 } } as const;

/** A whole PNG of nothing but zeros; made by hand, because no encoder should have to hold it. */
export function emptyPng({ width, height, depth, colour, interlaced = false, extra = [] }: PngShape): Buffer {
  const { type, samples } = COLOURS[colour];
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([depth, type, 0, 0, interlaced ? 1 : 0], 8);
  let bytes = 0;
  for (const [x, y, dx, dy] of interlaced ? PASSES : [[0, 0, 1, 1] as const]) {
    const line = Math.ceil((Math.ceil((width - x) / dx) * samples * depth) / 8);
    bytes += Math.ceil((height - y) / dy) * (line + 1);
  }
  return Buffer.concat([
    Buffer.from('89504e470d0a1a0a', 'hex'),
    pngChunk('IHDR', header),
    ...extra,
    pngChunk('IDAT', deflateSync(Buffer.alloc(bytes))),
    pngChunk('IEND', Buffer.alloc(0)),
  ]);
}

/** One chunk with its length and checksum. */
export function pngChunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const framed = Buffer.alloc(body.length + 8);
  framed.writeUInt32BE(data.length, 0);
  body.copy(framed, 4);
  framed.writeUInt32BE(crc32(body), body.length + 4);
  return framed;
}
