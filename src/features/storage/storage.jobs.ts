import { defineJob } from '../../platform/queue/job.ts';
import type { JobQueue } from '../../platform/queue/job-queue.ts';
import type { OperationService } from './operation.service.ts';
import { runOperationJob } from './operation.ts';
import type { TrashService } from './trash.service.ts';

const PURGE_EVERY_SECONDS = 600;

/** Removes from the trash what has lain its time, and operations that ended long ago. */
export const purgeTrashJob = defineJob<Record<string, never>>('storage.trash.purge', {
  retryLimit: 0,
  expireInSeconds: 3600,
  keepSeconds: 3600,
});

/** Lets this process work on operations and sweep. */
export function registerStorageJobs(queue: JobQueue, operations: OperationService, trash: TrashService): void {
  queue.work(runOperationJob, ({ operationId }, attempt) => operations.run(operationId, attempt), { concurrency: 2 });
  queue.work(purgeTrashJob, async (_payload, { signal }) => {
    await trash.purgeOverdue(signal);
    await operations.tidy();
  });
  queue.every(PURGE_EVERY_SECONDS, purgeTrashJob, {});
}
