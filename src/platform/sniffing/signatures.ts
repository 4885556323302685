import type { Seen, SeenKind } from './seen.ts';
import { isText } from './text-head.ts';

type Test = (head: Buffer) => boolean;
type Signature = readonly [kind: SeenKind, type: string, test: Test];

const hex = (digits: string, at = 0): Test => at_(Buffer.from(digits, 'hex'), at);
const ascii = (text: string, at = 0): Test => at_(Buffer.from(text, 'latin1'), at);
const both =
  (...tests: Test[]): Test =>
  (head) =>
    tests.every((test) => test(head));
const either =
  (...tests: Test[]): Test =>
  (head) =>
    tests.some((test) => test(head));

function at_(wanted: Buffer, at: number): Test {
  const end = at + wanted.length;
  return (head) => head.length >= end && wanted.compare(head, at, end) === 0;
}

/** Every 188 bytes begin so; five of them are no chance. */
const packets =
  (at: number, step: number): Test =>
  (head) =>
    [0, 1, 2, 3, 4].every((n) => head[at + n * step] === 0x47);

/** A magic of two bytes proves nothing: the header that it points to does. */
const isPe: Test = (head) => {
  if (head.length < 64 || !ascii('MZ')(head)) return false;
  const at = head.readUInt32LE(60);
  return (
    at + 4 > head.length ||
    ['PE\0\0', 'NE', 'LE', 'LX'].some((magic) => ascii(magic, at)(head)) ||
    head.includes('This program cannot be run in DOS mode') ||
    head.includes('This program must be run under')
  );
};

/** Reserved fields are zero, and the header's length is one of those that there are. */
const isBmp: Test = (head) =>
  head.length >= 18 &&
  ascii('BM')(head) &&
  head.readUInt32LE(6) === 0 &&
  [12, 16, 40, 52, 56, 64, 108, 124].includes(head.readUInt32LE(14));

const isIcon: Test = (head) =>
  head.length >= 22 &&
  either(hex('00000100'), hex('00000200'))(head) &&
  head.readUInt16LE(4) >= 1 &&
  head.readUInt16LE(4) <= 64 &&
  head[9] === 0 &&
  head.readUInt32LE(18) === 6 + 16 * head.readUInt16LE(4);

/** Fat Mach-O and Java classes begin alike; the one has few architectures, the other a version from 45 on. */
const isJavaClass: Test = (head) => head.length >= 8 && hex('cafebabe')(head) && head.readUInt32BE(4) >= 43;
const isFatMachO: Test = (head) => head.length >= 8 && hex('cafebabe')(head) && head.readUInt32BE(4) < 43;

const isTrueType: Test = (head) =>
  head.length >= 16 && hex('00010000')(head) && head.readUInt16BE(4) <= 64 && /^[A-Za-z0-9/ ]{4}$/.test(tag(head, 12));

const isGzip: Test = (head) => head.length >= 10 && hex('1f8b08')(head) && ((head[3] ?? 0) & 0xe0) === 0;

const isId3: Test = (head) =>
  head.length >= 10 && ascii('ID3')(head) && (head[3] ?? 9) <= 4 && head.subarray(6, 10).every((byte) => byte < 0x80);

/** Its second line is a comment of bytes that text has none of, or its objects begin. Words alone that tell of PDF are text. */
const isPdf: Test = (head) =>
  ascii('%PDF-')(head) && (!isText(head) || /\b\d+ \d+ obj\b|[\r\n]%[\x80-\xff]{4}/.test(head.toString('latin1')));

const isIsoMedia: Test = (head) =>
  head[0] === 0 && ['ftyp', 'moov', 'mdat', 'wide', 'moof', 'styp'].includes(tag(head, 4));

function tag(head: Buffer, at: number): string {
  return head.toString('latin1', at, at + 4);
}

