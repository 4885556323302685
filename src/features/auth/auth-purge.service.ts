import type { Clock } from '../../platform/clock/clock.ts';
import type { OneTimeCodeRepository } from './one-time-code.repository.ts';
import type { SessionRepository } from './session.repository.ts';

const DAY_MS = 24 * 3600 * 1000;
/** How long after its end something is kept. */
const KEEP_MS = { session: 30 * DAY_MS, code: DAY_MS } as const;
/** Rows a statement: each is over soon and locks few. */
const BATCH = 1000;

export interface AuthPurgeDependencies {
  readonly sessions: SessionRepository;
  readonly codes: OneTimeCodeRepository;
  readonly clock: Clock;
}

/** Forgets where people were logged in, and codes that nobody used. */
export class AuthPurgeService {
  readonly #deps: AuthPurgeDependencies;

  constructor(deps: AuthPurgeDependencies) {
    this.#deps = deps;
  }

  /** Works in batches until nothing is left or `signal` aborts. Safe to run twice at once. */
  async purge(signal: AbortSignal): Promise<void> {
    const { sessions, codes, clock } = this.#deps;
    const now = clock.now();
    const before = (keepMs: number) => new Date(now.getTime() - keepMs);
    await inBatches(() => sessions.purge(before(KEEP_MS.session), now, BATCH), signal);
    await inBatches(() => codes.purge(before(KEEP_MS.code), BATCH), signal);
  }
}

async function inBatches(purge: () => Promise<number>, signal: AbortSignal): Promise<void> {
  for (;;) {
    signal.throwIfAborted();
    if ((await purge()) === 0) return;
  }
}
