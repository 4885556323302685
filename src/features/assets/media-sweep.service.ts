import { newId } from '../../platform/crypto/random.ts';
import type { UnitOfWork } from '../../platform/db/unit-of-work.ts';
import type { Logger } from '../../platform/logging/logger.ts';
import type { JobSender } from '../../platform/queue/job-queue.ts';
import { processMediaJob } from '../ingest/index.ts';
import type { MediaRepository } from './media.repository.ts';

/** All tries of a job, their time-outs and the waits between them end within this, once the first has begun. */
const STALE_SECONDS = 3600;
const BATCH = 100;
const BATCHES = 10;

export interface MediaSweepDependencies {
  readonly uow: UnitOfWork;
  readonly media: MediaRepository;
  readonly queue: JobSender;
  /** For how long the oldest job of this kind has been waiting for a worker; null when none waits. */
  readonly oldestWaitingSeconds: () => Promise<number | null>;
  readonly log: Logger;
}

/**
 * Finds contents that wait although nobody works on them: their job was deleted, or killed its worker at every try. They get
 * one more job, and the second time they have failed.
 */
export class MediaSweepService {
  readonly #deps: MediaSweepDependencies;

  constructor(deps: MediaSweepDependencies) {
    this.#deps = deps;
  }

  /** Up to 1000 of them; answers how many. Safe to run twice at once. */
  async sweep(signal: AbortSignal): Promise<number> {
    const { log, oldestWaitingSeconds } = this.#deps;
    // Jobs are taken up in turn: whoever has waited for longer than the first of them has none.
    const seconds = STALE_SECONDS + ((await oldestWaitingSeconds()) ?? 0);
    let found = 0;
    for (let batch = 0; batch < BATCHES && !signal.aborted; batch += 1) {
      const taken = await this.#sweepBatch(seconds);
      found += taken;
      if (taken < BATCH) break;
    }
    if (found > 0) log.warn({ found }, 'contents waited for thumbnails that nobody was making');
    return found;
  }

  #sweepBatch(seconds: number): Promise<number> {
    const { uow, media, queue } = this.#deps;
    return uow.run(async (tx) => {
      const error = 'processing did not come to an end';
      const stale = await media.takeStale(tx, { seconds, error, limit: BATCH });
      const jobs = stale.filter(({ again }) => !again);
      await queue.enqueueAs(
        tx,
        processMediaJob,
        jobs.map(({ again: _, priority, ...payload }) => ({ id: newId(), payload, priority })),
      );
      return stale.length;
    });
  }
}
