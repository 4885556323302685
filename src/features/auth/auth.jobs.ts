import { defineJob } from '../../platform/queue/job.ts';
import type { JobQueue } from '../../platform/queue/job-queue.ts';
import type { AuthPurgeService } from './auth-purge.service.ts';
import type { ResetCodeService } from './reset-code.service.ts';
import type { SealedResetRequest } from './sealed-reset-request.ts';

const PURGE_EVERY_SECONDS = 24 * 3600;

/** Makes and mails a code for a forgotten password: five tries within 5 minutes, half of the code's life. */
export const resetRequestJob = defineJob<SealedResetRequest>('auth.reset.request', {
  retryDelaySeconds: 10,
  retryDelayMaxSeconds: 120,
  expireInSeconds: 60,
  keepSeconds: 3600,
});

/** Removes sessions and codes that ended long ago. */
export const purgeAuthJob = defineJob<Record<string, never>>('auth.ended.purge', {
  expireInSeconds: 600,
});

/** Lets this process do both. */
export function registerAuthJobs(queue: JobQueue, codes: ResetCodeService, purge: AuthPurgeService): void {
  queue.work(resetRequestJob, (payload) => codes.send(payload));
  queue.work(purgeAuthJob, (_payload, { signal }) => purge.purge(signal));
  queue.every(PURGE_EVERY_SECONDS, purgeAuthJob, {});
}
