/** Reads many at once; what is not there is not in the map. */
export type BatchFetch<Value> = (keys: readonly string[]) => Promise<ReadonlyMap<string, Value>>;

const MAX_BATCH = 200;

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
  #waiting = new Map<string, Waiting<Value>>();
  #busy = false;

  constructor(fetch: BatchFetch<Value>) {
    this.#fetch = fetch;
  }

  /** The value, or null when there is none. Rejects with the statement's error. */
  load(key: string): Promise<Value | null> {
    const known = this.#waiting.get(key);
    if (known) return known.promise;
    const waiting: Waiting<Value> = Promise.withResolvers<Value | null>();
    this.#waiting.set(key, waiting);
    if (!this.#busy) void this.#drain();
    return waiting.promise;
  }

  async #drain(): Promise<void> {
    this.#busy = true;
    while (this.#waiting.size > 0) await this.#run(this.#takeBatch());
    this.#busy = false;
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
