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
  folderBusy,
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
/** How long one run works before it hands on to the next; with its last step (15 s at most) it ends before it expires. */
const RUN_MS = 15_000;
/** Operations of one space that may be unfinished; the ledger keeps to it as well (`ledger_crowded`). */
const MAX_UNFINISHED = 20;
/** Without a step for so long, an operation whose turn it is has lost its job: no retry is put off for longer. */
const STRANDED_MS = 2 * 60_000;
/** So many of them get a new one by one sweep. */
const STRANDED_BATCH = 1000;
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

  /**
   * Deletes all files below a prefix that are there now; answers the operation's id, which is that of the same deletion
   * where one still waits. Errors: CONFLICT (too many operations, or a folder there is on its way).
   */
  beginPrefixDeletion(
    { space, ...who }: SpaceScope,
    { prefix, permanent }: { readonly prefix: string; readonly permanent: boolean },
  ): Promise<string> {
    const { uow, operations } = this.#deps;
    const params = { prefix, permanent, prune: true, audit: auditColumns(who) };
    return uow.run(async (tx) => {
      const unfinished = await operations.lockSpace(tx, space.id);
      await this.assertSettled(tx, space.id, prefix);
      const waiting = unfinished > 0 ? await operations.renewPrefixDeletion(tx, space.id, params) : null;
      if (waiting !== null) return waiting;
      return this.#begin(tx, space.id, (id) => operations.beginPrefixDeletion(tx, space.id, { id, ...params }));
    });
  }

  /** Removes for good all that is in the trash now; answers the operation's id. Errors: CONFLICT (too many operations). */
  beginEmptying({ space, ...who }: SpaceScope): Promise<string> {
    const { uow, operations } = this.#deps;
    const audit = auditColumns(who);
    return uow.run((tx) => this.#begin(tx, space.id, (id) => operations.beginEmptying(tx, space.id, { id, audit })));
  }

  /**
   * Brings back what lay below a prefix, of each name what was deleted last; answers the operation's id.
   * Errors: CONFLICT (too many operations).
   */
  beginRestoring(
    { space, ...who }: SpaceScope,
    { prefix, conflict }: { readonly prefix: string; readonly conflict: ConflictPolicy },
  ): Promise<string> {
    const { uow, operations } = this.#deps;
    const params = { below: prefix, conflict, audit: auditColumns(who) };
    return uow.run((tx) =>
      this.#begin(tx, space.id, (id) => operations.beginRestoring(tx, space.id, { id, ...params })),
    );
  }

  /**
   * Has an operation carried on that was noted in this transaction, under the space's lock: by a job now, or, with others
   * before it, by one that the last of them leaves behind.
   */
  async start(tx: Tx, spaceId: string, operationId: string): Promise<void> {
    const { operations, queue } = this.#deps;
    if ((await operations.findOldest(tx, spaceId)) === operationId)
      await queue.enqueue(tx, runOperationJob, { operationId });
  }

  /** Errors: CONFLICT (files that belong below a prefix are on their way with a folder). The space is locked. */
  async assertSettled(tx: Tx, spaceId: string, prefix: string): Promise<void> {
    if (await this.#deps.operations.isMoving(tx, spaceId, prefix)) throw folderBusy();
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
      if (retryCount >= runOperationJob.retryLimit) await this.#fail(id);
      throw error;
    }
  }

  /** Forgets what ended a month ago, ends what nobody carries on any more, and has what lost its job carried on; for the sweep. */
  async tidy(): Promise<void> {
    const { operations, queue, clock } = this.#deps;
    const now = clock.now();
    const ago = (ms: number) => new Date(now.getTime() - ms);
    await operations.failStale(ago(DAY_MS), GAVE_UP, now);
    await operations.removeEnded(ago(KEEP_DAYS * DAY_MS));
    const stranded = await operations.findStranded(ago(STRANDED_MS), STRANDED_BATCH);
    await queue.enqueueMany(
      null,
      runOperationJob,
      stranded.map((operationId) => ({ operationId })),
    );
  }

  async #begin(tx: Tx, spaceId: string, insert: (id: string) => Promise<void>): Promise<string> {
    const { operations } = this.#deps;
    const operationId = newId();
    const unfinished = await operations.lockSpace(tx, spaceId);
    if (unfinished >= MAX_UNFINISHED) throw tooManyOperations();
    await insert(operationId);
    await this.start(tx, spaceId, operationId);
    return operationId;
  }

  async #startNext(tx: Tx, spaceId: string): Promise<void> {
    const { operations, queue } = this.#deps;
    const operationId = await operations.findOldest(tx, spaceId);
    if (operationId !== null) await queue.enqueue(tx, runOperationJob, { operationId });
  }

  #fail(id: string): Promise<void> {
    const { uow, operations, clock } = this.#deps;
    return uow.run(async (tx) => {
      const spaceId = await operations.fail(tx, id, { error: GAVE_UP, at: clock.now() });
      if (spaceId !== null) await this.#startNext(tx, spaceId);
    });
  }

  /** One step with its progress, in one transaction; false when this run is over. */
  #advance(operationId: string, isLate: boolean): Promise<boolean> {
    const { uow, operations, queue } = this.#deps;
    return uow.run(async (tx) => {
      const operation = await operations.take(tx, operationId);
      if (operation === null) return false;
      const step = await this.#step(tx, operation);
      await operations.advance(tx, operationId, step);
      if (step.last) await this.#startNext(tx, operation.spaceId);
      else if (isLate) await queue.enqueue(tx, runOperationJob, { operationId });
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

function tooManyOperations(): AppError {
  const message = `${MAX_UNFINISHED} large changes are under way already; try again when one of them is done`;
  return new AppError('CONFLICT', { message });
}
