import { defineJob } from '../../platform/queue/job.ts';
import type { JobQueue } from '../../platform/queue/job-queue.ts';
import type { AuditLogService } from './audit-log.service.ts';

const DAILY_SECONDS = 24 * 3600;

/** Removes what the retention no longer keeps. */
export const purgeAuditJob = defineJob<Record<string, never>>('audit.purge', { expireInSeconds: 3600 });

/** Lets this process purge, once a day among all; not at one hour, at which a process might never run. */
export function registerAuditJobs(queue: JobQueue, auditLog: AuditLogService): void {
  queue.work(purgeAuditJob, async (_payload, { signal }) => void (await auditLog.purge(signal)));
  queue.every(DAILY_SECONDS, purgeAuditJob, {});
}