/** Formats whose heads cannot be text. */
const BINARY: readonly Signature[] = [
  ['jpeg', 'image/jpeg', hex('ffd8ff')],
  ['png', 'image/png', hex('89504e470d0a1a0a')],
  ['gif', 'image/gif', either(ascii('GIF87a'), ascii('GIF89a'))],
  ['webp', 'image/webp', both(ascii('RIFF'), ascii('WEBP', 8))],
  ['wav', 'audio/wav', both(either(ascii('RIFF'), ascii('RF64'), ascii('RIFX'), ascii('BW64')), ascii('WAVE', 8))],
  ['avi', 'video/vnd.avi', both(ascii('RIFF'), ascii('AVI ', 8))],
  ['bmp', 'image/bmp', isBmp],
  ['ico', 'image/x-icon', isIcon],
  ['tiff', 'image/tiff', either(hex('49492a00'), hex('4d4d002a'), hex('49492b00'), hex('4d4d002b'))],
  ['tiff', 'image/x-panasonic-rw2', hex('4949550018000000')],
  ['tiff', 'image/x-olympus-orf', either(ascii('IIRO'), ascii('IIRS'), ascii('MMOR'))],
  ['tiff', 'image/x-fujifilm-raf', ascii('FUJIFILMCCD-RAW')],
  ['psd', 'image/vnd.adobe.photoshop', either(hex('384250530001'), hex('384250530002'))],
  ['jp2', 'image/jp2', either(hex('0000000c6a5020200d0a870a'), hex('ff4fff51'))],
  ['jxl', 'image/jxl', hex('0000000c4a584c200d0a870a')],
  ['isobmff', 'video/mp4', isIsoMedia],
  ['matroska', 'video/matroska', hex('1a45dfa3')],
  ['flac', 'audio/flac', ascii('fLaC')],
  ['ogg', 'application/ogg', ascii('OggS\0')],
  ['id3', 'audio/mpeg', isId3],
  ['aiff', 'audio/aiff', both(ascii('FORM'), either(ascii('AIFF', 8), ascii('AIFC', 8)))],
  ['midi', 'audio/midi', either(hex('4d54686400000006'), both(ascii('RIFF'), ascii('RMID', 8)))],
  ['asf', 'application/vnd.ms-asf', hex('3026b2758e66cf11')],
  ['flv', 'video/x-flv', ascii('FLV\x01')],
  ['mpeg-ps', 'video/mpeg', either(hex('000001ba'), hex('000001b3'))],
  ['mpeg-ts', 'video/mp2t', either(packets(0, 188), packets(4, 192))],
  ['zip', 'application/zip', either(...['0304', '0506', '0708', '3030504b0304'].map((rest) => hex(`504b${rest}`)))],
  ['ole', 'application/x-cfb', hex('d0cf11e0a1b11ae1')],
  ['rar', 'application/vnd.rar', hex('526172211a07')],
  ['7z', 'application/x-7z-compressed', hex('377abcaf271c')],
  ['gzip', 'application/gzip', isGzip],
  ['bzip2', 'application/x-bzip2', both(ascii('BZh'), either(ascii('1AY&SY', 4), hex('177245385090', 4)))],
  ['xz', 'application/x-xz', hex('fd377a585a00')],
  [
    'zstd',
    'application/zstd',
    either(
      hex('28b52ffd'),
      both((h) => ((h[0] ?? 0) & 0xf0) === 0x50, hex('2a4d18', 1)),
    ),
  ],
  ['tar', 'application/x-tar', ascii('ustar', 257)],
  ['cab', 'application/vnd.ms-cab-compressed', ascii('MSCF\0\0\0\0')],
  ['font', 'font/woff', ascii('wOFF')],
  ['font', 'font/woff2', ascii('wOF2')],
  ['font', 'font/otf', ascii('OTTO\0')],
  ['font', 'font/collection', ascii('ttcf\0')],
  ['font', 'font/ttf', isTrueType],
  ['sqlite', 'application/x-sqlite3', ascii('SQLite format 3\0')],
  [
    'flash',
    'application/x-shockwave-flash',
    both(either(ascii('FWS'), ascii('CWS'), ascii('ZWS')), (h) => (h[3] ?? 99) < 64),
  ],
  ['elf', 'application/x-elf', hex('7f454c46')],
  ['pe', 'application/x-msdownload', isPe],
  [
    'mach-o',
    'application/x-mach-binary',
    either(hex('feedface'), hex('feedfacf'), hex('cefaedfe'), hex('cffaedfe'), isFatMachO),
  ],
  ['java-class', 'application/java-vm', isJavaClass],
  ['dex', 'application/vnd.android.dex', both(ascii('dex\n'), (head) => head[7] === 0)],
  ['wasm', 'application/wasm', hex('0061736d01000000')],
  ['shortcut', 'application/x-ms-shortcut', hex('4c0000000114020000000000c000000000000046')],
];

/** Formats that begin with text, so that only what says so at length counts. */
const TEXTUAL: readonly Signature[] = [
  ['pdf', 'application/pdf', isPdf],
  ['postscript', 'application/postscript', ascii('%!PS-Adobe-')],
  ['rtf', 'application/rtf', ascii('{\\rtf1')],
  ['ar', 'application/x-unix-archive', ascii('!<arch>\n')],
];

/** What is too little to take a content for such a format, but enough to believe that it is one. */
const WEAK: Partial<Record<SeenKind, Test>> = {
  bmp: either(ascii('BM'), ascii('BA')),
  jxl: hex('ff0a'),
  midi: ascii('MThd'),
  wav: ascii('riff'),
  id3: (head) => head[0] === 0xff && ((head[1] ?? 0) & 0xe0) === 0xe0,
  isobmff: (head) =>
    'ftyp moov mdat wide moof styp free skip pnot uuid meta pdin sidx emsg prft udta junk'
      .split(' ')
      .includes(tag(head, 4)),
};

/** The format that the head's signature stands for; of those only that text can be, where it is text. */
export function signatureOf(head: Buffer): Seen | null {
  const found =
    TEXTUAL.find(([, , test]) => test(head)) ?? (isText(head) ? undefined : BINARY.find(([, , test]) => test(head)));
  return found ? { kind: found[0], type: found[1] } : null;
}

/** Whether the head, in which no signature was found, may be one of a kind's all the same. */
export function mayBe(kind: SeenKind, head: Buffer): boolean {
  // Anything may stand before it (ISO 32000-1, annex H.3.4.1).
  if (kind === 'pdf') return head.subarray(0, 1024).includes('%PDF-');
  return WEAK[kind]?.(head) === true && !isText(head);
}
