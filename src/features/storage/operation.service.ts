import { AppError } from '../../errors/app-error.ts';
import type { Clock } from '../../platform/clock/clock.ts';
import { isId, newId } from '../../platform/crypto/random.ts';
import type { Tx, UnitOfWork } from '../../platform/db/unit-of-work.ts';
import type { JobAttempt, JobSender } from '../../platform/queue/job-queue.ts';
import { splitForNumber } from '../ingest/index.ts';
import {
  auditColumns,
  auditOfColumns,
  type ConflictPolicy,
  type FileLedgerRepository,
  type FolderLedgerRepository,
  type SpaceScope,
} from '../ledger/index.ts';
import type { OperationRepository } from './operation.repository.ts';
import {
  type Operation,
  type OperationParams,
  type OperationReader,
  type RunningOperation,
  runOperationJob,
  type Step,
} from './operation.ts';

/** Files that one step, which is one transaction, works on. */
const BATCH = 1000;
/** How long one run works before it hands on to the next. */
const RUN_MS = 60_000;
/** How long one that has to wait for another is put off. */
const WAIT_MS = 2_000;
const DAY_MS = 24 * 3600 * 1000;
const KEEP_DAYS = 30;

const GAVE_UP = 'The work could not be finished; what it had done so far stays done. Ask for it again.';

export interface OperationDependencies {
  readonly uow: UnitOfWork;
  readonly operations: OperationRepository;
  readonly fileLedger: FileLedgerRepository;
  readonly folderLedger: FolderLedgerRepository;
  readonly queue: JobSender;
  readonly clock: Clock;
}

/** Work on more files than one answer may take: begun here, done by a job, looked at by its owner. */
export class OperationService {
  readonly #deps: OperationDependencies;

  constructor(deps: OperationDependencies) {
    this.#deps = deps;
  }

  /** Errors: JOB_NOT_FOUND, also for what is somebody else's. */
  async get(reader: OperationReader, id: string): Promise<Operation> {
    const operation = isId(id) ? await this.#deps.operations.find(id, reader) : null;
    if (!operation) throw new AppError('JOB_NOT_FOUND');
    return operation;
  }

  /** Deletes all files below a prefix that are there now; answers the operation's id. */
  beginPrefixDeletion(
    { space, ...who }: SpaceScope,
    { prefix, permanent }: { readonly prefix: string; readonly permanent: boolean },
  ): Promise<string> {
    const params = { prefix, permanent, prune: true, audit: auditColumns(who) };
    return this.#begin((tx, id) => this.#deps.operations.beginPrefixDeletion(tx, space.id, { id, ...params }));
  }

  /** Removes for good all that is in the trash now; answers the operation's id. */
  beginEmptying({ space, ...who }: SpaceScope): Promise<string> {
    const audit = auditColumns(who);
    return this.#begin((tx, id) => this.#deps.operations.beginEmptying(tx, space.id, { id, audit }));
  }

  /** Brings back what lay below a prefix, of each name what was deleted last; answers the operation's id. */
  beginRestoring(
    { space, ...who }: SpaceScope,
    { prefix, conflict }: { readonly prefix: string; readonly conflict: ConflictPolicy },
  ): Promise<string> {
    const params = { below: prefix, conflict, audit: auditColumns(who) };
    return this.#begin((tx, id) => this.#deps.operations.beginRestoring(tx, space.id, { id, ...params }));
  }

  /** The job: goes on from where it stands, whoever has worked on it before, and however that ended. */
  async run(id: string, { signal, retryCount }: Pick<JobAttempt, 'signal' | 'retryCount'>): Promise<void> {
    const startedAt = performance.now();
    try {
      for (let isGoingOn = true; isGoingOn; ) {
        signal.throwIfAborted();
        isGoingOn = await this.#advance(id, performance.now() - startedAt > RUN_MS);
      }
    } catch (error) {
      const { operations, clock } = this.#deps;
      if (retryCount >= runOperationJob.retryLimit) await operations.fail(id, GAVE_UP, clock.now());
      throw error;
    }
  }

