import type { JobQueue } from '../../platform/queue/job-queue.ts';
import { claimSharesJob } from './share-claim.ts';
import type { ReceivedShareService } from './share-received.service.ts';

/** Lets this process give people what waited for their addresses. */
export function registerShareJobs(queue: JobQueue, received: ReceivedShareService): void {
  queue.work(claimSharesJob, ({ userId }, { signal }) => received.claimRest(userId, signal), { concurrency: 2 });
}
