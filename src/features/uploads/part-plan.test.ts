import { describe, expect, it } from 'vitest';
import { MAX_PART_BYTES, partBytesOf, partCountOf, partLengthOf } from './part-plan.ts';

const MIB = 1024 ** 2;
const TIB = 1024 ** 4;

describe('the parts of a file', () => {
  it.each([
    [1, 16 * MIB],
    [160_000 * MIB, 16 * MIB],
    [160_000 * MIB + 1, 17 * MIB],
    [5 * TIB, 525 * MIB],
    [40 * TIB, 4195 * MIB],
  ])('of %d bytes are of %d bytes', (sizeBytes, expected) => {
    const partBytes = partBytesOf(sizeBytes, undefined);
    expect(partBytes).toBe(expected);
    expect(partBytes).toBeLessThanOrEqual(MAX_PART_BYTES);
    expect(partCountOf(sizeBytes, partBytes)).toBeLessThanOrEqual(10_000);
  });

  it('are as large as wanted, unless they would be too many', () => {
    expect(partBytesOf(100 * MIB, 5 * MIB)).toBe(5 * MIB);
    expect(() => partBytesOf(TIB, 5 * MIB)).toThrow(expect.objectContaining({ code: 'VALIDATION_FAILED' }));
  });

  it.each([1, 5 * MIB, 5 * MIB + 1, 12 * MIB, 15 * MIB - 1])('add up to the whole of %d bytes', (sizeBytes) => {
    const count = partCountOf(sizeBytes, 5 * MIB);
    const lengths = Array.from({ length: count }, (_, i) => partLengthOf(sizeBytes, 5 * MIB, i + 1));
    expect(lengths.reduce((sum, length) => sum + length, 0)).toBe(sizeBytes);
    expect(Math.min(...lengths)).toBeGreaterThan(0);
  });
});
