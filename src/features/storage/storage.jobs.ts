import { defineJob } from '../../platform/queue/job.ts';
import type { JobQueue } from '../../platform/queue/job-queue.ts';
import type { PrefixDeletion, StorageService } from './storage.service.ts';

/** Deletes everything below a prefix; goes on where it stopped when it is run again. */
export const deletePrefixJob = defineJob<PrefixDeletion>('storage.prefix.delete', { expireInSeconds: 3600 });

/** Lets this process delete by prefix. */
export function registerStorageJobs(queue: JobQueue, storage: StorageService): void {
  queue.work(deletePrefixJob, async (deletion) => void (await storage.runPrefixDeletion(deletion)), { concurrency: 2 });
}
