/** The first picture of an MP4 of HEVC as a HEIC, which nothing installed here can write. */
export function heicOf(mp4: Buffer, [width, height]: readonly [number, number]): Buffer {
  const decoder = boxIn(mp4, 'hvcC');
  const pixels = boxIn(mp4, 'mdat').subarray(8);
  const kind = box('ftyp', 'heic', u32(0), 'mif1', 'heic');
  const properties = box('ipco', decoder, fullBox('ispe', 0, u32(width), u32(height)));
  const meta = (offset: number) =>
    fullBox(
      'meta',
      0,
      fullBox('hdlr', 0, u32(0), 'pict', Buffer.alloc(13)),
      fullBox('pitm', 0, u16(1)),
      fullBox('iloc', 0, u16(0x4400), u16(1), u16(1), u16(0), u16(1), u32(offset), u32(pixels.length)),
      fullBox('iinf', 0, u16(1), fullBox('infe', 2, u16(1), u16(0), 'hvc1\0')),
      box('iprp', properties, fullBox('ipma', 0, u32(1), u16(1), Buffer.from([2, 0x81, 2]))),
    );
  const offset = kind.length + meta(0).length + 8;
  return Buffer.concat([kind, meta(offset), box('mdat', pixels)]);
}

function boxIn(bytes: Buffer, type: string): Buffer {
  const at = bytes.indexOf(type, 0, 'latin1') - 4;
  return bytes.subarray(at, at + bytes.readUInt32BE(at));
}

function box(type: string, ...parts: readonly (Buffer | string)[]): Buffer {
  const body = Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : part)));
  return Buffer.concat([u32(body.length + 8), Buffer.from(type, 'latin1'), body]);
}

function fullBox(type: string, version: number, ...parts: readonly (Buffer | string)[]): Buffer {
  return box(type, u32(version << 24), ...parts);
}

function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
