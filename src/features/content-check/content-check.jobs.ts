import { defineJob } from '../../platform/queue/job.ts';
import type { JobQueue } from '../../platform/queue/job-queue.ts';
import { checkContentJob } from '../ingest/index.ts';
import type { ContentCheckService } from './content-check.service.ts';

const SWEEP_EVERY_SECONDS = 300;
/** Each reads an object and keeps a thread of clamd's busy. */
const CONCURRENCY = 4;

/** Finds contents that are still to be checked and have lost their job. */
export const sweepContentsJob = defineJob<Record<string, never>>('content.check.sweep', {
  retryLimit: 0,
  expireInSeconds: 300,
  keepSeconds: 3600,
});

/** Lets this process check contents and sweep. */
export function registerContentCheckJobs(queue: JobQueue, checks: ContentCheckService): void {
  queue.work(checkContentJob, (payload, attempt) => checks.check(payload, attempt), { concurrency: CONCURRENCY });
  queue.work(sweepContentsJob, async () => void (await checks.sweep()));
  queue.every(SWEEP_EVERY_SECONDS, sweepContentsJob, {});
}
