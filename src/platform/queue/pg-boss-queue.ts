import { fromPrisma, type Job, type JobResult, PgBoss, type SendOptions } from 'pg-boss';
import { newId } from '../crypto/random.ts';
import { isSealedJson } from '../crypto/sealed-json.ts';
import type { Tx } from '../db/unit-of-work.ts';
import type { Logger } from '../logging/logger.ts';
import { FinalJobError } from './final-job-error.ts';
import type { AnyJobDefinition, JobDefinition } from './job.ts';
import type { JobReturner } from './job-board.ts';
import { describeFailure } from './job-failure.ts';
import type { EnqueueOptions, JobHandler, JobQueue, QueueRole, QueueStats, WorkOptions } from './job-queue.ts';
import { SCHEMA, STANDING, secondsSince } from './pg-boss-schema.ts';
import { createQueues, ensureIndexes } from './pg-boss-setup.ts';

export interface PgBossQueueOptions {
  readonly url: string;
  /** Every kind of job that is enqueued or worked, in any process. */
  readonly jobs: readonly AnyJobDefinition[];
  readonly log: Logger;
  /** How often workers look for retried and deferred jobs (new ones announce themselves); 10 unless told, at least 2. */
  readonly pollSeconds?: number;
}

const MAX_CONNECTIONS = 3;
const DEFAULT_CONCURRENCY = 4;
/** One that hangs leaves room for the next; and each slot asks for jobs of its own. */
const SWEEP_CONCURRENCY = 2;
const DEFAULT_POLL_SECONDS = 10;
/** The same complaint of the queue is logged once in this time: with the database away, each worker has it at each poll. */
const COMPLAINT_EVERY_MS = 30_000;
/** Chores of pg-boss that this product does not use (flows) or that may wait. */
const RARE_SECONDS = 3600;
/** How often jobs are looked for whose time is up, as when their process died; they are tried again so much later at most. */
const EXPIRY_SECONDS = 15;

/** By the clock of pg-boss itself; the sums of what `JobBoard.counts` tells of each queue. */
const STATS = `SELECT coalesce(sum(s.waiting), 0)::float8 AS waiting, coalesce(sum(s.active), 0)::float8 AS active,
    coalesce(sum(s.failed + d.dead), 0)::float8 AS failed, ${secondsSince('min(s.due_since)')} AS "oldestWaitingSeconds"
  FROM ${STANDING}`;

interface Worker {
  readonly job: AnyJobDefinition;
  readonly handler: JobHandler<object>;
  readonly concurrency: number;
}

interface Recurring {
  readonly job: AnyJobDefinition;
  readonly payload: object;
}

/** The queue on pg-boss, in a schema of its own beside the data, by a small pool of its own. */
export class PgBossQueue implements JobQueue, JobReturner {
  readonly #options: PgBossQueueOptions;
  readonly #workers: Worker[] = [];
  readonly #sweeps: (Recurring & { readonly seconds: number })[] = [];
  readonly #schedules: (Recurring & { readonly cron: string })[] = [];
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #complaints = new Map<string, number>();
  #boss: PgBoss | null = null;
  #stopping = false;

  constructor(options: PgBossQueueOptions) {
    this.#options = options;
  }

  async enqueue<Payload extends object>(
    tx: Tx | null,
    job: JobDefinition<Payload>,
    payload: Payload,
    options?: EnqueueOptions,
  ): Promise<string> {
    const [id = ''] = await this.enqueueMany(tx, job, [payload], options);
    return id;
  }

  async enqueueMany<Payload extends object>(
    tx: Tx | null,
    job: JobDefinition<Payload>,
    payloads: readonly Payload[],
    { retryDelaySeconds, ...options }: EnqueueOptions = {},
  ): Promise<string[]> {
    const boss = this.#started();
    if (payloads.length === 0) return [];
    const own = retryDelaySeconds === undefined ? options : { ...options, retryDelay: retryDelaySeconds };
    const jobs = payloads.map((data) => ({ id: newId(), data, ...own }));
    await boss.insert(job.name, jobs, tx ? { db: fromPrisma(tx) } : {});
    return jobs.map(({ id }) => id);
  }

  async enqueueAs<Payload extends object>(
    tx: Tx,
    job: JobDefinition<Payload>,
    jobs: readonly { readonly id: string; readonly payload: Payload; readonly priority?: number }[],
  ): Promise<void> {
    const boss = this.#started();
    const rows = jobs.map(({ id, payload, priority = 0 }) => ({ id, data: payload, priority }));
    await boss.insert(job.name, rows, { db: fromPrisma(tx) });
  }

  work<Payload extends object>(
    job: JobDefinition<Payload>,
    handler: JobHandler<Payload>,
    options: WorkOptions = {},
  ): void {
    this.#assertBeforeStart();
    const usual = job.retryLimit === 0 ? SWEEP_CONCURRENCY : DEFAULT_CONCURRENCY;
    const concurrency = options.concurrency ?? usual;
    this.#workers.push({ job, handler: handler as JobHandler<object>, concurrency });
  }

  every<Payload extends object>(seconds: number, job: JobDefinition<Payload>, payload: Payload): void {
    this.#assertBeforeStart();
    this.#sweeps.push({ seconds, job, payload });
  }

  schedule<Payload extends object>(cron: string, job: JobDefinition<Payload>, payload: Payload): void {
    this.#assertBeforeStart();
    this.#schedules.push({ cron, job, payload });
  }

  async putBack(
    tx: Tx,
    queue: string,
    job: { readonly id: string; readonly data: object; readonly priority: number },
  ): Promise<void> {
    await this.#started().insert(queue, [job], { db: fromPrisma(tx) });
  }

