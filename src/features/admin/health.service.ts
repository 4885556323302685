import type { Clock } from '../../platform/clock/clock.ts';
import type { Logger } from '../../platform/logging/logger.ts';
import type { QueueStats } from '../../platform/queue/job-queue.ts';
import type { Checked, DatabaseDetails, Statistics } from './health.ts';

const CHECK_TIMEOUT_MS = 2000;

export interface HealthDependencies {
  readonly askDatabase: () => Promise<DatabaseDetails>;
  readonly askObjectStore: () => Promise<void>;
  readonly askQueue: () => Promise<QueueStats>;
  readonly countAll: (now: Date) => Promise<Statistics>;
  readonly clock: Clock;
  readonly version: string;
  readonly log: Logger;
}

export interface Health {
  readonly system: {
    readonly status: 'ok' | 'degraded';
    readonly uptimeSeconds: number;
    readonly version: string;
    readonly database: Checked<DatabaseDetails>;
    readonly objectStore: Checked<true>;
    readonly queue: Checked<QueueStats>;
  };
  /** null when the database does not answer. */
  readonly statistics: Statistics | null;
}

/** How this process and what it stands on are, and what there is in numbers. */
export class HealthService {
  readonly #deps: HealthDependencies;
  readonly #startedAt: number;

  constructor(deps: HealthDependencies) {
    this.#deps = deps;
    this.#startedAt = deps.clock.now().getTime();
  }

  /** Asks all at once and now, each for 2 s at the most; what is away is `down`, and no error. */
  async look(): Promise<Health> {
    const { askDatabase, askObjectStore, askQueue, countAll, clock, version } = this.#deps;
    const now = clock.now();
    const counting = Promise.allSettled([countAll(now)]);
    const [database, objectStore, queue] = await Promise.all([
      this.#check('database', askDatabase),
      this.#check('object store', async () => {
        await askObjectStore();
        return true as const;
      }),
      this.#check('job queue', askQueue),
    ]);
    const allUp = [database, objectStore, queue].every(({ status }) => status === 'up');
    return {
      system: {
        status: allUp ? 'ok' : 'degraded',
        uptimeSeconds: (now.getTime() - this.#startedAt) / 1000,
        version,
        database,
        objectStore,
        queue,
      },
      // Counting may take longer than a check may; where the database is away, nobody waits for it.
      statistics: database.status === 'up' ? settled(await counting) : null,
    };
  }

  async #check<Details>(what: string, ask: () => Promise<Details>): Promise<Checked<Details>> {
    const startedAt = performance.now();
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => reject(new Error(`no answer for ${CHECK_TIMEOUT_MS} ms`)), CHECK_TIMEOUT_MS);
    const verdict = (details: Details | null): Checked<Details> => ({
      status: details === null ? 'down' : 'up',
      latencyMs: Math.round((performance.now() - startedAt) * 10) / 10,
      details,
    });
    try {
      return verdict(await Promise.race([ask(), late]));
    } catch (error) {
      this.#deps.log.warn({ err: error }, `the ${what} does not answer`);
      return verdict(null);
    } finally {
      clearTimeout(timer);
    }
  }
}

function settled<T>([result]: readonly [PromiseSettledResult<T>]): T {
  if (result.status === 'rejected') throw result.reason;
  return result.value;
}
