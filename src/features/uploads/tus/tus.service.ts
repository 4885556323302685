import { AppError } from '../../../errors/app-error.ts';
import type { Clock } from '../../../platform/clock/clock.ts';
import { isId, newId } from '../../../platform/crypto/random.ts';
import type { Logger } from '../../../platform/logging/logger.ts';
import { MultipartNotFoundError, OffsetMismatchError } from '../../../platform/object-store/errors.ts';
import type { ObjectStore } from '../../../platform/object-store/object-store.ts';
import type { ContentPolicy, QuotaRefusals, SessionIngestService } from '../../ingest/index.ts';
import type { LedgerService, SpaceScope } from '../../ledger/index.ts';
import type { UploadSessionRepository } from '../upload-session.repository.ts';
import type { UploadSession } from '../upload-session.ts';
import type { RunningHashes } from './running-hashes.ts';
import { beyondEnd, endedEarly, takenOver, wrongOffset } from './tus-faults.ts';
import { assertNothing } from './tus-rest.ts';
import type { TusTransfer } from './tus-transfer.ts';
import { completedState, type TusBytes, type TusCreation, type TusState } from './tus-upload.ts';
import type { UploadLockRepository } from './upload-lock.repository.ts';
import type { UploadLock, UploadLocks } from './upload-locks.ts';

/** How long an upload waits for its next bytes. */
const TTL_SECONDS = 24 * 3600;
/** One request may take longer than that. */
const EXTEND_EVERY_MS = 3600_000;
/** In place of the store's own name of an upload while there is none yet. */
const BEGUN = 'begun';

export interface TusDependencies {
  readonly ledger: LedgerService;
  readonly ingest: SessionIngestService;
  readonly refusals: QuotaRefusals;
  readonly sessions: UploadSessionRepository;
  readonly lockRows: UploadLockRepository;
  readonly locks: UploadLocks;
  readonly transfer: TusTransfer;
  readonly hashes: RunningHashes;
  readonly store: ObjectStore;
  readonly policy: ContentPolicy;
  readonly clock: Clock;
  readonly log: Logger;
}

/** An upload that the caller may write to. */
interface Opened {
  readonly session: TusSession;
  readonly lock: UploadLock;
}

type TusSession = UploadSession & {
  /** Something of it may be in the store, under a name that nobody knows. */
  readonly wasBegun: boolean;
};

/** `assertWanted` is asked while the lock is waited for. */
interface LockedOptions {
  readonly assertWanted?: () => void;
  readonly onCompleted?: (session: UploadSession) => Promise<void>;
}

/**
 * Uploads by tus 1.0. What is durable in the store is the truth about where an upload stands; the session's row tells the
 * rest, so that any process goes on with it. One request at a time works on an upload; a later one takes it over.
 */
export class TusService {
  readonly #deps: TusDependencies;

  constructor(deps: TusDependencies) {
    this.#deps = deps;
  }

  get maxFileBytes(): number {
    return this.#deps.policy.maxFileBytes;
  }

  /**
   * Holds room and opens an upload, and takes in what comes with the request. An empty file is one at once. When it throws,
   * nothing is held: the client would not know where to go on.
   * Errors: VALIDATION_FAILED (name), FILE_TOO_LARGE, FILE_TYPE_NOT_ALLOWED, QUOTA_EXCEEDED, FILE_EXISTS, and those of `write`.
   */
  async create(scope: SpaceScope, creation: TusCreation, bytes: TusBytes | null): Promise<TusState> {
    const { ledger, refusals, policy } = this.#deps;
    const { sizeBytes, conflict, tags, reservationId, clientMetadata } = creation;
    const { path, contentType } = policy.admit({
      path: creation.fileName,
      contentType: creation.contentType,
      sizeBytes,
    });
    const id = await refusals.noted(scope, path, () =>
      ledger.openSession(scope, {
        kind: 'tus',
        path,
        conflict,
        contentType,
        bytes: sizeBytes,
        objectKey: `${scope.space.prefix}${newId()}`,
        reservationId,
        ttlSeconds: TTL_SECONDS,
        tags,
        staged: false,
        clientMetadata,
      }),
    );
    if (!bytes && sizeBytes > 0) {
      return { id, offset: 0, sizeBytes, clientMetadata, expiresAt: this.#expiry(), file: null };
    }
    try {
      return await this.#locked(scope, id, (opened) =>
        bytes ? this.#take(scope, opened, bytes) : this.#finish(scope, opened),
      );
    } catch (error) {
      // By its key the client finds it again.
      const isCut = bytes?.body.readableAborted ?? false;
      if (!(isCut && scope.origin.idempotency)) await this.#giveUp(scope, id);
      throw error;
    }
  }

