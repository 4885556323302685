import { defineJob } from '../../platform/queue/job.ts';
import type { JobQueue } from '../../platform/queue/job-queue.ts';
import type { UploadService } from './upload.service.ts';

const PURGE_EVERY_SECONDS = 600;

/** Forgets uploads that ended long ago; a sweep that fails is not tried again, the next one is minutes away. */
export const purgeUploadsJob = defineJob<Record<string, never>>('upload.session.purge', {
  retryLimit: 0,
  expireInSeconds: 600,
  keepSeconds: 3600,
});

/** Lets this process sweep. */
export function registerUploadJobs(queue: JobQueue, uploads: UploadService): void {
  queue.work(purgeUploadsJob, async (_payload, { signal }) => void (await uploads.purge(signal)));
  queue.every(PURGE_EVERY_SECONDS, purgeUploadsJob, {});
}
