import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { extensionOf, fileNameFault, MAX_FILE_NAME_BYTES, normalizeFileName, splitForNumber } from './file-name.ts';

describe('fileNameFault', () => {
  it.each([
    'a',
    'a.txt',
    'photos/2026/cat.jpg',
    '...',
    '..a',
    'a..',
    '.hidden',
    'ünï/日本.txt',
    '🐈',
    'a b+c%d"e',
    'x'.repeat(1024),
  ])('takes %j', (name) => {
    expect(fileNameFault(name)).toBeNull();
  });

  it.each([
    ['', 'empty'],
    ['/a', 'begin'],
    ['a/', 'begin or end'],
    ['a//b', 'empty segment'],
    ['.', 'segment'],
    ['..', 'segment'],
    ['a/../b', 'segment'],
    ['a/./b', 'segment'],
    ['a\0b', 'control'],
    ['a\nb', 'control'],
    ['a\u007fb', 'control'],
    ['a\u0085b', 'control'],
    ['\ud800', 'UTF-8'],
    ['a\ufffdb', 'UTF-8'],
    ['x'.repeat(1025), '1024 bytes'],
    ['é'.repeat(513), '1024 bytes'],
  ])('refuses %j', (name, reason) => {
    expect(fileNameFault(name)).toContain(reason);
  });

  it('is asked of the composed form, so that one visible name is one name', () => {
    expect(normalizeFileName('e\u0301.txt')).toBe('\u00e9.txt');
  });
});

describe('splitForNumber', () => {
  it('puts the number before the extension of the last segment', () => {
    expect(splitForNumber('a.b/c.tar.gz')).toEqual({ stem: 'a.b/c.tar', suffix: '.gz' });
    expect(splitForNumber('a.b/readme')).toEqual({ stem: 'a.b/readme', suffix: '' });
    expect(splitForNumber('.env')).toEqual({ stem: '.env', suffix: '' });
  });

  it('leaves room for the number in any valid name, and stays valid', () => {
    const names = fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 1200 })
      .filter((name) => fileNameFault(name) === null);
    fc.assert(
      fc.property(
        fc.oneof(names, fc.constant('é'.repeat(512)), fc.constant(`${'x'.repeat(1000)}.${'y'.repeat(20)}`)),
        (name) => {
          const { stem, suffix } = splitForNumber(name);
          const numbered = `${stem} (1234567890)${suffix}`;
          const folder = name.slice(0, name.lastIndexOf('/') + 1);
          if (Buffer.byteLength(folder) > 1010) return;
          expect(Buffer.byteLength(numbered)).toBeLessThanOrEqual(MAX_FILE_NAME_BYTES);
          expect(fileNameFault(numbered)).toBeNull();
        },
      ),
    );
  });

  it('never leaves the folder, however long its name is', () => {
    const folders = fc.integer({ min: 1, max: 1021 }).map((length) => 'x'.repeat(length));
    const names = fc.constantFrom('a.b', 'a', '.env', 'é.txt', `é.${'y'.repeat(32)}`, 'a.b.c');
    fc.assert(
      fc.property(folders, names, (folder, name) => {
        const path = `${folder}/${name}`;
        fc.pre(fileNameFault(path) === null);
        const { stem, suffix } = splitForNumber(path);
        expect(`${stem} (1)${suffix}`.startsWith(`${folder}/`)).toBe(true);
        if (folder.length < 970) expect(suffix).toBe(splitForNumber(name).suffix);
        if (folder.length <= 1010) expect(Buffer.byteLength(`${stem} (1234567890)${suffix}`)).toBeLessThanOrEqual(1024);
      }),
    );
  });
});

describe('extensionOf', () => {
  it.each([
    ['a.TXT', 'TXT'],
    ['a/b.c/d', ''],
    ['.gitignore', ''],
    ['a.', ''],
    [`a.${'x'.repeat(33)}`, ''],
  ])('of %j is %j', (name, extension) => {
    expect(extensionOf(name)).toBe(extension);
  });
});
