import { defineJob } from '../../platform/queue/job.ts';
import type { JobQueue } from '../../platform/queue/job-queue.ts';
import { processMediaJob } from '../ingest/index.ts';
import type { MediaService } from './media.service.ts';
import type { MediaSweepService } from './media-sweep.service.ts';

const SWEEP_EVERY_SECONDS = 600;

/** Finds contents that wait for thumbnails although nobody makes them. */
export const sweepMediaJob = defineJob<Record<string, never>>('media.sweep', {
  retryLimit: 0,
  expireInSeconds: 600,
  keepSeconds: 3600,
});

/** Lets this process make thumbnails, one file after the other, and sweep. */
export function registerMediaJobs(queue: JobQueue, media: MediaService, sweeps: MediaSweepService): void {
  queue.work(processMediaJob, (payload, attempt) => media.process(payload, attempt), { concurrency: 1 });
  queue.work(sweepMediaJob, async (_payload, { signal }) => void (await sweeps.sweep(signal)), { concurrency: 1 });
  queue.every(SWEEP_EVERY_SECONDS, sweepMediaJob, {});
}
