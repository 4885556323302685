import { defineJob } from '../../platform/queue/job.ts';
import type { JobQueue } from '../../platform/queue/job-queue.ts';
import type { IdempotencyService } from './idempotency.service.ts';

const HOURLY_SECONDS = 3600;

/** Removes keys whose day is over. */
export const purgeIdempotencyJob = defineJob<Record<string, never>>('idempotency.purge', { retryLimit: 3 });

/** Lets this process purge, once an hour among all. */
export function registerIdempotencyJobs(queue: JobQueue, idempotency: IdempotencyService): void {
  queue.work(purgeIdempotencyJob, async (_payload, { signal }) => void (await idempotency.purge(signal)));
  queue.every(HOURLY_SECONDS, purgeIdempotencyJob, {});
}
