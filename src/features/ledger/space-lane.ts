import { databaseFault } from '../../platform/db/errors.ts';

/** Does the work of one batch of one space; answers by each item's upload id. */
export type BatchWork<Item, Result> = (spaceId: string, items: readonly Item[]) => Promise<Map<string, Result>>;

interface Waiting<Item, Result> {
  readonly item: Item;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

const MAX_BATCH = 64;

/**
 * Sends what arrives for one space while a statement is under way as one batch after it. All uploads of a space meet at
 * its row's lock; alone, each would pay a lock hand-over and a flush of the log, together they pay one (ADR 0003).
 * Without company an item goes at once: nothing waits for a batch to fill.
 */
export class SpaceLane<Item extends { readonly uploadId: string }, Result> {
  readonly #work: BatchWork<Item, Result>;
  readonly #waiting = new Map<string, Waiting<Item, Result>[]>();

  constructor(work: BatchWork<Item, Result>) {
    this.#work = work;
  }

  submit(spaceId: string, item: Item): Promise<Result> {
    return new Promise((resolve, reject) => {
      const waiting = this.#waiting.get(spaceId);
      if (waiting) {
        waiting.push({ item, resolve, reject });
        return;
      }
      this.#waiting.set(spaceId, [{ item, resolve, reject }]);
      void this.#drain(spaceId);
    });
  }

  async #drain(spaceId: string): Promise<void> {
    const queue = this.#waiting.get(spaceId) ?? [];
    while (queue.length > 0) await this.#run(spaceId, queue.splice(0, MAX_BATCH));
    this.#waiting.delete(spaceId);
  }

  async #run(spaceId: string, batch: readonly Waiting<Item, Result>[]): Promise<void> {
    let results: Map<string, Result>;
    try {
      results = await this.#work(
        spaceId,
        batch.map(({ item }) => item),
      );
    } catch (error) {
      // One faulty item must not fail its neighbours: the statement did nothing, so each may be tried alone. When the
      // connection was lost it may have done all of it: then nobody tries again.
      const didNothing = databaseFault(error) === 'other';
      if (batch.length > 1 && didNothing) for (const waiting of batch) await this.#run(spaceId, [waiting]);
      else for (const { reject } of batch) reject(error);
      return;
    }
    for (const { item, resolve, reject } of batch) {
      const result = results.get(item.uploadId);
      if (result === undefined) reject(new Error('the ledger gave no answer'));
      else resolve(result);
    }
  }
}
