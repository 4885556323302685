import type { Tx } from '../db/unit-of-work.ts';
import type { JobDefinition } from './job.ts';

export interface EnqueueOptions {
  /** Not before this time. */
  readonly startAfter?: Date;
  /** Runs before jobs of a lower number; 0 unless told. */
  readonly priority?: number;
  /** Before the first retry, instead of what its kind sets. */
  readonly retryDelaySeconds?: number;
}

/** One try at a job. */
export interface JobAttempt {
  /** Of the job: the same at every try, so that a handler can recognise its own earlier work. */
  readonly jobId: string;
  /** 0 at the first try. */
  readonly retryCount: number;
  /** Aborts when the try has run out of time or the process has to end. */
  readonly signal: AbortSignal;
}

/**
 * Does the work of one job. It may run twice (a process that dies before it could say so); throwing means: try again, and a
 * `FinalJobError`: never.
 */
export type JobHandler<Payload extends object> = (payload: Payload, attempt: JobAttempt) => Promise<void>;

export interface WorkOptions {
  /** Jobs at once in this process, each apart from the others; 4 unless told, 2 of a sweep. */
  readonly concurrency?: number;
}

/** What services need of the queue: to put work into it. */
export interface JobSender {
  /** With a transaction, the job exists if and when that commits; with null, at once. Answers the job's id. */
  enqueue<Payload extends object>(
    tx: Tx | null,
    job: JobDefinition<Payload>,
    payload: Payload,
    options?: EnqueueOptions,
  ): Promise<string>;

  /** Several of one kind by one statement; an empty list costs nothing. */
  enqueueMany<Payload extends object>(
    tx: Tx | null,
    job: JobDefinition<Payload>,
    payloads: readonly Payload[],
    options?: EnqueueOptions,
  ): Promise<string[]>;

  /** The same under ids that were told already, each with a priority of its own; 0 unless told. */
  enqueueAs<Payload extends object>(
    tx: Tx,
    job: JobDefinition<Payload>,
    jobs: readonly { readonly id: string; readonly payload: Payload; readonly priority?: number }[],
  ): Promise<void>;
}

/** Which parts of the queue this process runs. */
export interface QueueRole {
  /** Take up jobs and make the recurring ones. */
  readonly workers: boolean;
  /** Retry what died, delete what is old. At least one process must. */
  readonly supervise: boolean;
}

/** How the queue stands at one moment, over all kinds of jobs and all processes. */
export interface QueueStats {
  /** To be taken up now or later. */
  readonly waiting: number;
  /** Being worked on. */
  readonly active: number;
  /** For good, and kept to be looked at: dead letters, and sweeps of the last hour. */
  readonly failed: number;
  /** For how long the first of the waiting jobs could have been taken up; null when none is due. */
  readonly oldestWaitingSeconds: number | null;
}

/** Jobs on PostgreSQL. Handlers and recurring jobs are declared before `start`. */
export interface JobQueue extends JobSender {
  /** Names what does the work of a kind of job; used where the process starts with `workers`. */
  work<Payload extends object>(job: JobDefinition<Payload>, handler: JobHandler<Payload>, options?: WorkOptions): void;

  /** One job for each period of that length, however many processes there are; the first at the start. */
  every<Payload extends object>(seconds: number, job: JobDefinition<Payload>, payload: Payload): void;

  /** One job at each time of a cron expression (minutes at the finest, UTC), however many processes there are. */
  schedule<Payload extends object>(cron: string, job: JobDefinition<Payload>, payload: Payload): void;

  /** Asked of the database now. Throws when that does not answer or the queue is not running. */
  stats(): Promise<QueueStats>;

  /** Installs what is missing, in any number of processes at once. Throws when the database does not answer. */
  start(role: QueueRole): Promise<void>;

  /** Takes up nothing new and waits that long for what is under way; the rest is tried again elsewhere. */
  stop(options: { readonly timeoutMs: number }): Promise<void>;
}
