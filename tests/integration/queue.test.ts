import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Database } from '../../src/platform/db/database.ts';
import { UnitOfWork } from '../../src/platform/db/unit-of-work.ts';
import { silentLogger } from '../../src/platform/logging/logger.ts';
import { FinalJobError } from '../../src/platform/queue/final-job-error.ts';
import { defineJob } from '../../src/platform/queue/job.ts';
import { PgBossQueue } from '../../src/platform/queue/pg-boss-queue.ts';
import { DEAD_LETTERS } from '../../src/platform/queue/pg-boss-schema.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';

interface Note {
  readonly text: string;
}

const note = defineJob<Note>('test.note');
const sweep = defineJob<Record<string, never>>('test.sweep');
const frail = defineJob<Note>('test.frail', { retryLimit: 2, retryDelaySeconds: 1, retryDelayMaxSeconds: 1 });
const jobs = [note, sweep, frail];
const log = silentLogger();
const BOTH = { workers: true, supervise: true };
const SENDER = { workers: false, supervise: false };

let database: TestDatabase;
let db: Database;
let uow: UnitOfWork;
const running: PgBossQueue[] = [];

beforeEach(async () => {
  database = await createTestDatabase();
  db = new Database({ url: database.url, maxConnections: 5, log });
  uow = new UnitOfWork(db);
});

afterEach(async () => {
  await Promise.all(running.splice(0).map((queue) => queue.stop({ timeoutMs: 2000 })));
  await db.close();
  await database.drop();
});

function queueOn(url = database.url, pollSeconds = 10): PgBossQueue {
  const queue = new PgBossQueue({ url, jobs, log, pollSeconds });
  running.push(queue);
  return queue;
}

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 15_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`waited in vain for: ${what}`);
    await delay(20);
  }
}

async function count(queueName: string): Promise<number> {
  const [row] = await db.query<{ n: number }>(
    { name: 'test_count_jobs', text: 'SELECT count(*)::int8 AS n FROM pgboss.job WHERE name = $1' },
    [queueName],
  );
  return row?.n ?? 0;
}

describe('a job', () => {
  it('exists when its transaction commits and not when it rolls back', async () => {
    const queue = queueOn();
    const seen: string[] = [];
    queue.work(note, async ({ text }) => {
      seen.push(text);
    });
    await queue.start(BOTH);
    await expect(
      uow.run(async (tx) => {
        await queue.enqueue(tx, note, { text: 'rolled back' });
        throw new Error('no');
      }),
    ).rejects.toThrow('no');
    await uow.run((tx) => queue.enqueue(tx, note, { text: 'committed' }));
    await queue.enqueue(null, note, { text: 'without a transaction' });
    await until('both jobs', () => seen.length === 2);
    expect(seen.sort()).toEqual(['committed', 'without a transaction']);
    expect(await count(note.name)).toBe(2);
  });

  it('is taken up at once by another process, not at its next poll', async () => {
    const worker = queueOn();
    const seenAt: number[] = [];
    worker.work(note, async () => {
      seenAt.push(performance.now());
    });
    await worker.start(BOTH);
    const sender = queueOn();
    await sender.start(SENDER);
    await sender.enqueue(null, note, { text: 'ends the first poll; the next is 10 s away' });
    await until('the first job', () => seenAt.length === 1);
    const sentAt = performance.now();
    await sender.enqueue(null, note, { text: 'now' });
    await until('the second job', () => seenAt.length === 2);
    expect((seenAt[1] ?? Infinity) - sentAt).toBeLessThan(1500);
  });

  it('that fails is tried again alone, and at last becomes a dead letter', async () => {
    const queue = queueOn(database.url, 2);
    const tries: string[] = [];
    queue.work(frail, async ({ text }, { retryCount }) => {
      tries.push(`${text}${retryCount}`);
      if (text === 'bad') throw new Error('always');
    });
    await queue.start(BOTH);
    await queue.enqueueMany(null, frail, [{ text: 'good' }, { text: 'bad' }]);
    await until('the dead letter', async () => (await count(DEAD_LETTERS)) === 1);
    expect(tries.filter((entry) => entry.startsWith('good'))).toEqual(['good0']);
    expect(tries.filter((entry) => entry.startsWith('bad'))).toEqual(['bad0', 'bad1', 'bad2']);
  }, 60_000);

  it('that can never succeed becomes a dead letter at once, which says why', async () => {
    const queue = queueOn(database.url, 2);
    let tries = 0;
    queue.work(frail, async () => {
      tries += 1;
      throw new FinalJobError('too_many_pixels', 'the image has too many pixels');
    });
    await queue.start(BOTH);
    await queue.enqueue(null, frail, { text: 'bomb' });
    await until('the dead letter', async () => (await count(DEAD_LETTERS)) === 1);
    const [letter] = await db.query<{ source_output: object }>(
      { name: 'test_letter', text: 'SELECT source_output FROM pgboss.job WHERE name = $1' },
      [DEAD_LETTERS],
    );
    expect(letter?.source_output).toMatchObject({
      name: 'FinalJobError',
      code: 'too_many_pixels',
      message: 'the image has too many pixels',
    });
    expect(tries).toBe(1);
  });

  it('comes in a backlog without a poll between batches', async () => {
    const queue = queueOn();
    let done = 0;
    queue.work(note, async () => {
      done += 1;
    });
    await queue.start(SENDER);
    await queue.enqueueMany(
      null,
      note,
      Array.from({ length: 200 }, (_, i) => ({ text: String(i) })),
    );
    await queue.stop({ timeoutMs: 1000 });
    await queue.start(BOTH);
    await until('200 jobs', () => done === 200);
  });
});

