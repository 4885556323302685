import { expect, it } from 'vitest';
import { daysUntilFull } from './usage-forecast.ts';

const now = new Date('2026-11-21T12:00:00Z');
const ago = (days: number) => new Date(now.getTime() - days * 24 * 3600 * 1000);
const full = (remaining: number, grownBytes: number, ageDays: number) =>
  daysUntilFull(remaining, { grownBytes, since: ago(30), spaceCreatedAt: ago(ageDays), now });

it.each([
  ['a month of growth', 3000, 300, 400, 300],
  ['a young space from its beginning', 1000, 100, 10, 100],
  ['a new space as if it were a day old', 1000, 100, 0.001, 10],
  ['less than a day left', 9, 300, 400, 0],
  ['nothing left', 0, -5, 400, 0],
  ['more used than allowed', -10, 5, 400, 0],
  ['no growth', 1000, 0, 400, null],
  ['shrinking', 1000, -300, 400, null],
])('%s', (_, remaining, grown, age, expected) => {
  expect(full(remaining, grown, age)).toBe(expected);
});
