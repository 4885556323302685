/** First bytes of files as programs write them, for tests. */
const hex = (digits: string) => Buffer.from(digits, 'hex');
const text = (content: string) => Buffer.from(content, 'latin1');
const filled = (...parts: (Buffer | string)[]) =>
  Buffer.concat([
    ...parts.map((part) => (typeof part === 'string' ? text(part) : part)),
    Buffer.from([0, 1, 2, 250, 251]),
  ]);
const sized = (length: number, at: readonly (readonly [number, Buffer | string])[]) => {
  const bytes = Buffer.alloc(length);
  for (const [offset, part] of at) (typeof part === 'string' ? text(part) : part).copy(bytes, offset);
  return bytes;
};

/** A ZIP's local header of a stored entry, and its content. */
function entry(name: string, content: string): Buffer {
  const header = sized(30, [[0, hex('504b03041400')]]);
  header.writeUInt32LE(content.length, 18);
  header.writeUInt32LE(content.length, 22);
  header.writeUInt16LE(name.length, 26);
  return Buffer.concat([header, text(name), text(content)]);
}

const WORD =
  '<?xml version="1.0"?><Types><Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>';

export const HEADS = {
  jpeg: filled(hex('ffd8ffe000104a46494600')),
  png: filled(hex('89504e470d0a1a0a0000000d494844520000000100000001080600000')),
  gif: filled('GIF89a', hex('01000100800000')),
  webp: filled('RIFF', hex('24000000'), 'WEBPVP8 '),
  bmp: sized(60, [
    [0, 'BM'],
    [10, hex('36000000')],
    [14, hex('28000000')],
  ]),
  ico: sized(30, [
    [0, hex('000001000100')],
    [6, hex('1010')],
    [18, hex('16000000')],
  ]),
  tiff: filled(hex('49492a0008000000')),
  mp4: filled(hex('00000020'), 'ftypisom', hex('00000200'), 'isomiso2avc1mp41'),
  heic: filled(hex('00000018'), 'ftypheic', hex('00000000'), 'mif1heic'),
  webm: filled(hex('1a45dfa39f4286810142f7810142f2810442f381084282847765626d')),
  ogg: filled('OggS', hex('0002000000000000000000'), 'OpusHead'),
  flac: filled('fLaC', hex('00000022')),
  wav: filled('RIFF', hex('24000000'), 'WAVEfmt '),
  avi: filled('RIFF', hex('24000000'), 'AVI LIST'),
  mp3: filled('ID3', hex('03000000000a')),
  pdf: filled('%PDF-1.7\n'),
  rtf: text('{\\rtf1\\ansi hello}'),
  postscript: text('%!PS-Adobe-3.0 EPSF-3.0\n'),
  docx: Buffer.concat([entry('[Content_Types].xml', WORD), entry('word/document.xml', '<w/>')]),
  odt: entry('mimetype', 'application/vnd.oasis.opendocument.text'),
  zip: entry('hello.txt', 'hello'),
  ole: filled(hex('d0cf11e0a1b11ae1'), Buffer.alloc(16)),
  gzip: filled(hex('1f8b0800000000000003')),
  tar: sized(512, [
    [0, 'hello.txt'],
    [257, 'ustar'],
  ]),
  '7z': filled(hex('377abcaf271c0004')),
  rar: filled(hex('526172211a070100')),
  elf: filled(hex('7f454c4602010100')),
  pe: sized(300, [
    [0, 'MZ'],
    [60, hex('80000000')],
    [128, 'PE\0\0'],
  ]),
  machO: filled(hex('cffaedfe07000001')),
  fatMachO: filled(hex('cafebabe00000002')),
  javaClass: filled(hex('cafebabe00000041')),
  wasm: filled(hex('0061736d01000000')),
  html: text('\r\n  <!DOCTYPE html><html><body>hello</body></html>'),
  svg: text('<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script/></svg>'),
  xml: text('<?xml version="1.0"?><rss version="2.0"/>'),
  utf16Html: Buffer.concat([hex('fffe'), Buffer.from('<html><script>alert(1)</script>', 'utf16le')]),
  php: filled('<?php system($_GET["c"]); ?>'),
  shell: text('#!/bin/sh\nrm -rf /\n'),
  batch: text('@echo off\r\ndel *.*\r\n'),
} as const;
