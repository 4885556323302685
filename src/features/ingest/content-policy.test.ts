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
  gif: ['a.gif'],
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
  html: ['a.txt', 'a.html', 'a.json', 'a.csv', 'a.js', 'a.svg', 'a.svgz'],
  svg: ['a.txt', 'a.html', 'a.json', 'a.csv', 'a.js', 'a.svg', 'a.svgz'],
  xml: ['a.txt', 'a.html', 'a.json', 'a.csv', 'a.js', 'a.svg', 'a.svgz'],
  utf16Html: ['a.txt', 'a.html', 'a.json', 'a.csv', 'a.js', 'a.svg', 'a.svgz'],
  php: ['a.txt', 'a.html', 'a.json', 'a.csv', 'a.js', 'a.svg', 'a.svgz'],
  shell: ['a.txt', 'a.html', 'a.json', 'a.csv', 'a.js', 'a.svg', 'a.svgz', 'a.jar', 'a.exe', 'a.msi'],
  batch: ['a.txt', 'a.html', 'a.json', 'a.csv', 'a.js', 'a.svg', 'a.svgz', 'a.jar', 'a.exe', 'a.msi'],
};
const CLAIMING = [...new Set(Object.values(NAMES).flat())];
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

  it('never refuses text that is no markup, however it begins', async () => {
    const beginnings = [
      '',
      'BM',
      'MZ',
      'GIF89a',
      'ID3',
      'PK',
      '%!',
      'FWS',
      'OTTO',
      'RIFF',
      'ÿþ',
      'OggS',
      'fLaC',
      'BZh9',
    ];
    const names = CLAIMING.filter((name) => !name.endsWith('.bat'));
    const text = fc.string({ unit: 'grapheme', maxLength: 5000 }).filter((it) => !/^[\s\ufeff]*[<#@{%!]/.test(it));
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...beginnings), text, fc.constantFrom(...names), async (begin, rest, name) => {
        // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what text has none of.
        const plain = (begin + rest).replace(/[\x00-\x08\x0e-\x1f\x7f]/g, '');
        expect(await verdict(open, name, Buffer.from(plain))).toBe('taken');
      }),
      { numRuns: 500 },
    );
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
