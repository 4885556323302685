/** Reads many at once; what is not there is not in the map. */
export type BatchFetch<Value> = (keys: readonly string[]) => Promise<ReadonlyMap<string, Value>>;

const MAX_BATCH = 200;
/** A statement that takes this long no longer holds up those that follow: its connection may be dead. */
const STALLED_MS = 250;
const MAX_UNDER_WAY = 4;

interface Waiting<Value> {
  readonly promise: Promise<Value | null>;
  readonly resolve: (value: Value | null) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Look-ups that arrive while one is under way are sent as one statement after it, each key once. Without company a
 * look-up goes at once. Nothing is remembered: the statement that answers a look-up always begins after the look-up
 * was asked for, so whoever asks sees all that was committed before.
 */
export class BatchLoader<Value> {
  readonly #fetch: BatchFetch<Value>;
  readonly #now: () => number;
  #waiting = new Map<string, Waiting<Value>>();
  #underWay = 0;
  #startedAt = 0;

  /** `now`: milliseconds that only ever grow. */
  constructor(fetch: BatchFetch<Value>, now: () => number = () => performance.now()) {
    this.#fetch = fetch;
    this.#now = now;
  }

  /** The value, or null when there is none. Rejects with the statement's error. */
  load(key: string): Promise<Value | null> {
    const known = this.#waiting.get(key);
    if (known) return known.promise;
    const waiting: Waiting<Value> = Promise.withResolvers<Value | null>();
    this.#waiting.set(key, waiting);
    const stalled = this.#underWay < MAX_UNDER_WAY && this.#now() - this.#startedAt > STALLED_MS;
    if (this.#underWay === 0 || stalled) void this.#drain();
    return waiting.promise;
  }

  async #drain(): Promise<void> {
    this.#underWay += 1;
    while (this.#waiting.size > 0) {
      this.#startedAt = this.#now();
      await this.#run(this.#takeBatch());
    }
    this.#underWay -= 1;
  }

  #takeBatch(): ReadonlyMap<string, Waiting<Value>> {
    const all = this.#waiting;
    if (all.size <= MAX_BATCH) {
      this.#waiting = new Map();
      return all;
    }
    const entries = [...all];
    this.#waiting = new Map(entries.slice(MAX_BATCH));
    return new Map(entries.slice(0, MAX_BATCH));
  }

  async #run(batch: ReadonlyMap<string, Waiting<Value>>): Promise<void> {
    try {
      const found = await this.#fetch([...batch.keys()]);
      for (const [key, { resolve }] of batch) resolve(found.get(key) ?? null);
    } catch (error) {
      for (const { reject } of batch.values()) reject(error);
    }
  }
}