  async stats(): Promise<QueueStats> {
    const { rows } = await this.#started().getDb().executeSql(STATS);
    const [stats] = rows as QueueStats[];
    if (!stats) throw new Error('the job queue gave no count');
    return stats;
  }

  async start(role: QueueRole): Promise<void> {
    this.#assertBeforeStart();
    const { log, jobs } = this.#options;
    const boss = new PgBoss({
      connectionString: this.#options.url,
      schema: SCHEMA,
      application_name: 'pockity-queue',
      max: MAX_CONNECTIONS,
      supervise: role.supervise,
      schedule: role.workers && this.#schedules.length > 0,
      useListenNotify: role.workers,
      // Deletes finished jobs: the default of once a day lets a sweep of every few seconds pile up.
      maintenanceIntervalSeconds: 600,
      superviseIntervalSeconds: EXPIRY_SECONDS,
      // A pass that finds itself a moment early looks at nothing; so it is never early.
      monitorIntervalSeconds: EXPIRY_SECONDS - 5,
      flowIntervalSeconds: RARE_SECONDS,
      bamIntervalSeconds: RARE_SECONDS,
    });
    boss.on('error', (error) => this.#complain(error.message, () => log.warn({ err: error }, 'the job queue failed')));
    boss.on('warning', ({ message, data }) =>
      this.#complain(message, () => log.warn({ data }, `job queue: ${message}`)),
    );
    this.#stopping = false;
    this.#boss = boss;
    try {
      await boss.start();
      await createQueues(boss, jobs);
      await ensureIndexes(boss, log);
      if (role.workers) await this.#startWorkers(boss);
    } catch (error) {
      this.#boss = null;
      await boss.stop({ graceful: false }).catch(() => {});
      throw error;
    }
  }

  async stop(options: { readonly timeoutMs: number }): Promise<void> {
    const boss = this.#boss;
    if (!boss || this.#stopping) return;
    this.#stopping = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    try {
      await boss.stop({ graceful: true, timeout: options.timeoutMs });
    } finally {
      this.#boss = null;
    }
  }

  async #startWorkers(boss: PgBoss): Promise<void> {
    for (const worker of this.#workers) {
      // One job each: in a batch, whatever is done would wait for the slowest, and be run again when that never ends.
      for (let slot = 0; slot < worker.concurrency; slot += 1) await this.#startSlot(boss, worker);
    }
    for (const { cron, job, payload } of this.#schedules) await boss.schedule(job.name, cron, payload, { tz: 'UTC' });
    for (const { seconds, job, payload } of this.#sweeps) this.#sweep(boss, seconds, { job, payload });
  }

  async #startSlot(boss: PgBoss, worker: Worker): Promise<void> {
    let slotId = '';
    slotId = await boss.work<object>(
      worker.job.name,
      { perJobResults: true, notifyPollingIntervalSeconds: this.#options.pollSeconds ?? DEFAULT_POLL_SECONDS },
      async (batch: Job<object>[]) => {
        const results = await Promise.all(batch.map((job) => this.#attempt(worker, job)));
        // Looks for the next one as soon as this one is settled: a backlog does not crawl at one job a poll.
        boss.notifyWorker(slotId);
        return results;
      },
    );
  }

  async #attempt({ job: definition, handler }: Worker, job: Job<object>): Promise<JobResult> {
    const { id, retryCount, signal, data } = job;
    try {
      await handler(data, { jobId: id, retryCount, signal });
      return { id, status: 'completed' };
    } catch (error) {
      const hopeless = error instanceof FinalJobError;
      const final = hopeless || retryCount >= definition.retryLimit;
      const fields = { err: error, job: definition.name, jobId: id, retryCount };
      // What it was given is at fault, nothing of ours.
      if (hopeless) this.#options.log.warn(fields, 'a job failed for good');
      else if (final) this.#options.log.error(fields, 'a job failed for good');
      else this.#options.log.warn(fields, 'a job failed and is tried again');
      return { id, status: hopeless ? 'deadletter' : 'failed', output: describeFailure(error, isSealedJson(data)) };
    }
  }

  /**
   * Every process offers a job for each period and PostgreSQL takes the first offer. They offer in the middle of the
   * period, so that a timer's jitter does not skip one.
   */
  #sweep(boss: PgBoss, seconds: number, recurring: Recurring): void {
    if (this.#stopping) return;
    boss
      .send(recurring.job.name, recurring.payload, { id: newId(), singletonSeconds: seconds } satisfies SendOptions)
      .catch((error: unknown) => {
        const reason = error instanceof Error ? error.message : String(error);
        this.#complain(reason, () =>
          this.#options.log.warn({ err: error, job: recurring.job.name }, 'a recurring job could not be enqueued'),
        );
      });
    const periodMs = seconds * 1000;
    const timer = setTimeout(
      () => {
        this.#timers.delete(timer);
        this.#sweep(boss, seconds, recurring);
      },
      1.5 * periodMs - (Date.now() % periodMs),
    );
    this.#timers.add(timer);
  }

  #complain(text: string, log: () => void): void {
    const now = Date.now();
    if (now - (this.#complaints.get(text) ?? 0) < COMPLAINT_EVERY_MS) return;
    if (this.#complaints.size > 100) this.#complaints.clear();
    this.#complaints.set(text, now);
    log();
  }

  #started(): PgBoss {
    if (!this.#boss) throw new Error('the job queue is not running');
    return this.#boss;
  }

  #assertBeforeStart(): void {
    if (this.#boss) throw new Error('the job queue is running already');
  }
}
