import { setTimeout as delay } from 'node:timers/promises';

/** How long to go on asking, and how often. */
export interface EventuallyOptions {
  readonly withinMs?: number;
  readonly everyMs?: number;
}

/**
 * Asks until the answer is neither false, null nor undefined, and gives it; an error of `check` counts as "not yet".
 * Throws with `what` and the last error when the time is up (10 s unless told).
 */
export async function eventually<T>(
  what: string,
  check: () => T | Promise<T>,
  { withinMs = 10_000, everyMs = 25 }: EventuallyOptions = {},
): Promise<Exclude<T, false | null | undefined>> {
  const deadline = performance.now() + withinMs;
  for (let lastError: unknown; ; ) {
    try {
      const answer = await check();
      if (answer !== false && answer !== null && answer !== undefined) {
        return answer as Exclude<T, false | null | undefined>;
      }
      lastError = undefined;
    } catch (error) {
      lastError = error;
    }
    if (performance.now() > deadline) throw new Error(`not within ${withinMs} ms: ${what}`, { cause: lastError });
    await delay(everyMs);
  }
}
