import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Database } from '../../src/platform/db/database.ts';
import { UnitOfWork } from '../../src/platform/db/unit-of-work.ts';
import { silentLogger } from '../../src/platform/logging/logger.ts';
import { type AnyJobDefinition, defineJob } from '../../src/platform/queue/job.ts';
import { JobBoard } from '../../src/platform/queue/job-board.ts';
import { PAGE, STATES_WITHIN } from '../../src/platform/queue/job-board-statements.ts';
import type { JobDetail } from '../../src/platform/queue/job-record.ts';
import { PgBossQueue } from '../../src/platform/queue/pg-boss-queue.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';

const QUICK = { retryDelaySeconds: 1, retryDelayMaxSeconds: 1 };
const task = defineJob<{ readonly kind: string }>('test.task', { ...QUICK, expireInSeconds: 2 });
const secret = defineJob<{ readonly sealed: string; readonly keyVersion: number }>('test.secret', {
  ...QUICK,
  retryLimit: 1,
});
const sweep = defineJob<Record<string, never>>('test.sweep', { retryLimit: 0 });
const log = silentLogger();
const BOTH = { workers: true, supervise: true };
const FOR_GOOD_MS = 50_000;

let database: TestDatabase;
let db: Database;
let board: JobBoard;
let queue: PgBossQueue;

beforeEach(async () => {
  database = await createTestDatabase();
  db = new Database({ url: database.url, maxConnections: 5, log });
  queue = queueOf([task, secret, sweep]);
  board = new JobBoard(db, queue);
});

afterEach(async () => {
  await queue.stop({ timeoutMs: 500 });
  await db.close();
  await database.drop();
});

function queueOf(jobs: readonly AnyJobDefinition[]): PgBossQueue {
  return new PgBossQueue({ url: database.url, jobs, log, pollSeconds: 2 });
}

async function until(what: string, holds: () => boolean | Promise<boolean>, withinMs = 15_000): Promise<void> {
  const deadline = Date.now() + withinMs;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`waited in vain for: ${what}`);
    await delay(30);
  }
}

async function failed(id: string): Promise<JobDetail> {
  await until('the end of all tries', async () => (await board.find(id))?.state === 'failed', FOR_GOOD_MS);
  const job = await board.find(id);
  if (!job) throw new Error('the job is gone');
  return job;
}

describe('a poisoned job', () => {
  it('is tried five times, then lies dead with its error, whatever it throws; others go on', async () => {
    const tries: Record<string, number> = {};
    const done: string[] = [];
    queue.work(
      task,
      async ({ kind }) => {
        tries[kind] = (tries[kind] ?? 0) + 1;
        if (kind === 'error') throw Object.assign(new Error(`no${'!'.repeat(5000)}\0`), { code: 'EODD' });
        if (kind === 'text') throw 'just text';
        if (kind === 'nothing') throw undefined;
        if (kind === 'object') throw { password: 'hidden' };
        done.push(kind);
      },
      { concurrency: 2 },
    );
    await queue.start(BOTH);
    const bad = ['error', 'text', 'nothing', 'object'];
    const ids = await queue.enqueueMany(
      null,
      task,
      bad.map((kind) => ({ kind })),
    );
    const good = Array.from({ length: 20 }, (_, i) => ({ kind: `good${i}` }));
    await queue.enqueueMany(null, task, good);
    await until('the good ones', () => done.length === good.length, 8000);
    const jobs = await Promise.all(ids.map(failed));
    expect(bad.map((kind) => tries[kind])).toEqual([5, 5, 5, 5]);
    expect(jobs.map(({ failure }) => failure)).toEqual([
      { name: 'Error', message: `no${'!'.repeat(998)}`, code: 'EODD' },
      { name: 'string', message: 'just text', code: null },
      { name: 'undefined', message: null, code: null },
      { name: 'object', message: null, code: null },
    ]);
    for (const job of jobs) expect(job).toMatchObject({ retryCount: 4, retryLimit: 4, output: null });
    expect(await queue.stats()).toMatchObject({ waiting: 0, active: 0, failed: 4 });
  }, 90_000);

  it('that never ends loses its try when its time is up, and only its own slot until then', async () => {
    const done: string[] = [];
    let tries = 0;
    queue.work(
      task,
      async ({ kind }) => {
        if (kind !== 'endless') return void done.push(kind);
        tries += 1;
        await new Promise(() => {});
      },
      { concurrency: 2 },
    );
    await queue.start(BOTH);
    const id = await queue.enqueue(null, task, { kind: 'endless' });
    await until('its begin', () => tries === 1);
    const good = Array.from({ length: 30 }, (_, i) => ({ kind: String(i) }));
    await queue.enqueueMany(null, task, good);
    await until('the good ones', () => done.length === good.length, 1900);
    const { failure } = await failed(id);
    expect(tries).toBe(5);
    expect(failure?.message).toMatch(/exceeded 2s|timed out/);
    expect(new Set(done).size).toBe(done.length);
  }, 90_000);

  it('with sealed input leaves no message, which might quote it', async () => {
    queue.work(secret, async () => {
      throw Object.assign(new Error('550 <alice@example.com> is unknown'), { responseCode: 550 });
    });
    await queue.start(BOTH);
    const id = await queue.enqueue(null, secret, { sealed: 'AAAA', keyVersion: 1 });
    const job = await failed(id);
    expect(job).toMatchObject({ failure: { name: 'Error', message: null, code: '550' }, input: { kind: 'sealed' } });
    const rows = await db.query({ name: 'test_all_jobs', text: 'SELECT * FROM pgboss.job' }, []);
    expect(JSON.stringify(rows)).not.toContain('alice');
  }, 60_000);

  it('tried again by an admin runs once more under its id, and may do well', async () => {
    const ids: string[] = [];
    let isMended = false;
    queue.work(secret, async (_payload, { jobId }) => {
      ids.push(jobId);
      if (!isMended) throw new Error('not yet');
    });
    await queue.start(BOTH);
    const id = await queue.enqueue(null, secret, { sealed: 'AAAA', keyVersion: 1 });
    const { createdAt } = await failed(id);
    isMended = true;
    await new UnitOfWork(db).run((tx) => board.retry(tx, id));
    await until('its good end', async () => (await board.find(id))?.state === 'completed');
    expect(await board.find(id)).toMatchObject({ createdAt, retryCount: 0, failure: null, deadUntil: null });
    expect(ids).toEqual([id, id, id]);
    expect(await queue.stats()).toMatchObject({ failed: 0 });
  }, 60_000);
});

