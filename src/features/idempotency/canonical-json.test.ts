import { describe, expect, it } from 'vitest';
import { canonicalJson } from './canonical-json.ts';

describe('canonicalJson', () => {
  it('does not mind the order of fields, at any depth', () => {
    expect(canonicalJson({ b: [{ y: 1, x: 2 }], a: 0 })).toBe(canonicalJson({ a: 0, b: [{ x: 2, y: 1 }] }));
  });

  it('minds the order of lists, types and what is there', () => {
    const texts = [[1, 2], [2, 1], ['1', '2'], { 0: 1, 1: 2 }, {}, null, { a: null }, { a: '' }].map(canonicalJson);
    expect(new Set(texts).size).toBe(texts.length);
  });

  it('keeps fields that objects have by themselves', () => {
    const value = JSON.parse('{"__proto__":{"a":1},"constructor":2}') as unknown;
    expect(canonicalJson(value)).toBe('{"__proto__":{"a":1},"constructor":2}');
  });
});
