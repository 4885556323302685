import type { UnitOfWork } from '../db/unit-of-work.ts';
import type { Logger } from '../logging/logger.ts';
import type { AnyJobDefinition } from './job.ts';
import type { JobSender } from './job-queue.ts';

/** Jobs that one transaction moves. */
const BATCH = 500;

export interface OutboxRelayDependencies {
  readonly uow: UnitOfWork;
  readonly queue: JobSender;
  /** The kinds that the outbox may hold; what it holds besides is of a newer version and stays for that. */
  readonly jobs: readonly AnyJobDefinition[];
  readonly log: Logger;
}

interface OutboxRow {
  readonly id: string;
  readonly job: string;
  readonly payload: object;
  readonly priority: number;
}

/**
 * Moves jobs that SQL functions have written with their change (`job_outbox`) into the queue, each by one transaction, so
 * that none is lost or doubled. Whoever made a change nudges; a sweep finds what a process that died has left.
 */
export class OutboxRelay {
  readonly #deps: OutboxRelayDependencies;
  #running: Promise<unknown> | null = null;
  #again = false;

  constructor(deps: OutboxRelayDependencies) {
    this.#deps = deps;
  }

  /** Soon, and never twice at once; a failure is left to the sweep. */
  nudge(): void {
    if (this.#running) {
      this.#again = true;
      return;
    }
    this.#again = false;
    this.#running = this.relay()
      .catch((error: unknown) => this.#deps.log.warn({ err: error }, 'jobs wait in the outbox; they are moved later'))
      .finally(() => {
        this.#running = null;
        if (this.#again) this.nudge();
      });
  }

  /** Until the outbox is empty; answers how many jobs went. Safe to run in any number of processes at once. */
  async relay(): Promise<number> {
    let moved = 0;
    for (;;) {
      const count = await this.#moveBatch();
      moved += count;
      if (count < BATCH) return moved;
    }
  }

  #moveBatch(): Promise<number> {
    const { uow, queue, jobs } = this.#deps;
    return uow.run(async (tx) => {
      const names = jobs.map(({ name }) => name);
      const rows = await tx.$queryRaw<OutboxRow[]>`
        DELETE FROM job_outbox WHERE id IN (
          SELECT id FROM job_outbox WHERE job = ANY(${names}) ORDER BY id LIMIT ${BATCH}::integer FOR UPDATE SKIP LOCKED
        ) RETURNING id, job, payload, priority`;
      for (const [name, waiting] of Map.groupBy(rows, ({ job }) => job)) {
        const job = jobs.find((each) => each.name === name);
        if (job) await queue.enqueueAs(tx, job, waiting);
      }
      return rows.length;
    });
  }
}
