import { databaseFault } from './errors.ts';

/** Writes many at once, all of them or none. */
export type BatchWrite<Item> = (items: readonly Item[]) => Promise<void>;

const MAX_BATCH = 200;
/** A statement that takes this long no longer holds up those that follow: its connection may be dead. */
const STALLED_MS = 250;
const MAX_UNDER_WAY = 4;

interface Waiting<Item> {
  readonly item: Item;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * What arrives in one turn of the event loop, or while a statement is under way, is written by one statement: one flush
 * of the log for all of it. Without company an item goes at the turn's end: nothing waits for a batch to fill.
 */
export class BatchWriter<Item> {
  readonly #write: BatchWrite<Item>;
  readonly #now: () => number;
  #waiting: Waiting<Item>[] = [];
  #underWay = 0;
  #startedAt = 0;

  /** `now`: milliseconds that only ever grow. */
  constructor(write: BatchWrite<Item>, now: () => number = () => performance.now()) {
    this.#write = write;
    this.#now = now;
  }

  /** Resolves when the item is committed; rejects with the statement's error. */
  add(item: Item): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject });
      const stalled = this.#underWay < MAX_UNDER_WAY && this.#now() - this.#startedAt > STALLED_MS;
      if (this.#underWay > 0 && !stalled) return;
      this.#underWay += 1;
      this.#startedAt = this.#now();
      setImmediate(() => void this.#drain());
    });
  }

  async #drain(): Promise<void> {
    while (this.#waiting.length > 0) {
      this.#startedAt = this.#now();
      await this.#run(this.#waiting.splice(0, MAX_BATCH));
    }
    this.#underWay -= 1;
  }

  async #run(batch: readonly Waiting<Item>[]): Promise<void> {
    try {
      await this.#write(batch.map(({ item }) => item));
      for (const { resolve } of batch) resolve();
    } catch (error) {
      // One faulty item must not fail its neighbours: the statement did nothing, so each is tried alone. When the
      // connection was lost it may have done all of it: then nobody tries again.
      if (batch.length > 1 && databaseFault(error) === 'other') for (const waiting of batch) await this.#run([waiting]);
      else for (const { reject } of batch) reject(error);
    }
  }
}
