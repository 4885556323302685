import type { Database } from '../db/database.ts';
import type { Tx } from '../db/unit-of-work.ts';
import { cutPage, decodeCursor, encodeCursor, type Page, type PageRequest } from '../keyset.ts';
import * as statements from './job-board-statements.ts';
import { readFailure } from './job-failure.ts';
import type { JobContent, JobDetail, JobFilter, JobRecord, JobState, QueueCounts } from './job-record.ts';

/** What was taken out of the queue, to be put back or forgotten. */
export interface TakenJob {
  readonly queue: string;
  readonly state: JobState;
  readonly data: object;
  readonly priority: number;
  /** As PostgreSQL writes it, to the microsecond. */
  readonly createdOn: string;
}

/** Puts a job into its queue under the id that it had. */
export interface JobReturner {
  putBack(
    tx: Tx,
    queue: string,
    job: { readonly id: string; readonly data: object; readonly priority: number },
  ): Promise<void>;
}

type DatabaseRow = Omit<JobRecord, 'failure'> & { readonly error: unknown; readonly createdMicros: number };

type DetailRow = DatabaseRow & {
  readonly data: unknown;
  readonly dataBytes: number | null;
  readonly isSealed: boolean;
  readonly result: unknown;
  readonly resultBytes: number | null;
};

/**
 * The queue as an admin looks at it: one entry a job, under the id that it was given when it was enqueued. A job that failed
 * for good is its dead letter and nothing beside it; tried again, it is the job again.
 */
export class JobBoard {
  readonly #database: Database;
  readonly #queue: JobReturner;

  constructor(database: Database, queue: JobReturner) {
    this.#database = database;
    this.#queue = queue;
  }

  /** All kinds of jobs, by name. Counts what is kept: finished jobs go after a time that their kind sets. */
  counts(): Promise<QueueCounts[]> {
    return this.#database.query<QueueCounts>(statements.COUNTS, []);
  }

  /** Newest first, by creation. VALIDATION_FAILED for a cursor of another list. */
  async page({ state, queue }: JobFilter, { limit, cursor }: PageRequest): Promise<Page<JobRecord>> {
    const [micros, id] = cursor === undefined ? [null, null] : decodeCursor(cursor, 'count', 'id');
    const rows = await this.#database.query<DatabaseRow>(statements.PAGE, [
      queue ?? null,
      statements.STATES_WITHIN[state ?? 'any'],
      micros,
      id,
      limit + 1,
      state === undefined || state === 'failed',
    ]);
    const { entries, nextCursor } = cutPage(rows, limit, (last) => encodeCursor([last.createdMicros, last.id]));
    return { entries: entries.map(toRecord), nextCursor };
  }

  /** With the transaction, as that sees it. */
  async find(id: string, tx?: Tx): Promise<JobDetail | null> {
    const [row] = tx
      ? await tx.$queryRawUnsafe<DetailRow[]>(statements.FIND.text, id)
      : await this.#database.query<DetailRow>(statements.FIND, [id]);
    return row ? toDetail(row) : null;
  }

  /** Has a job that failed for good tried afresh, under its own id; null where it is not that, or its kind is no more. */
  async retry(tx: Tx, id: string): Promise<TakenJob | null> {
    const [job] = await tx.$queryRawUnsafe<TakenJob[]>(statements.TAKE_FAILED, id);
    if (!job) return null;
    await this.#queue.putBack(tx, job.queue, { id, data: job.data, priority: job.priority });
    await tx.$executeRawUnsafe(statements.DATE_BACK, job.queue, id, job.createdOn);
    return job;
  }

  /** Removes a job for good, its dead letter included; null where it is active or not there. */
  async remove(tx: Tx, id: string): Promise<TakenJob | null> {
    const [job] = await tx.$queryRawUnsafe<TakenJob[]>(statements.TAKE_IDLE, id);
    return job ?? null;
  }
}

function toRecord({ error, createdMicros: _, ...row }: DatabaseRow): JobRecord {
  return { ...row, failure: row.state === 'completed' ? null : readFailure(error) };
}

function toDetail({ data, dataBytes, isSealed, result, resultBytes, ...row }: DetailRow): JobDetail {
  return {
    ...toRecord(row),
    input: toContent(data, dataBytes, isSealed),
    output: toContent(result, resultBytes, false),
  };
}

function toContent(value: unknown, bytes: number | null, isSealed: boolean): JobContent | null {
  if (bytes === null) return null;
  const size = Number(bytes);
  if (isSealed) return { kind: 'sealed', bytes: size };
  return size > statements.MAX_SHOWN_BYTES ? { kind: 'truncated', bytes: size } : { kind: 'shown', value, bytes: size };
}
