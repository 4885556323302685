import type { Logger } from '../../platform/logging/logger.ts';
import type { ObjectStore } from '../../platform/object-store/object-store.ts';
import type { TombstoneRepository } from './tombstone.repository.ts';

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
      for (const { objectKey, origin } of due) {
        if (origin === 'upload') await store.discard(objectKey);
      }
      const outcomes = await store.deleteMany(due.map(({ objectKey }) => objectKey));
      const gone = outcomes.filter(({ deleted }) => deleted).map(({ key }) => key);
      const failed = outcomes.flatMap((outcome) =>
        outcome.deleted ? [] : [{ key: outcome.key, reason: outcome.reason }],
      );
      await repository.bury(gone);
      if (failed.length > 0) {
        await repository.noteFailures(failed);
        log.warn(
          { failed: failed.length, reason: failed[0]?.reason },
          'objects could not be removed; they are tried again',
        );
      }
      purged += gone.length;
    }
  }
}
