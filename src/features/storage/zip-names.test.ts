import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { archiveName, folderOf, safeSegment, ZipNames } from './zip-names.ts';

describe('a segment', () => {
  it.each([
    ['cat.jpg', 'cat.jpg'],
    ['naïve 日本 👩‍👩‍👧.txt', 'naïve 日本 👩‍👩‍👧.txt'],
    ['C:evil', 'C_evil'],
    ['a\\b', 'a_b'],
    ['a<b>|"?*c', 'a_b_____c'],
    ['\u202egpj.exe', '_gpj.exe'],
    ['a\u2066b\u2028c\ufeff', 'a_b_c_'],
    ['trailing. . .', 'trailing'],
    ['...', '_'],
    [' ', '_'],
    ['.hidden', '.hidden'],
    ['CON', '_CON'],
    ['nul.txt', '_nul.txt'],
    ['Aux .c', '_Aux .c'],
    ['COM1.log', '_COM1.log'],
    ['lpt².x', '_lpt².x'],
    ['conin$', '_conin$'],
    ['console', 'console'],
    ['COM12', 'COM12'],
    ['con\u0000', 'con_'],
  ])('%j becomes %j', (segment, safe) => expect(safeSegment(segment)).toBe(safe));

  it('is cut where file systems would refuse it, and keeps its ending', () => {
    const cut = safeSegment(`${'ä'.repeat(400)}.jpeg`);
    expect(Buffer.byteLength(cut)).toBeLessThanOrEqual(240);
    expect(cut).toMatch(/^ä+\.jpeg$/);
  });
});

describe('the names of an archive', () => {
  const all = (paths: readonly string[], root = '') => {
    const names = new ZipNames(root);
    return paths.map((path) => names.add(path));
  };

  it('leave the root away', () => {
    expect(all(['a/b/c.txt', 'a/b/d/e.txt', 'other.txt'], 'a/b/')).toEqual(['c.txt', 'd/e.txt', 'other.txt']);
  });

  it.each([
    ['case', ['A.txt', 'a.txt', 'a.TXT'], ['A.txt', 'a (1).txt', 'a (2).TXT']],
    ['what was cleaned', ['a?', 'a*', 'a_'], ['a_', 'a_ (1)', 'a_ (2)']],
    ['composition', ['\u00e4', 'a\u0308'], ['\u00e4', 'a\u0308 (1)']],
    ['sharp s', ['straße', 'STRASSE'], ['straße', 'STRASSE (1)']],
    ['folders of other case', ['D/x', 'd/X'], ['D/x', 'd/X (1)']],
    ['a folder after a file of its name', ['a', 'a/b', 'a/c'], ['a', 'a (1)/b', 'a (1)/c']],
    ['a file after a folder of its name', ['a/b', 'A'], ['a/b', 'A (1)']],
    ['a name that a number made', ['a (1)', 'a', 'A'], ['a (1)', 'a', 'A (2)']],
    ['parent folders', ['../x', './x', '.../x'], ['_/x', '_/x (1)', '_/x (2)']],
  ])('are told apart by number: %s', (_what, paths, names) => expect(all(paths)).toEqual(names));

  it('are found quickly, however many are alike', () => {
    const paths = Array.from({ length: 20_000 }, (_, i) =>
      i.toString(2).replaceAll('0', '?').replaceAll('1', '*').padStart(20, ':'),
    );
    const startedAt = performance.now();
    expect(new Set(all([...paths, ...paths.map((path) => `${path}/x`)])).size).toBe(40_000);
    expect(performance.now() - startedAt).toBeLessThan(5_000);
  });

  it('are always relative, safe and distinct for a file system that knows no case', () => {
    const segment = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 8 }),
      fc.constantFrom('.', '..', 'con', 'A', 'a', 'a.', 'a ', 'a?', 'C:', '\\', 'ä', 'Ä', 'a (1)'),
    );
    const path = fc.array(segment, { minLength: 1, maxLength: 4 }).map((segments) => segments.join('/'));
    fc.assert(
      fc.property(fc.uniqueArray(path, { maxLength: 30 }), (paths) => {
        const names = all(paths);
        const folded = names.map((name) => name.normalize('NFD').toUpperCase().toLowerCase());
        expect(new Set(folded).size).toBe(names.length);
        const folders = new Set(
          folded.flatMap((name) => [...name.matchAll(/\//g)].map(({ index }) => name.slice(0, index))),
        );
        for (const name of folded) expect(folders).not.toContain(name);
        for (const name of names) {
          // biome-ignore lint/suspicious/noControlCharactersInRegex: what must not be there.
          expect(name).not.toMatch(/[\u0000-\u001f\u007f-\u009f\\:*?"<>|\u202a-\u202e\u2066-\u2069]/);
          for (const part of name.split('/')) {
            expect(part).not.toMatch(/^$|[. ]$|^(con|nul|aux|prn)(\.|$)/i);
            expect(Buffer.byteLength(part)).toBeLessThanOrEqual(255);
          }
        }
      }),
      { numRuns: 300 },
    );
  });
});

it('an archive is called as its folder', () => {
  expect(archiveName('photos/2026/')).toBe('2026.zip');
  expect(archiveName('')).toBe('files.zip');
  expect(archiveName('Summer.ZIP')).toBe('Summer.ZIP');
  expect(archiveName('../..')).toBe('_.zip');
  expect([folderOf('a/b/c'), folderOf('a/b/'), folderOf('a')]).toEqual(['a/b/', 'a/b/', '']);
});
