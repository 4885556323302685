/** A tag of a TIFF: number, type (3: short, 4: long), count and value, or where its values lie. */
export type TiffTag = readonly [tag: number, type: number, count: number, value: number];

const HEADER_BYTES = 8;

/** A little-endian TIFF: the pixels, then one directory and where the next lies. Without a look at what the tags say. */
export function tiffOf(tags: readonly TiffTag[], { pixels = Buffer.alloc(0), next = 0 } = {}): Buffer {
  const head = Buffer.from('49492a0000000000', 'hex');
  const start = HEADER_BYTES + pixels.length + (pixels.length % 2);
  head.writeUInt32LE(start, 4);
  const directory = Buffer.alloc(2 + tags.length * 12 + 4);
  directory.writeUInt16LE(tags.length, 0);
  for (const [i, [tag, type, count, value]] of tags.entries()) {
    const at = 2 + i * 12;
    directory.writeUInt16LE(tag, at);
    directory.writeUInt16LE(type, at + 2);
    directory.writeUInt32LE(count, at + 4);
    directory.writeUInt32LE(value, at + 8);
  }
  directory.writeUInt32LE(next === -1 ? start : next, directory.length - 4);
  return Buffer.concat([head, pixels, Buffer.alloc(pixels.length % 2), directory]);
}

/** The tags of a picture in one strip that begins behind the header. */
export function stripTags(
  [width, height]: readonly [number, number],
  { samples = 1, compression = 1, stripBytes = 0 } = {},
): TiffTag[] {
  return [
    [256, 4, 1, width],
    [257, 4, 1, height],
    [258, 3, 1, 8],
    [259, 3, 1, compression],
    [262, 3, 1, samples === 1 ? 1 : 2],
    [273, 4, 1, HEADER_BYTES],
    [277, 3, 1, samples],
    [278, 4, 1, height],
    [279, 4, 1, stripBytes],
  ];
}
