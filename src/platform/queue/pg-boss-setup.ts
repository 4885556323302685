import type { PgBoss } from 'pg-boss';
import type { Logger } from '../logging/logger.ts';
import type { AnyJobDefinition } from './job.ts';
import { DEAD_LETTERS, ENSURE_INDEXES } from './pg-boss-schema.ts';

const DEAD_LETTER_KEEP_SECONDS = 30 * 24 * 3600;
/** A job whose process no longer says that it lives is given to another, long before its own time is up. */
const HEARTBEAT_SECONDS = 30;

/** Creating is atomic in the database; a queue that is there already is brought to what this version wants. */
export async function createQueues(boss: PgBoss, jobs: readonly AnyJobDefinition[]): Promise<void> {
  await boss.createQueue(DEAD_LETTERS, {
    retentionSeconds: DEAD_LETTER_KEEP_SECONDS,
    deleteAfterSeconds: DEAD_LETTER_KEEP_SECONDS,
  });
  const existing = new Map((await boss.getQueues()).map((queue) => [queue.name, queue]));
  for (const job of jobs) {
    // A sweep comes again by itself: one that fails all day would leave nothing but letters.
    const deadLetter = job.retryLimit > 0 ? DEAD_LETTERS : null;
    const settings = {
      notify: true,
      retryLimit: job.retryLimit,
      retryDelay: job.retryDelaySeconds,
      retryDelayMax: job.retryDelayMaxSeconds,
      retryBackoff: true,
      expireInSeconds: job.expireInSeconds,
      heartbeatSeconds: HEARTBEAT_SECONDS,
      deleteAfterSeconds: job.keepSeconds,
    };
    const wanted = { ...settings, deadLetter };
    const present = existing.get(job.name);
    if (!present) await boss.createQueue(job.name, { ...settings, ...(deadLetter !== null && { deadLetter }) });
    else if (Object.entries(wanted).some(([key, value]) => present[key as keyof typeof wanted] !== value)) {
      await boss.updateQueue(job.name, wanted);
    }
  }
}

/** Lists work without them, only slowly: no reason not to start. */
export async function ensureIndexes(boss: PgBoss, log: Logger): Promise<void> {
  try {
    await boss.getDb().executeSql(ENSURE_INDEXES);
  } catch (error) {
    log.warn({ err: error }, 'the indexes for lists of jobs are missing; the next start tries again');
  }
}
