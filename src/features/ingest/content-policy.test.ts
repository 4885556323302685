import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HEADS } from '../../../tests/support/content-heads.ts';
import { AppError } from '../../errors/app-error.ts';
import { ContentPolicy } from './content-policy.ts';
import { contentTypeOf } from './content-type.ts';

const NO_LIMITS = { maxFileBytes: 1000, allowedTypes: [], blockedExtensions: [] };
const open = new ContentPolicy(NO_LIMITS);

async function verdict(policy: ContentPolicy, name: string, head: Buffer, declared?: string) {
  try {
    await policy.check({ path: name, contentType: contentTypeOf(name, declared), head });
    return 'taken';
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return error.code;
  }
}

async function seenAs(name: string, head: Buffer): Promise<unknown> {
  const contentType = contentTypeOf(name, undefined);
  const error = await open.check({ path: name, contentType, head }).catch((refusal: unknown) => refusal);
  return error instanceof AppError ? (error.details as { seen: string }).seen : error;
}

/** The beginning of a program for Windows. */
function pe(headerAt: number): Buffer {
  const bytes = Buffer.alloc(4096);
  bytes.write('MZ');
  bytes.writeUInt32LE(headerAt, 60);
  return bytes;
}

function refusalOf(work: () => unknown) {
  try {
    return { taken: work() };
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return { code: error.code, details: error.details };
  }
}

/** Names under which each of the heads is taken; under any other of the table it is refused, but for the names of nothing. */
const NAMES: Readonly<Record<keyof typeof HEADS, readonly string[]>> = {
  jpeg: ['a.jpg', 'a.JPEG'],
  png: ['a.png', 'a.apng', 'favicon.ico'],
  gif: ['a.gif', 'favicon.ico'],
  webp: ['a.webp'],
  bmp: ['a.bmp', 'favicon.ico'],
  ico: ['favicon.ico'],
  tiff: ['a.tif', 'a.dng'],
  mp4: ['a.mp4', 'a.m4a', 'a.mov', 'a.3gp', 'a.heic', 'a.avif', 'a.aac'],
  heic: ['a.mp4', 'a.m4a', 'a.mov', 'a.3gp', 'a.heic', 'a.avif', 'a.aac'],
  webm: ['a.webm', 'a.mkv', 'a.mka'],
  ogg: ['a.ogg', 'a.opus', 'a.ogv', 'a.flac'],
  flac: ['a.flac'],
  wav: ['a.wav'],
  avi: ['a.avi'],
  mp3: ['a.mp3', 'a.mp2', 'a.aac', 'a.m4a', 'a.wav', 'a.flac', 'a.mpeg'],
  pdf: ['a.pdf', 'a.eps'],
  rtf: ['a.rtf', 'a.doc', 'a.docx', 'a.xls', 'a.odt', 'a.txt', 'a.html', 'a.json', 'a.csv', 'a.js'],
  postscript: ['a.eps'],
  docx: ['a.docx', 'a.zip', 'a.jar', 'a.apk', 'a.epub', 'a.odt', 'a.doc', 'a.xls'],
  odt: ['a.docx', 'a.zip', 'a.jar', 'a.apk', 'a.epub', 'a.odt', 'a.doc', 'a.xls'],
  zip: ['a.docx', 'a.zip', 'a.jar', 'a.apk', 'a.epub', 'a.odt', 'a.doc', 'a.xls'],
  ole: ['a.doc', 'a.xls', 'a.msi', 'a.exe', 'a.docx', 'a.odt'],
  gzip: ['a.gz', 'a.tgz', 'a.tar', 'a.svgz', 'a.svg'],
  tar: ['a.gz', 'a.tgz', 'a.tar'],
  '7z': ['a.7z'],
  rar: ['a.rar'],
  elf: ['a.exe', 'a.msi'],
  pe: ['a.exe', 'a.msi'],
  machO: ['a.exe', 'a.msi'],
  fatMachO: ['a.exe', 'a.msi'],
  javaClass: ['a.exe', 'a.msi'],
  wasm: ['a.exe', 'a.msi'],
  html: ['a.txt', 'a.html', 'a.json', 'a.csv', 'a.js', 'a.svg', 'a.svgz', 'a.doc', 'a.xls'],
  svg: ['a.txt', 'a.html', 'a.json', 'a.csv', 'a.js', 'a.svg', 'a.svgz'],
  xml: ['a.txt', 'a.html', 'a.json', 'a.csv', 'a.js', 'a.svg', 'a.svgz', 'a.doc', 'a.xls'],
  utf16Html: ['a.txt', 'a.html', 'a.json', 'a.csv', 'a.js', 'a.svg', 'a.svgz', 'a.doc', 'a.xls'],
  php: ['a.txt', 'a.html', 'a.json', 'a.csv', 'a.js', 'a.svg', 'a.svgz'],
  shell: ['a.txt', 'a.html', 'a.json', 'a.csv', 'a.js', 'a.svg', 'a.svgz', 'a.jar', 'a.exe', 'a.msi'],
  batch: ['a.txt', 'a.html', 'a.json', 'a.csv', 'a.js', 'a.svg', 'a.svgz', 'a.jar', 'a.exe', 'a.msi'],
};
const CLAIMING = [...new Set(Object.values(NAMES).flat())];
/** Names of what cannot be without its magic. */
const DEPENDABLE = CLAIMING.filter((name) =>
  /\.(jpe?g|a?png|gif|webp|bmp|tif|dng|mp4|m4a|mov|3gp|heic|avif|webm|mk[va]|og[gv]|opus|flac|wav|avi|pdf|docx|odt|zip|jar|apk|epub|gz|tgz|7z|rar)$/i.test(
    name,
  ),
);
const SILENT = ['a', 'a.bin', 'a.dat', 'a.unknown', 'a.key', '.hidden', 'a.jpg/b'];