  /** Forgets what ended a month ago, and ends what nobody carries on any more; for the sweep. */
  async tidy(): Promise<void> {
    const { operations, clock } = this.#deps;
    const now = clock.now();
    await operations.failStale(new Date(now.getTime() - DAY_MS), GAVE_UP, now);
    await operations.removeEnded(new Date(now.getTime() - KEEP_DAYS * DAY_MS));
  }

  async #begin(insert: (tx: Tx, id: string) => Promise<void>): Promise<string> {
    const { uow, queue } = this.#deps;
    const operationId = newId();
    await uow.run(async (tx) => {
      await insert(tx, operationId);
      await queue.enqueue(tx, runOperationJob, { operationId });
    });
    return operationId;
  }

  /** One step with its progress, in one transaction; false when this run is over. */
  #advance(operationId: string, isLate: boolean): Promise<boolean> {
    const { uow, operations, queue, clock } = this.#deps;
    return uow.run(async (tx) => {
      const operation = await operations.take(tx, operationId);
      if (operation === null) return false;
      if (operation === 'waiting') {
        const startAfter = new Date(clock.now().getTime() + WAIT_MS);
        await queue.enqueue(tx, runOperationJob, { operationId }, { startAfter });
        return false;
      }
      const step = await this.#step(tx, operation);
      await operations.advance(tx, operationId, step);
      if (isLate && !step.last) await queue.enqueue(tx, runOperationJob, { operationId });
      return !isLate && !step.last;
    });
  }

  #step(tx: Tx, { spaceId, ...operation }: RunningOperation): Promise<Step> {
    switch (operation.kind) {
      case 'prefix.delete':
        return this.#deleteBelow(tx, spaceId, operation.params);
      case 'trash.empty':
        return this.#emptyTrash(tx, spaceId, operation.params);
      case 'trash.restore':
        return this.#restoreTrash(tx, spaceId, operation.params);
      case 'folder.move':
        return this.#moveFolder(tx, spaceId, operation.params);
    }
  }

  async #deleteBelow(
    tx: Tx,
    spaceId: string,
    { prefix, before, audit, permanent, prune }: OperationParams['prefix.delete'],
  ): Promise<Step> {
    const { operations, fileLedger } = this.#deps;
    const files = await operations.livingBelow(tx, spaceId, { prefix, before, limit: BATCH });
    const deleted = await fileLedger.delete(spaceId, files, { ...auditOfColumns(audit), permanent, tx });
    const last = files.length < BATCH;
    if (last && prune && prefix.endsWith('/'))
      await fileLedger.pruneFolders(spaceId, prefix.slice(0, -1), { ...auditOfColumns(audit), tx });
    return { done: deleted.length, last };
  }

  async #emptyTrash(tx: Tx, spaceId: string, { before, audit }: OperationParams['trash.empty']): Promise<Step> {
    const options = { ...auditOfColumns(audit), limit: BATCH, tx };
    const gone = await this.#deps.fileLedger.purge(spaceId, { deletedUpTo: before }, options);
    return { done: gone.length, last: gone.length < BATCH };
  }

  async #restoreTrash(tx: Tx, spaceId: string, params: OperationParams['trash.restore']): Promise<Step> {
    const { operations, fileLedger } = this.#deps;
    const { below: prefix, before, conflict, after = '' } = params;
    const files = await operations.newestTrashed(tx, spaceId, { prefix, before, after, limit: BATCH });
    const items = files.map(({ id, path }) => ({ id, path, conflict, ...splitForNumber(path) }));
    const outcomes = await fileLedger.restore(spaceId, items, { ...auditOfColumns(params.audit), tx });
    const failed = (params.failed ?? 0) + outcomes.filter(({ outcome }) => outcome !== 'restored').length;
    const last = files.length < BATCH;
    const note = last && failed > 0 ? `${failed} of the files stay in the trash: their places are taken` : undefined;
    return { done: files.length, last, params: { after: files.at(-1)?.path ?? after, failed }, note };
  }

  async #moveFolder(tx: Tx, spaceId: string, move: OperationParams['folder.move']): Promise<Step> {
    const done = await this.#deps.folderLedger.moveStep(spaceId, { ...move, limit: BATCH, tx });
    return { done, last: done === 0 };
  }
}
