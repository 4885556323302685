const DAY_MS = 24 * 3600 * 1000;

export interface Growth {
  /** Of the time from `since` on; negative where usage shrank. */
  readonly grownBytes: number;
  readonly since: Date;
  readonly spaceCreatedAt: Date;
  readonly now: Date;
}

/**
 * Whole days until nothing is left if a space goes on as it did: 0 when nothing is left now, null when it does not grow.
 * A space younger than `since` is reckoned from its beginning, but for no less than a day.
 */
export function daysUntilFull(
  remainingBytes: number,
  { grownBytes, since, spaceCreatedAt, now }: Growth,
): number | null {
  if (remainingBytes <= 0) return 0;
  if (grownBytes <= 0) return null;
  const days = Math.max(1, (now.getTime() - Math.max(since.getTime(), spaceCreatedAt.getTime())) / DAY_MS);
  return Math.floor(remainingBytes / (grownBytes / days));
}