describe('what the first bytes show', () => {
  it.each(Object.entries(NAMES))('%s is taken under its names and refused under others', async (kind, names) => {
    const head = HEADS[kind as keyof typeof HEADS];
    const taken = [];
    for (const name of CLAIMING) if ((await verdict(open, name, head)) === 'taken') taken.push(name);
    expect(taken.toSorted()).toEqual(names.toSorted());
  });

  it.each(Object.keys(HEADS))('%s is taken where nothing is claimed', async (kind) => {
    const head = HEADS[kind as keyof typeof HEADS];
    for (const name of SILENT) expect(await verdict(open, name, head), name).toBe('taken');
  });

  it.each([
    ['a.unknown', 'image/png', 'jpeg'],
    ['a.png', 'image/jpeg', 'png'],
    ['a.txt', 'image/png', 'png'],
    ['a.bin', 'text/plain; charset=utf-8', 'elf'],
    ['a.bin', 'image/x-something', 'html'],
    ['a.bin', 'video/x-something', 'pe'],
    ['a.woff2', undefined, 'html'],
  ] as const)('%s declared as %s is no %s', async (name, declared, kind) => {
    expect(await verdict(open, name, HEADS[kind], declared)).toBe('CONTENT_MISMATCH');
  });

  it.each([
    ['a.zip', 'application/x-zip-compressed', 'zip'],
    ['a.zip', 'application/x-compressed', 'zip'],
    ['a.7z', 'application/x-compressed', '7z'],
    ['a.rar', 'application/x-compressed', 'rar'],
    ['a.xls', 'application/vnd.ms-excel', 'html'],
    ['a.xls', 'application/vnd.ms-excel', 'xml'],
    ['a.doc', 'application/msword', 'html'],
    ['a.ts', 'video/vnd.dlna.mpeg-tts', 'shell'],
    ['a.unknown', 'image/x-something+xml', 'xml'],
    ['favicon.ico', 'image/x-icon', 'gif'],
    ['a.cbz', undefined, 'rar'],
    ['a.csv', 'application/vnd.ms-excel', 'text'],
    ['a.ts', undefined, 'shell'],
    ['a.ts', 'video/mp2t', 'html'],
    ['a.bat', undefined, 'batch'],
    ['a.ai', undefined, 'pdf'],
    ['a.webp', 'image/x-something', 'webp'],
  ] as const)('%s declared as %s may be %s', async (name, declared, kind) => {
    const head = kind === 'text' ? Buffer.from('a;b;c\n1;2;3\n') : HEADS[kind];
    expect(await verdict(open, name, head, declared)).toBe('taken');
  });

  it('says what was seen, what was declared and of which file, without its folder', async () => {
    const check = open.check({ path: 'secret/place/a.png', contentType: 'image/png', head: HEADS.docx });
    await expect(check).rejects.toMatchObject({
      code: 'CONTENT_MISMATCH',
      details: {
        seen: 'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
        declared: 'image/png',
        fileName: 'a.png',
      },
    });
  });

  it('never takes text that is no markup for something else, however it begins', async () => {
    const beginnings = [
      '',
      'BM',
      'MZ',
      'GIF89a',
      'ID3',
      'PK',
      '%!',
      '%PDF-',
      'FWS',
      'OTTO',
      'RIFF',
      'ÿþ',
      'OggS',
      'fLaC',
      'BZh9',
    ];
    const names = CLAIMING.filter((name) => !name.endsWith('.bat'));
    const text = fc.string({ unit: 'grapheme', maxLength: 5000 }).filter((it) => !/^[\s\p{Cf}]*[<#@{%!]/u.test(it));
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...beginnings), text, fc.constantFrom(...names), async (begin, rest, name) => {
        // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what text has none of.
        const plain = (begin + rest).replace(/[\x00-\x08\x0e-\x1f\x7f]/g, '');
        const isPdf = plain.startsWith('%PDF-') && name === 'a.pdf';
        const isTaken = plain === '' || isPdf || !DEPENDABLE.includes(name);
        const head = Buffer.from(plain);
        expect(await verdict(open, name, head)).toBe(isTaken ? 'taken' : 'CONTENT_MISMATCH');
        if (!isTaken) expect(await seenAs(name, head)).toBe('text/plain');
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    ...'jpg JPEG png apng gif webp bmp tif heic avif pdf zip jar epub docx 7z rar gz tgz flac opus webm mp4 m4a mov wav avi woff2'.split(
      ' ',
    ),
  ])('a.%s shows that it is one, unless it is empty', async (ending) => {
    const unknown = Buffer.from('0102030405060708090a0b0c0d0e0f10', 'hex');
    expect(await seenAs(`a.${ending}`, Buffer.from('Write-Host "hello"'))).toBe('text/plain');
    expect(await seenAs(`a.${ending}`, unknown)).toBe('application/octet-stream');
    expect(await verdict(open, `a.${ending}`, Buffer.alloc(0))).toBe('taken');
  });

  it.each(['mp3', 'aac', 'tar', 'ico', 'mpeg', 'ts', 'doc', 'xls', 'txt', 'csv', 'unknown', 'ttf', 'eps', 'mp3.bin'])(
    'a.%s need not show what it is',
    async (ending) => {
      const unknown = Buffer.from('0102030405060708090a0b0c0d0e0f10', 'hex');
      expect(await verdict(open, `a.${ending}`, unknown)).toBe('taken');
      expect(await verdict(open, `a.${ending}`, Buffer.from('a;b'))).toBe('taken');
    },
  );

  it('is asked of the declared type as well', async () => {
    expect(await verdict(open, 'x.ps1', Buffer.from('Write-Host "hello"'), 'image/png')).toBe('CONTENT_MISMATCH');
  });

  it.each([
    ['a.pdf', Buffer.concat([Buffer.alloc(900, 'x'), Buffer.from('%PDF-1.4\n')]), 'taken'],
    ['a.pdf', Buffer.concat([Buffer.alloc(1100, 'x'), Buffer.from('%PDF-1.4\n')]), 'CONTENT_MISMATCH'],
    ['a.txt', Buffer.from('%PDF-1.7 is how a PDF begins.\n'), 'taken'],
    ['a.txt', Buffer.from('%PDF-1.7\n1 0 obj\n<<>>\n'), 'CONTENT_MISMATCH'],
    ['a.md', Buffer.from('%PDF-1.7\n%\xe2\xe3\xcf\xd3\n', 'latin1'), 'CONTENT_MISMATCH'],
    ['a.mov', Buffer.from('0000000877696465000001', 'hex'), 'taken'],
    ['a.mov', Buffer.from('01c9a8706d64617400', 'hex'), 'taken'],
    ['a.bmp', Buffer.concat([Buffer.from('BM'), Buffer.alloc(30, 7)]), 'taken'],
    ['a.m4a', Buffer.from('fff15080017ffc00', 'hex'), 'taken'],
  ] as const)('%s of %j is %s', async (name, head, expected) => {
    expect(await verdict(open, name, head)).toBe(expected);
  });

  const page = '<html><script>alert(1)</script>';
  const wide = (text: string, bytes: number, at: number) =>
    Buffer.concat([...text].map((sign) => Buffer.alloc(bytes).fill(sign, at, at + 1)));
  it.each([
    ['marks of byte order', Buffer.from(`\ufeff\ufeff \ufeff${page}`)],
    ['characters that show nothing', Buffer.from(`\u200b\u2060\u00ad\n${page}`)],
    ['a picture', Buffer.from('<img src=x onerror=alert(1)>')],
    ['a form', Buffer.from('<form action=/steal><input>')],
    ['a tag of nobody', Buffer.from('<x y=z onmouseover = alert(1)>')],
    ['a picture of lines', Buffer.from('<svg/onload=alert(1)>')],
    ['UTF-16', wide(page, 2, 0)],
    ['UTF-16, big end first', wide(page, 2, 1)],
    ['UTF-32', wide(page, 4, 0)],
    ['UTF-32, big end first', wide(`\u0020${page}`, 4, 3)],
    ['UTF-16 with a control character', Buffer.concat([Buffer.from('fffe', 'hex'), wide(`${page}\x01`, 2, 0)])],
    ['a script', Buffer.from('#! \t/bin/sh\n')],
    ['a program whose header lies far behind', pe(5000)],
  ])('sees through %s', async (_what, head) => {
    expect(await verdict(open, 'a.mp3', head)).toBe('CONTENT_MISMATCH');
  });

  it('hardly ever sees something in bytes that are nothing, and never breaks on any', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 4200 }), async (bytes) => {
        expect(['taken', 'CONTENT_MISMATCH']).toContain(await verdict(open, 'a.jpg', Buffer.from(bytes)));
      }),
    );
    for (const kind of Object.values(HEADS)) {
      for (let length = 0; length < Math.min(kind.length, 64); length += 1) {
        await verdict(open, 'a.jpg', kind.subarray(0, length));
      }
    }
  });
});

