import { expect, it } from 'vitest';
import { leastPartBytes, partSizeBytes } from './part-sizes.ts';

const MIB = 1024 ** 2;
const TIB = 1024 ** 4;

it('parts of unknown length reach 5 TiB within 10,000, none above 5 GiB', () => {
  const sizes = Array.from({ length: 10_000 }, (_, index) => partSizeBytes(index + 1));
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeGreaterThan(5 * TIB);
  expect(Math.max(...sizes)).toBeLessThanOrEqual(5 * 1024 ** 3);
  expect(Math.min(...sizes)).toBe(8 * MIB);
});

it('the smallest parts that requests may end in still reach the end, and are never less than S3 takes', () => {
  for (const total of [5 * TIB, TIB, 60 * 1024 * MIB, 48 * 1024 * MIB, null]) {
    let reached = 0;
    for (let partNumber = 1; partNumber <= 10_000; partNumber += 1) {
      const least = leastPartBytes(partNumber, total === null ? null : total - reached);
      expect(least).toBeGreaterThanOrEqual(5 * MIB);
      expect(least).toBeLessThanOrEqual(partSizeBytes(partNumber));
      reached += least;
      if (total !== null && reached >= total) break;
    }
    expect(reached).toBeGreaterThanOrEqual(total ?? 5 * TIB);
  }
});