describe('several processes', () => {
  it('install the queue at once without harm', async () => {
    const bare = await createTestDatabase();
    try {
      const queues = Array.from({ length: 8 }, () => queueOn(bare.url));
      await Promise.all(queues.map((queue) => queue.start(BOTH)));
      await Promise.all(running.splice(0).map((queue) => queue.stop({ timeoutMs: 1000 })));
    } finally {
      await bare.drop();
    }
  });

  it('make one job a period of a sweep', async () => {
    let runs = 0;
    const startedAt = Date.now();
    for (let i = 0; i < 3; i += 1) {
      const queue = queueOn();
      queue.every(1, sweep, {});
      queue.work(sweep, async () => {
        runs += 1;
      });
      await queue.start(BOTH);
    }
    await until('four periods', () => runs >= 4);
    expect(runs).toBeLessThanOrEqual(Math.ceil((Date.now() - startedAt) / 1000) + 1);
  });
});

describe('the queue', () => {
  it('waits for what is under way when it stops', async () => {
    const queue = queueOn();
    let finished = false;
    const begun = Promise.withResolvers<void>();
    queue.work(note, async () => {
      begun.resolve();
      await delay(300);
      finished = true;
    });
    await queue.start(BOTH);
    await queue.enqueue(null, note, { text: 'slow' });
    await begun.promise;
    await queue.stop({ timeoutMs: 5000 });
    expect(finished).toBe(true);
  });

  it('outlives the loss of its connections', async () => {
    const queue = queueOn();
    const seen: string[] = [];
    queue.work(note, async ({ text }) => {
      seen.push(text);
    });
    await queue.start(BOTH);
    const client = new Client({ connectionString: database.url });
    await client.connect();
    await client.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE datname = current_database() AND application_name = 'pockity-queue'`,
    );
    await client.end();
    await queue.enqueue(null, note, { text: 'after' }).catch(() => queue.enqueue(null, note, { text: 'after' }));
    await until('the job', () => seen.includes('after'));
  });

  it('tells what waits and for how long, what runs and what failed for good', async () => {
    const queue = queueOn(database.url, 2);
    const begun = Promise.withResolvers<void>();
    const end = Promise.withResolvers<void>();
    queue.work(note, async () => {
      begun.resolve();
      await end.promise;
    });
    queue.work(frail, async () => {
      throw new Error('always');
    });
    await queue.start(BOTH);
    expect(await queue.stats()).toEqual({ waiting: 0, active: 0, failed: 0, oldestWaitingSeconds: null });
    await queue.enqueue(null, frail, { text: 'bad' });
    await until('the dead letter', async () => (await queue.stats()).failed === 1);
    await queue.enqueue(null, note, { text: 'runs' });
    await begun.promise;
    const later = new Date(Date.now() + 3_600_000);
    await queue.enqueue(null, sweep, {}, { startAfter: later });
    expect(await queue.stats()).toEqual({ waiting: 1, active: 1, failed: 1, oldestWaitingSeconds: null });
    const earlier = new Date(Date.now() - 90_000);
    await queue.enqueueMany(null, sweep, [{}, {}], { startAfter: earlier });
    const stats = await queue.stats();
    expect(stats).toMatchObject({ waiting: 3, active: 1, failed: 1 });
    expect(stats.oldestWaitingSeconds).toBeGreaterThanOrEqual(89);
    expect(stats.oldestWaitingSeconds).toBeLessThan(120);
    end.resolve();
  }, 60_000);

  it('has no numbers when it does not run', async () => {
    await expect(queueOn().stats()).rejects.toThrow('not running');
  });

  it('refuses jobs before it is started', async () => {
    await expect(queueOn().enqueue(null, note, { text: 'early' })).rejects.toThrow('not running');
  });
});