describe('a sweep that fails', () => {
  it('leaves no dead letter, and can be seen', async () => {
    queue.work(sweep, async () => {
      throw new Error('no');
    });
    await queue.start(BOTH);
    const id = await queue.enqueue(null, sweep, {});
    expect(await failed(id)).toMatchObject({ retryLimit: 0, deadUntil: null, failure: { message: 'no' } });
    const [sweeps] = (await board.counts()).filter(({ queue: name }) => name === sweep.name);
    expect(sweeps).toMatchObject({ waiting: 0, failed: 1 });
    expect(
      (await board.page({ state: 'failed', queue: undefined }, { limit: 5, cursor: undefined })).entries,
    ).toHaveLength(1);
  });
});

describe('a start', () => {
  it('brings queues that are there to what this version wants', async () => {
    const old = queueOf([
      defineJob(task.name, { retryLimit: 30 }),
      defineJob(secret.name, { retryLimit: 30 }),
      defineJob(sweep.name, { retryLimit: 3 }),
    ]);
    await old.start({ workers: false, supervise: false });
    await old.stop({ timeoutMs: 500 });
    await queue.start({ workers: false, supervise: false });
    const queues = await db.query(
      {
        name: 'test_queues',
        text: `SELECT name, retry_limit AS "retryLimit", dead_letter AS "deadLetter", heartbeat_seconds AS heartbeat
          FROM pgboss.queue WHERE name LIKE 'test.%' ORDER BY name`,
      },
      [],
    );
    expect(queues).toEqual([
      { name: 'test.secret', retryLimit: 1, deadLetter: 'dead.letter', heartbeat: 30 },
      { name: 'test.sweep', retryLimit: 0, deadLetter: null, heartbeat: 30 },
      { name: 'test.task', retryLimit: 4, deadLetter: 'dead.letter', heartbeat: 30 },
    ]);
  });
});

describe('lists', () => {
  it('read an index, however many jobs are kept', async () => {
    await queue.start({ workers: false, supervise: false });
    const fill = (text: string) => db.prisma.$executeRawUnsafe(text);
    await fill(`INSERT INTO pgboss.job (name, data, state, created_on, completed_on, dead_letter)
      SELECT (ARRAY['test.task', 'test.sweep'])[1 + i % 2], '{}', 'completed', now() - i * interval '1 second', now(),
        'dead.letter' FROM generate_series(1, 40000) i`);
    await fill(`INSERT INTO pgboss.job (name, data, source_name, source_id, source_created_on, source_root_id)
      SELECT 'dead.letter', '{}', 'test.task', gen_random_uuid(), now() - i * interval '1 minute', gen_random_uuid()
      FROM generate_series(1, 5000) i`);
    await fill('VACUUM ANALYZE pgboss.job_common');
    const micros = (Date.now() - 3_600_000) * 1000;
    for (const state of ['any', 'completed', 'failed', 'waiting'] as const) {
      const values = [null, STATES_WITHIN[state], micros, '019aa3f4-1c2d-7b8e-8f90-5a6b7c8d9e0f', 51, true];
      const plan = await db.query({ name: `test_plan_${state}`, text: `EXPLAIN (FORMAT JSON) ${PAGE.text}` }, values);
      expect(JSON.stringify(plan)).not.toMatch(/"Node Type":"Seq Scan"[^{}]*"Relation Name":"job_common"/);
    }
  }, 60_000);
});
