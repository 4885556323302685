import { defineJob } from './job.ts';
import type { JobQueue } from './job-queue.ts';
import type { OutboxRelay } from './outbox-relay.ts';

const RELAY_EVERY_SECONDS = 10;

/** Moves what a process that died between a change and its nudge has left in the outbox. */
export const relayOutboxJob = defineJob<Record<string, never>>('outbox.relay', {
  retryLimit: 0,
  expireInSeconds: 300,
  keepSeconds: 3600,
});

/** Lets this process sweep. */
export function registerOutboxJobs(queue: JobQueue, outbox: OutboxRelay): void {
  queue.work(relayOutboxJob, async () => void (await outbox.relay()));
  queue.every(RELAY_EVERY_SECONDS, relayOutboxJob, {});
}
