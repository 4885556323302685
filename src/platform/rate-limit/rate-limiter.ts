import { RateLimiterMemory, RateLimiterPostgres, RateLimiterRes } from 'rate-limiter-flexible';
import type { Database } from '../db/database.ts';

/** So many requests in so many seconds; the seconds begin with the first of them. */
export interface RateLimitRule {
  readonly points: number;
  readonly seconds: number;
}

/** What one more request found. */
export interface RateLimitVerdict {
  readonly allowed: boolean;
  readonly rule: RateLimitRule;
  /** Requests that are left in this window. */
  readonly remaining: number;
  /** Until the window ends, at least 1 while one is open. */
  readonly resetSeconds: number;
}

/** The table of migration `accounts`, in the form that the library wants. */
const TABLE = 'rate_limits';

type Engine = RateLimiterMemory | RateLimiterPostgres;

/** Counts requests by key in windows of a fixed length. */
export class RateLimiter {
  readonly rule: RateLimitRule;
  readonly #engine: Engine;

  private constructor(rule: RateLimitRule, engine: Engine) {
    this.rule = rule;
    this.#engine = engine;
  }

  /** In this process only: some microseconds, no exactness beyond it. */
  static local(name: string, rule: RateLimitRule): RateLimiter {
    return new RateLimiter(
      rule,
      new RateLimiterMemory({ keyPrefix: name, points: rule.points, duration: rule.seconds }),
    );
  }

  /**
   * Over all processes, exactly: one statement a request. Throws what the database throws. With `remembersRefusals`, who
   * has used all points up is refused from this process's memory until the window ends, whatever `reset` says elsewhere,
   * so that a flood does not reach the database.
   */
  static shared(
    name: string,
    rule: RateLimitRule,
    { database, remembersRefusals }: { readonly database: Database; readonly remembersRefusals: boolean },
  ): RateLimiter {
    const engine = new RateLimiterPostgres({
      storeClient: clientOf(database),
      storeType: 'client',
      tableName: TABLE,
      tableCreated: true,
      keyPrefix: name,
      points: rule.points,
      duration: rule.seconds,
      inMemoryBlockOnConsumed: remembersRefusals ? rule.points : 0,
    });
    return new RateLimiter(rule, engine);
  }

  /** Takes one point of the key's window; refused when none is left. */
  async consume(key: string): Promise<RateLimitVerdict> {
    try {
      return this.#verdict(await this.#engine.consume(key), true);
    } catch (refusal) {
      // The library rejects with its result when the points are used up, and with an Error when it could not count.
      if (refusal instanceof RateLimiterRes) return this.#verdict(refusal, false);
      throw refusal;
    }
  }

  /** What the next request would find; takes nothing. */
  async peek(key: string): Promise<RateLimitVerdict> {
    const state = await this.#engine.get(key);
    if (state === null) return { allowed: true, rule: this.rule, remaining: this.rule.points, resetSeconds: 0 };
    return this.#verdict(state, state.consumedPoints < this.rule.points);
  }

  /** Gives the key all its points back. */
  async reset(key: string): Promise<void> {
    await this.#engine.delete(key);
  }

  #verdict(state: RateLimiterRes, allowed: boolean): RateLimitVerdict {
    const resetSeconds = Math.max(1, Math.ceil(state.msBeforeNext / 1000));
    return { allowed, rule: this.rule, remaining: Math.max(0, state.remainingPoints), resetSeconds };
  }
}

/** The two things that the library wants of a connection, on the process's one pool. */
function clientOf(database: Database) {
  return {
    query: async ({ name, text, values }: { name: string; text: string; values: readonly unknown[] }) => {
      const rows = await database.query({ name, text }, values);
      return { rows, rowCount: rows.length };
    },
  };
}
