import { setTimeout as delay } from 'node:timers/promises';
import { AppError } from '../../../errors/app-error.ts';
import { newId } from '../../../platform/crypto/random.ts';
import type { Logger } from '../../../platform/logging/logger.ts';

/** How long a lock outlives the last sign of life of its process, where nobody waits for it. */
const LEASE_SECONDS = 15;
/** And where somebody does: less than this left tells a holder that it is asked to let go. */
const ASKED_SECONDS = 4;
const LOOK_EVERY_MS = 1_000;
/** A look that takes longer has not succeeded. */
const LOOK_WITHIN_MS = 3_000;
/** What is not asked for is put off when this much of it is over. */
const RENEW_AFTER_MS = 5_000;
const POLL_MS = 200;
/** A holder that is alive lets go within a second and what its store takes to flush, a dead one loses it after 4. */
const MAX_WAIT_MS = 12_000;
/** Of one upload, in one process: who resumes is one or two, and each who waits asks the database five times a second. */
const MAX_WAITING = 4;

/** Who writes to an upload; of one request. */
export interface UploadLockId {
  readonly uploadId: string;
  readonly token: string;
}

/** Where locks live. */
export interface LockRows {
  /** Takes the lock of an open upload where it is free. */
  lock(spaceId: string, lock: UploadLockId, seconds: number): Promise<boolean>;
  /** Lets whoever holds the lock have it for no longer than so many seconds, which tells that somebody waits. */
  ask(spaceId: string, uploadId: string, seconds: number): Promise<void>;
  /** Of these locks those that are still held; `asked`: they have no more than so many seconds left. */
  look(
    locks: readonly UploadLockId[],
    seconds: number,
  ): Promise<readonly { readonly id: string; readonly asked: boolean }[]>;
  renew(locks: readonly UploadLockId[], seconds: number): Promise<void>;
  unlock(lock: UploadLockId): Promise<void>;
}

/** The right to write to an upload, until `release`. */
export interface UploadLock extends UploadLockId {
  /** Aborted when somebody else wants to go on with the upload, or when the lock is lost. */
  readonly signal: AbortSignal;
  /** Another may be writing by now. */
  readonly isLost: boolean;
  release(): Promise<void>;
}

class HeldLock implements UploadLock {
  readonly uploadId: string;
  readonly token = newId();
  readonly released = Promise.withResolvers<void>();
  readonly #letGo = new AbortController();
  readonly #onRelease: () => Promise<void>;
  /** When it was last known to be held by nobody else's wish. */
  seenAt = performance.now();
  renewedAt = this.seenAt;
  #isLost = false;

  constructor(uploadId: string, onRelease: (lock: HeldLock) => Promise<void>) {
    this.uploadId = uploadId;
    this.#onRelease = () => onRelease(this);
  }

  get signal(): AbortSignal {
    return this.#letGo.signal;
  }

  /** Also when nobody could tell for as long as another needs to take it. */
  get isLost(): boolean {
    return this.#isLost || performance.now() - this.seenAt >= ASKED_SECONDS * 1000;
  }

  ask(): void {
    this.#letGo.abort();
  }

  lose(): void {
    this.#isLost = true;
    this.#letGo.abort();
  }

  release(): Promise<void> {
    return this.#onRelease();
  }
}

/**
 * One writer at a time for each upload, over all processes. Whoever comes later asks the one before to let go (a client resumes
 * while its old connection hangs half-open): the lease is made short, which the holder sees within a second, ends its
 * transfer and releases. One statement a second serves all locks of the process; no connection is held.
 */
export class UploadLocks {
  readonly #rows: LockRows;
  readonly #log: Logger;
  readonly #held = new Map<string, HeldLock>();
  /** How many wait for an upload. */
  readonly #waiting = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;
  #isLooking = false;

  constructor(rows: LockRows, log: Logger) {
    this.#rows = rows;
    this.#log = log;
  }