describe('blocked extensions', () => {
  const policy = new ContentPolicy({ ...NO_LIMITS, blockedExtensions: ['exe', 'php', 'tar.gz'] });
  const named = (name: string) => refusalOf(() => policy.checkedName(name));

  it.each([
    'a.exe',
    'a.EXE',
    'folder/a.Exe',
    'a.exe.',
    'a.exe. .',
    'a.exe ',
    '.exe',
    'a.txt.exe',
    'a.exe::$DATA',
    'a.e\u200bxe',
    'a.e\u3164xe',
    'a.exe\u2800',
    'a.exe:x.txt',
    'a.exe .:x:y.txt',
    'a.\uff45\uff58\uff45',
    '12:30 notes.exe',
    'a.tar.gz',
  ])('refuse %j', (name) => {
    expect(named(name)).toMatchObject({
      code: 'FILE_TYPE_NOT_ALLOWED',
      details: { blocked: ['exe', 'php', 'tar.gz'] },
    });
  });

  it.each(['a.txt', 'exe', 'a.exe.txt', 'photo.php.jpg', 'a.exe/b', 'aexe', 'a.gz'])('take %j', (name) => {
    expect(named(name)).toEqual({ taken: name });
  });

  it('are asked for before the first byte, too', () => {
    const refusal = refusalOf(() => policy.admit({ path: 'a.PHP', contentType: 'text/plain' }));
    expect(refusal).toMatchObject({ code: 'FILE_TYPE_NOT_ALLOWED', details: { extension: 'php' } });
  });
});

