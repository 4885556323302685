import { resolve, sep } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { assertKeyPrefix, assertObjectKey } from './object-key.ts';

describe('assertObjectKey', () => {
  for (const key of [
    'a',
    'apikeys/AKIA1/x',
    '..a',
    'a..',
    '.hidden',
    'a/.tmp',
    '.tmpx',
    'ü/ %41+"\'',
    'x'.repeat(255),
  ]) {
    it(`takes ${key.slice(0, 40)}`, () => assertObjectKey(key));
  }

  const long = Array.from({ length: 5 }, () => 'x'.repeat(250)).join('/');
  for (const key of [
    '',
    '/',
    '/a',
    'a/',
    'a//b',
    '.',
    '..',
    '../a',
    'a/..',
    'a/./b',
    '.tmp',
    '.tmp/a',
    'a\0',
    'a\\b',
  ]) {
    it(`refuses ${JSON.stringify(key)}`, () => expect(() => assertObjectKey(key)).toThrow(TypeError));
  }
  for (const key of [long, 'ü'.repeat(128), 'a\ud800']) {
    it(`refuses ${key.length} characters that begin with ${key.slice(0, 2)}`, () => {
      expect(() => assertObjectKey(key)).toThrow(TypeError);
    });
  }

  it('lets no key out of its folder, and no two keys onto one path', () => {
    const piece = fc.oneof(
      fc.constantFrom('..', '.', '/', '\\', '\0', '.tmp', '', '%2e'),
      fc.string({ unit: 'binary' }),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 6 }), (pieces) => {
        const key = pieces.join('/');
        try {
          assertObjectKey(key);
        } catch {
          return;
        }
        const root = resolve('/store');
        expect(resolve(root, key)).toBe(root + sep + key.split('/').join(sep));
      }),
    );
  });
});

describe('assertKeyPrefix', () => {
  it('takes the beginning of a key and nothing that leaves the folder', () => {
    for (const prefix of ['a', 'a/', 'a/b', 'apikeys/AKIA1/']) assertKeyPrefix(prefix);
    for (const prefix of ['/', '../', 'a/../', 'a//', '.tmp/']) {
      expect(() => assertKeyPrefix(prefix)).toThrow(TypeError);
    }
  });
});