  /**
   * null where there is no such upload that `isOpen` (any more).
   * Errors: UPLOAD_LOCKED, when the one who writes does not let go in time.
   */
  async acquire(spaceId: string, uploadId: string, isOpen: () => Promise<boolean>): Promise<UploadLock | null> {
    const lock = await this.#take(spaceId, uploadId);
    if (lock) return lock;
    if (!(await isOpen())) return null;
    const waiting = this.#waiting.get(uploadId) ?? 0;
    if (waiting >= MAX_WAITING) throw locked();
    this.#waiting.set(uploadId, waiting + 1);
    try {
      return await this.#wait(spaceId, uploadId, isOpen);
    } finally {
      const left = (this.#waiting.get(uploadId) ?? 1) - 1;
      if (left > 0) this.#waiting.set(uploadId, left);
      else this.#waiting.delete(uploadId);
    }
  }

  async #wait(spaceId: string, uploadId: string, isOpen: () => Promise<boolean>): Promise<UploadLock | null> {
    const giveUpAt = performance.now() + MAX_WAIT_MS;
    while (performance.now() < giveUpAt) {
      const holder = this.#held.get(uploadId);
      holder?.ask();
      await this.#rows.ask(spaceId, uploadId, ASKED_SECONDS);
      await Promise.race([delay(POLL_MS), holder?.released.promise ?? delay(POLL_MS)]);
      const lock = await this.#take(spaceId, uploadId);
      if (lock) return lock;
      if (!(await isOpen())) return null;
    }
    throw locked();
  }

  async #take(spaceId: string, uploadId: string): Promise<UploadLock | null> {
    const lock = new HeldLock(uploadId, (held) => this.#release(held));
    if (!(await this.#rows.lock(spaceId, lock, LEASE_SECONDS))) return null;
    this.#held.set(uploadId, lock);
    this.#timer ??= setInterval(() => void this.#tick(), LOOK_EVERY_MS).unref();
    return lock;
  }

  async #release(lock: HeldLock): Promise<void> {
    if (this.#held.get(lock.uploadId) === lock) this.#held.delete(lock.uploadId);
    if (this.#held.size === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
    try {
      await this.#rows.unlock(lock);
    } catch (error) {
      // The lease ends by itself.
      this.#log.warn({ err: error, uploadId: lock.uploadId }, 'the lock of an upload could not be released at once');
    }
    lock.released.resolve();
  }

  async #tick(): Promise<void> {
    for (const lock of this.#held.values()) if (lock.isLost) lock.lose();
    if (this.#isLooking) return;
    this.#isLooking = true;
    try {
      await this.#look();
    } finally {
      this.#isLooking = false;
    }
  }

  /** Who asks, what is lost, what has to be put off. */
  async #look(): Promise<void> {
    const held = [...this.#held.values()].filter(({ isLost }) => !isLost);
    if (held.length === 0) return;
    const lookedAt = performance.now();
    try {
      const rows = await within(LOOK_WITHIN_MS, this.#rows.look(held, ASKED_SECONDS));
      const found = new Map(rows.map(({ id, asked }) => [id, asked]));
      for (const lock of held) {
        const asked = found.get(lock.uploadId);
        if (asked === undefined) lock.lose();
        else if (asked) lock.ask();
        lock.seenAt = lookedAt;
      }
      const mine = held.filter(({ isLost }) => !isLost);
      // Who was asked needs time to let go.
      await this.#renew(
        mine.filter(({ signal }) => signal.aborted),
        ASKED_SECONDS,
        lookedAt,
      );
      const due = mine.filter(({ signal, renewedAt }) => !signal.aborted && lookedAt - renewedAt >= RENEW_AFTER_MS);
      await this.#renew(due, LEASE_SECONDS, lookedAt);
    } catch (error) {
      this.#log.warn({ err: error, uploads: held.length }, 'locks of uploads could not be renewed');
    }
  }

  async #renew(locks: readonly HeldLock[], seconds: number, now: number): Promise<void> {
    if (locks.length === 0) return;
    await within(LOOK_WITHIN_MS, this.#rows.renew(locks, seconds));
    for (const lock of locks) lock.renewedAt = now;
  }
}

/** The answer to a query, if it comes in time. */
async function within<T>(milliseconds: number, asked: Promise<T>): Promise<T> {
  const stop = new AbortController();
  const late = delay(milliseconds, undefined, { signal: stop.signal, ref: false }).then(() => {
    throw new Error(`the database did not answer within ${milliseconds} ms`);
  });
  late.catch(() => undefined);
  asked.catch(() => undefined);
  try {
    return await Promise.race([asked, late]);
  } finally {
    stop.abort();
  }
}

function locked(): AppError {
  return new AppError('UPLOAD_LOCKED', { retryAfterSeconds: 2 });
}
