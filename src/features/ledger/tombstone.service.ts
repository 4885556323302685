import type { Logger } from '../../platform/logging/logger.ts';
import type { ObjectStore } from '../../platform/object-store/object-store.ts';
import type { Tombstone, TombstoneRepository } from './tombstone.repository.ts';

const BATCH = 1000;

export interface TombstoneDependencies {
  readonly repository: TombstoneRepository;
  readonly store: ObjectStore;
  readonly log: Logger;
}

/** Removes the objects that deleting, replacing and failing left behind; a tombstone goes only when the store confirms. */
export class TombstoneService {
  readonly #deps: TombstoneDependencies;

  constructor(deps: TombstoneDependencies) {
    this.#deps = deps;
  }

  /** Works off what is due, 1000 objects a call to the store; answers how many went. Safe to run twice at once. */
  async purge(): Promise<number> {
    const { repository, store, log } = this.#deps;
    let purged = 0;
    for (;;) {
      const due = await repository.lease(BATCH);
      if (due.length === 0) return purged;
      const resisting = await this.#discardUploads(due);
      const refused = new Set(resisting.map(({ key }) => key));
      const whole = due.filter(({ objectKey }) => !refused.has(objectKey)).map(({ objectKey }) => objectKey);
      const outcomes = whole.length > 0 ? await store.deleteMany(whole) : [];
      const removed = new Set(outcomes.filter(({ deleted }) => deleted).map(({ key }) => key));
      const gone = due.filter(({ objectKey }) => removed.has(objectKey));
      const failed = [...resisting, ...outcomes.flatMap((outcome) => (outcome.deleted ? [] : [outcome]))];
      await repository.bury(gone);
      if (failed.length > 0) {
        await repository.noteFailures(failed);
        log.warn({ failed: failed.length, first: failed[0] }, 'objects could not be removed; they are tried again');
      }
      purged += gone.length;
    }
  }

  /** What an interrupted transfer may have left besides an object; those that resist do not hold up the others. */
  async #discardUploads(due: readonly Tombstone[]) {
    const keys = due.filter(({ origin }) => origin === 'upload').map(({ objectKey }) => objectKey);
    const outcomes = keys.length > 0 ? await this.#deps.store.discardTemporary(keys) : [];
    return outcomes.flatMap((outcome) => (outcome.deleted ? [] : [outcome]));
  }
}