  /**
   * Where an upload stands; what was whole already when its process died becomes a file now. Whoever is writing to it is
   * asked to end, so that the answer stays true.
   * Errors: UPLOAD_NOT_FOUND, UPLOAD_LOCKED, and those of a completion.
   */
  state(scope: SpaceScope, id: string): Promise<TusState> {
    return this.#locked(scope, id, async (opened) => {
      const offset = await this.#offset(opened.session);
      return this.#settle(scope, opened, offset);
    });
  }

  /**
   * Takes bytes in; the last of them make it a file. Bytes that came before something went wrong stay, unless a checksum came
   * with them.
   * Errors: UPLOAD_NOT_FOUND, UPLOAD_LOCKED, CONFLICT (offset), those of `TusTransfer.receive`, of `confirm`, and of a completion.
   */
  write(scope: SpaceScope, id: string, bytes: TusBytes): Promise<TusState> {
    return this.#locked(scope, id, (opened) => this.#take(scope, opened, bytes), {
      // A sender that has gone by now must not take over from one that resumes in its place.
      assertWanted: () => {
        if (bytes.body.readableAborted) throw endedEarly('cut', 0);
      },
      onCompleted: async ({ sizeBytes }) => {
        if (bytes.offset !== sizeBytes) throw wrongOffset(sizeBytes);
        await assertNothing(bytes, sizeBytes);
      },
    });
  }

  /** Gives an upload up. Errors: UPLOAD_NOT_FOUND, UPLOAD_LOCKED, CONFLICT (it is a file already). */
  async terminate(scope: SpaceScope, id: string): Promise<void> {
    const { locks, ledger, hashes } = this.#deps;
    assertId(id);
    // Whoever is writing is asked to end first: what it wrote must be there to be removed.
    const lock = await locks.acquire(scope.space.id, id, async () => (await this.#find(scope, id)).state === 'OPEN');
    try {
      if (!lock && (await this.#find(scope, id)).state === 'ENDED') throw new AppError('UPLOAD_NOT_FOUND');
      await ledger.abortSession(scope, id);
    } finally {
      hashes.drop(id);
      await lock?.release();
    }
  }

  /** Runs `work` as the only one on an open upload; one that is a file already is answered as such. */
  async #locked(
    scope: SpaceScope,
    id: string,
    work: (opened: Opened) => Promise<TusState>,
    { assertWanted, onCompleted }: LockedOptions = {},
  ): Promise<TusState> {
    assertId(id);
    assertWanted?.();
    const isOpen = async () => {
      const { state } = await this.#find(scope, id);
      assertWanted?.();
      return state === 'OPEN';
    };
    const lock = await this.#deps.locks.acquire(scope.space.id, id, isOpen);
    try {
      // Read under the lock: what it was before may be true no more.
      const session = await this.#find(scope, id);
      if (session.state === 'OPEN' && lock) return await work({ session, lock });
      if (session.state !== 'COMPLETED') throw new AppError('UPLOAD_NOT_FOUND');
      await onCompleted?.(session);
      return completedState(session);
    } finally {
      await lock?.release();
    }
  }

  /** Errors: UPLOAD_NOT_FOUND, also when its time is over. */
  async #find({ space }: SpaceScope, id: string): Promise<TusSession> {
    const { sessions, clock } = this.#deps;
    const session = await sessions.find(space.id, id);
    const isOver = session?.state === 'OPEN' && session.expiresAt <= clock.now();
    if (session?.kind !== 'tus' || isOver) throw new AppError('UPLOAD_NOT_FOUND');
    const wasBegun = session.storeUploadId === BEGUN;
    return { ...session, storeUploadId: wasBegun ? null : session.storeUploadId, wasBegun };
  }

  /** What is durable. */
  async #offset({ objectKey, storeUploadId, sizeBytes }: UploadSession): Promise<number> {
    const { store } = this.#deps;
    if (storeUploadId === null) return 0;
    try {
      return await store.appendedBytes(objectKey, storeUploadId);
    } catch (error) {
      // Completed in the store by a process that died before it could say so.
      const whole = error instanceof MultipartNotFoundError ? await store.head(objectKey) : null;
      if (whole?.sizeBytes === sizeBytes) return sizeBytes;
      throw error instanceof MultipartNotFoundError ? new AppError('UPLOAD_NOT_FOUND', { cause: error }) : error;
    }
  }

  async #take(scope: SpaceScope, { session, lock }: Opened, bytes: TusBytes): Promise<TusState> {
    const { sizeBytes } = session;
    const offset = await this.#offset(session);
    if (bytes.offset !== offset) throw wrongOffset(offset);
    if (offset + (bytes.announcedBytes ?? 0) > sizeBytes) throw beyondEnd(sizeBytes);
    if (offset === sizeBytes) {
      await assertNothing(bytes, sizeBytes);
      return this.#settle(scope, { session, lock }, offset);
    }
    const { body, checksum } = bytes;
    const leftMs = session.expiresAt.getTime() - this.#deps.clock.now().getTime();
    if (leftMs < TTL_SECONDS * 1000 - EXTEND_EVERY_MS) await this.#extend(session);
    const storeUploadId = session.storeUploadId ?? (await this.#begin(session, lock));
    const begun = { ...session, storeUploadId };
    // Whether it still is there the lock tells, within a second; this only puts its end off.
    const extending = setInterval(() => void this.#extend(session).catch(() => undefined), EXTEND_EVERY_MS).unref();
    let reached = offset;
    try {
      reached = await this.#deps.transfer.receive({ session: begun, lock, offset, body, checksum });
    } finally {
      clearInterval(extending);
      await this.#extend(session);
    }
    if (reached === sizeBytes) await bytes.confirm();
    return this.#settle(scope, { session: begun, lock }, reached);
  }

  /** First notes that something will be in the store, so that a death before its name is noted leaks nothing. */
  async #begin(session: TusSession, lock: UploadLock): Promise<string> {
    const { store, lockRows } = this.#deps;
    const { objectKey, contentType, wasBegun } = session;
    if (wasBegun) await store.discardTemporary([objectKey]);
    else if (!(await lockRows.noteStoreUpload(lock, BEGUN))) return this.#yield(session);
    const { uploadId } = await store.createAppend(objectKey, { contentType });
    if (await lockRows.noteStoreUpload(lock, uploadId)) return uploadId;
    await store.abortAppend(objectKey, uploadId);
    return this.#yield(session);
  }

  /** Errors: UPLOAD_NOT_FOUND, where it has ended; else UPLOAD_LOCKED. */
  async #yield(session: UploadSession): Promise<never> {
    await this.#extend(session);
    throw takenOver();
  }

  /** 24 hours from now. Errors: UPLOAD_NOT_FOUND, where it has ended. */
  async #extend({ spaceId, id }: UploadSession): Promise<void> {
    const isExtended = await this.#deps.ledger.extendSession(spaceId, id, TTL_SECONDS).catch((error: unknown) => {
      this.#deps.log.warn({ err: error, uploadId: id }, 'the end of an upload could not be put off');
      return true;
    });
    if (!isExtended) throw new AppError('UPLOAD_NOT_FOUND');
  }

  async #settle(scope: SpaceScope, opened: Opened, offset: number): Promise<TusState> {
    const { id, sizeBytes, clientMetadata, expiresAt } = opened.session;
    if (offset === sizeBytes) return this.#finish(scope, opened);
    const isExtended = offset > 0;
    return { id, offset, sizeBytes, clientMetadata, expiresAt: isExtended ? this.#expiry() : expiresAt, file: null };
  }

  /** Makes it a file. With what refuses that for good the upload ends. */
  async #finish(scope: SpaceScope, { session, lock }: Opened): Promise<TusState> {
    const { ingest, hashes } = this.#deps;
    const { id, sizeBytes, clientMetadata } = session;
    const hash = hashes.take(id, sizeBytes);
    await this.#complete(session);
    if (lock.isLost) throw takenOver();
    const file = await ingest.finish(scope, {
      ...session,
      promisedSha256: null,
      seenSha256: hash?.digest('hex') ?? null,
    });
    const made = { path: file.path, counters: file.counters };
    return { id, offset: sizeBytes, sizeBytes, clientMetadata, expiresAt: null, file: { id: file.id, made } };
  }

  async #complete({ objectKey, storeUploadId, sizeBytes, contentType }: UploadSession): Promise<void> {
    const { store } = this.#deps;
    if (storeUploadId === null) {
      await store.put(objectKey, new Uint8Array(), { contentType, sizeBytes });
      return;
    }
    try {
      await store.completeAppend(objectKey, storeUploadId, sizeBytes);
    } catch (error) {
      if (error instanceof OffsetMismatchError) throw takenOver(error);
      if (!(error instanceof MultipartNotFoundError)) throw error;
      // Done before, as `#offset` has seen or a second look will; else it has ended.
      if ((await store.head(objectKey)) === null) throw takenOver(error);
    }
  }

  async #giveUp(scope: SpaceScope, id: string): Promise<void> {
    this.#deps.hashes.drop(id);
    try {
      await this.#deps.ledger.undoSession(scope, id);
    } catch (error) {
      // It ends by itself.
      this.#deps.log.warn({ err: error, uploadId: id }, 'an upload could not be given up at once');
    }
  }

  #expiry(): Date {
    return new Date(this.#deps.clock.now().getTime() + TTL_SECONDS * 1000);
  }
}

function assertId(id: string): void {
  if (!isId(id)) throw new AppError('UPLOAD_NOT_FOUND');
}
