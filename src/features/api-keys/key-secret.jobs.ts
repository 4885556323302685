import { defineJob } from '../../platform/queue/job.ts';
import type { JobQueue } from '../../platform/queue/job-queue.ts';
import type { KeySecretService } from './key-secret.service.ts';

/** At night in Europe; any time would do. */
const DAILY = '20 3 * * *';

/** Removes what is left of secrets that let nobody in any more. */
export const purgeSecretsJob = defineJob<Record<string, never>>('keys.secret.purge');

/** Lets this process clear secrets away. */
export function registerKeyJobs(queue: JobQueue, secrets: KeySecretService): void {
  queue.work(purgeSecretsJob, async () => void (await secrets.purge()));
  queue.schedule(DAILY, purgeSecretsJob, {});
}
