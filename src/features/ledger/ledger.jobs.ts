import { defineJob } from '../../platform/queue/job.ts';
import type { JobQueue } from '../../platform/queue/job-queue.ts';
import type { LedgerService } from './ledger.service.ts';
import type { TombstoneService } from './tombstone.service.ts';

/** With the lease of 40 s, a dead process holds nothing for longer than 55 s. */
const EXPIRE_EVERY_SECONDS = 10;
const PURGE_EVERY_SECONDS = 10;

/** A sweep that fails is not tried again: the next one is seconds away. */
const SWEEP = { retryLimit: 0, expireInSeconds: 600, keepSeconds: 3600 };

/** Frees what dead processes held. */
export const expireReservationsJob = defineJob<Record<string, never>>('ledger.reservation.expire', SWEEP);
/** Removes from the store what no file names any more. */
export const purgeTombstonesJob = defineJob<Record<string, never>>('storage.tombstone.purge', SWEEP);

/** Lets this process sweep. */
export function registerLedgerJobs(queue: JobQueue, ledger: LedgerService, tombstones: TombstoneService): void {
  queue.work(expireReservationsJob, async () => void (await ledger.expireOverdue()));
  queue.work(purgeTombstonesJob, async () => void (await tombstones.purge()));
  queue.every(EXPIRE_EVERY_SECONDS, expireReservationsJob, {});
  queue.every(PURGE_EVERY_SECONDS, purgeTombstonesJob, {});
}
