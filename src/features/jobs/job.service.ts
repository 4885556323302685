import { AppError } from '../../errors/app-error.ts';
import { isId } from '../../platform/crypto/random.ts';
import type { Tx, UnitOfWork } from '../../platform/db/unit-of-work.ts';
import type { Page, PageRequest } from '../../platform/keyset.ts';
import type { JobBoard, TakenJob } from '../../platform/queue/job-board.ts';
import type { JobDetail, JobFilter, JobRecord, QueueCounts } from '../../platform/queue/job-record.ts';
import type { ActingUser, AuditRepository } from '../audit/index.ts';
import type { UserRepository } from '../users/index.ts';

export interface JobDependencies {
  readonly uow: UnitOfWork;
  readonly board: JobBoard;
  readonly users: UserRepository;
  readonly audit: AuditRepository;
}

/** All queues, and their sum. */
export interface JobStatistics {
  readonly queues: readonly QueueCounts[];
  readonly totals: Omit<QueueCounts, 'queue'>;
}

/** What admins see of the jobs of all processes, and do with them. */
export class JobService {
  readonly #deps: JobDependencies;

  constructor(deps: JobDependencies) {
    this.#deps = deps;
  }

  async statistics(): Promise<JobStatistics> {
    const queues = await this.#deps.board.counts();
    return { queues, totals: totalsOf(queues) };
  }

  list(filter: JobFilter, page: PageRequest): Promise<Page<JobRecord>> {
    return this.#deps.board.page(filter, page);
  }

  /** JOB_NOT_FOUND. */
  async get(id: string): Promise<JobDetail> {
    const job = isId(id) ? await this.#deps.board.find(id) : null;
    if (!job) throw new AppError('JOB_NOT_FOUND');
    return job;
  }

  /** Has a job that failed for good tried afresh, with all its tries. JOB_NOT_FOUND, CONFLICT where it did not fail for good. */
  async retry(admin: ActingUser, id: string): Promise<JobDetail> {
    const { board } = this.#deps;
    return this.#change(admin, id, async (tx) => {
      const job = await board.retry(tx, id);
      if (!job) throw await this.#refusal(tx, id, 'Only a job that failed for good can be tried again');
      await this.#note(tx, admin, { action: 'job.retry', id, job });
      const again = await board.find(id, tx);
      if (!again) throw new AppError('JOB_NOT_FOUND');
      return again;
    });
  }

  /** JOB_NOT_FOUND, CONFLICT while it runs. */
  async delete(admin: ActingUser, id: string): Promise<{ readonly id: string; readonly queue: string }> {
    return this.#change(admin, id, async (tx) => {
      const job = await this.#deps.board.remove(tx, id);
      if (!job) throw await this.#refusal(tx, id, 'The job is being worked on');
      await this.#note(tx, admin, { action: 'job.delete', id, job });
      return { id, queue: job.queue };
    });
  }

  #change<T>(admin: ActingUser, id: string, work: (tx: Tx) => Promise<T>): Promise<T> {
    const { uow, users } = this.#deps;
    if (!isId(id)) throw new AppError('JOB_NOT_FOUND');
    return uow.run(async (tx) => {
      await users.holdAdmin(tx, admin.userId);
      return work(tx);
    });
  }

  /** Why nothing was changed, as it stands after that. */
  async #refusal(tx: Tx, id: string, message: string): Promise<AppError> {
    const job = await this.#deps.board.find(id, tx);
    if (!job) return new AppError('JOB_NOT_FOUND');
    return new AppError('CONFLICT', { message, details: { state: job.state } });
  }

  #note(
    tx: Tx,
    { actor, origin }: ActingUser,
    { action, id, job }: { readonly action: 'job.retry' | 'job.delete'; readonly id: string; readonly job: TakenJob },
  ): Promise<void> {
    const metadata = { queue: job.queue, state: job.state };
    return this.#deps.audit.append(tx, { action, actor, origin, subject: { type: 'job', id }, metadata });
  }
}

function totalsOf(queues: readonly QueueCounts[]): Omit<QueueCounts, 'queue'> {
  const sum = (name: 'waiting' | 'retrying' | 'active' | 'completed' | 'failed') =>
    queues.reduce((total, counts) => total + counts[name], 0);
  const ages = queues.flatMap(({ oldestWaitingSeconds }) => oldestWaitingSeconds ?? []);
  return {
    waiting: sum('waiting'),
    retrying: sum('retrying'),
    active: sum('active'),
    completed: sum('completed'),
    failed: sum('failed'),
    oldestWaitingSeconds: ages.length > 0 ? Math.max(...ages) : null,
  };
}