describe('allowed types', () => {
  const policy = new ContentPolicy({
    ...NO_LIMITS,
    allowedTypes: ['image/*', 'application/pdf', 'application/octet-stream'],
  });
  const strict = new ContentPolicy({ ...NO_LIMITS, allowedTypes: [contentTypeOf('a.docx', undefined)] });
  const admit = (path: string, contentType?: string) => refusalOf(() => policy.admit({ path, contentType }));

  it.each([
    ['a.png', undefined, 'image/png'],
    ['a.png', 'image/png', 'image/png'],
    ['a.pdf', 'application/pdf; version=1.7', 'application/pdf; version=1.7'],
    ['a.unknown', 'IMAGE/JPEG', 'IMAGE/JPEG'],
    ['a.unknown', undefined, 'application/octet-stream'],
  ])('take %s declared as %s', (path, declared, contentType) => {
    expect(admit(path, declared)).toEqual({ taken: { path, contentType } });
  });

  it.each([
    ['a.txt', undefined, 'text/plain'],
    ['a.html', 'image/png', 'text/html'],
    ['a.png', 'text/html', 'text/html'],
    ['a.unknown', 'imagex/png', 'imagex/png'],
  ])('refuse %s declared as %s', (path, declared, contentType) => {
    expect(admit(path, declared)).toMatchObject({ code: 'FILE_TYPE_NOT_ALLOWED', details: { contentType } });
  });

  it('hold for new names, too', () => {
    expect(refusalOf(() => policy.checkedName('a.html'))).toMatchObject({ code: 'FILE_TYPE_NOT_ALLOWED' });
    expect(refusalOf(() => policy.checkedName('a.unknown'))).toEqual({ taken: 'a.unknown' });
  });

  it('hold for what the bytes show under a name of nothing', async () => {
    expect(await verdict(policy, 'a.unknown', HEADS.zip)).toBe('FILE_TYPE_NOT_ALLOWED');
    expect(await verdict(policy, 'a.unknown', HEADS.html)).toBe('FILE_TYPE_NOT_ALLOWED');
    expect(await verdict(policy, 'a.unknown', HEADS.png)).toBe('taken');
  });

  it.each([
    // With octet-stream allowed, what nobody knows is.
    [['image/*', 'application/octet-stream'], 'a.unknown', 'image/x-a', '00ff01', 'taken'],
    [['image/*'], 'a.unknown', 'image/x-a', '00ff01', 'FILE_TYPE_NOT_ALLOWED'],
    [['image/*'], 'x.ps1', 'image/x-a', '6162', 'FILE_TYPE_NOT_ALLOWED'],
    [['image/*', 'text/plain'], 'x.ps1', 'image/x-a', '6162', 'taken'],
    [['image/*'], 'x.ps1', 'image/png', '6162', 'CONTENT_MISMATCH'],
    [['image/*'], 'x.ps1', 'image/png', '89504e470d0a1a0a', 'taken'],
    [['image/*'], 'x.ps1', 'image/x-a', '89504e470d0a1a0a', 'taken'],
    [['image/*'], 'x.ps1', 'image/x-a', '504b0304', 'FILE_TYPE_NOT_ALLOWED'],
    [['audio/*'], 'a.mp3', undefined, 'fffb90640000', 'taken'],
    [['audio/*'], 'a.mp3', undefined, '6162', 'FILE_TYPE_NOT_ALLOWED'],
    [['audio/*'], 'a', 'audio/mpeg', '00ff01', 'FILE_TYPE_NOT_ALLOWED'],
    [['text/csv'], 'data', 'text/csv', '613b62', 'taken'],
    [['text/csv'], 'a.csv', undefined, '00ff', 'taken'],
    [['application/pdf'], 'a.pdf', undefined, '20255044462d', 'taken'],
    [['image/*'], 'x.ps1', 'image/png', '', 'taken'],
  ] as const)('%j: %s declared as %s, of %s, is %s', async (allowedTypes, name, declared, bytes, expected) => {
    const limited = new ContentPolicy({ ...NO_LIMITS, allowedTypes });
    expect(await verdict(limited, name, Buffer.from(bytes, 'hex'), declared)).toBe(expected);
  });

  it('tell what shares a container apart, as far as the bytes do', async () => {
    expect(await verdict(strict, 'a.docx', HEADS.docx)).toBe('taken');
    expect(await verdict(strict, 'a.docx', HEADS.zip)).toBe('taken');
    expect(await verdict(strict, 'a.docx', HEADS.odt)).toBe('FILE_TYPE_NOT_ALLOWED');
  });
});

describe('the size', () => {
  it('is refused before the first byte', () => {
    const of = (sizeBytes: number) => refusalOf(() => open.admit({ path: 'a', contentType: undefined, sizeBytes }));
    expect(of(1000)).toMatchObject({ taken: { path: 'a' } });
    expect(of(1001)).toEqual({ code: 'FILE_TOO_LARGE', details: { maxBytes: 1000 } });
  });
});
