import type { JobQueue } from '../../platform/queue/job-queue.ts';
import type { AccountErasureService } from './erasure.service.ts';
import { eraseDueJob, eraseJob, eraseTracesJob } from './erasure.ts';

const SWEEP_EVERY_SECONDS = 60;

/** Lets this process erase accounts. */
export function registerAccountJobs(queue: JobQueue, erasure: AccountErasureService): void {
  queue.work(eraseJob, ({ userId }, { signal }) => erasure.erase(userId, signal), { concurrency: 2 });
  queue.work(eraseTracesJob, (traces, { signal }) => erasure.eraseTraces(traces, signal), { concurrency: 2 });
  queue.work(eraseDueJob, async () => void (await erasure.enqueueDue()));
  queue.every(SWEEP_EVERY_SECONDS, eraseDueJob, {});
}
