import { AppError } from '../../errors/app-error.ts';
import { isId, newId } from '../../platform/crypto/random.ts';
import type { Logger } from '../../platform/logging/logger.ts';
import { LEASE_SECONDS, LeaseKeeper } from './lease-keeper.ts';
import type { LedgerRepository } from './ledger.repository.ts';
import type {
  CommitInput,
  CommitOutcome,
  ConflictPolicy,
  ReserveInput,
  ReserveOutcome,
  SessionInput,
  SessionOutcome,
  SpaceScope,
} from './ledger.ts';
import { fileExists, folderBusy, quotaExceeded, tooManyFolders, tooManyUploads } from './ledger-faults.ts';
import { SpaceLane } from './space-lane.ts';

export interface LedgerDependencies {
  readonly repository: LedgerRepository;
  readonly log: Logger;
}

/** Room that is held for one upload, and where its object goes. */
export interface Reservation {
  readonly uploadId: string;
  readonly spaceId: string;
  readonly objectKey: string;
}

/** A file that is now in the space, and the counters right after. */
export type Committed = Extract<CommitOutcome, { outcome: 'committed' }>;

/**
 * Quota as a ledger: reserve -> transfer -> commit | release. Used plus reserved never passes the quota at any instant
 * and in any number of processes, because one conditional UPDATE gives out all room.
 */
export class LedgerService {
  readonly #repository: LedgerRepository;
  readonly #leases: LeaseKeeper;
  readonly #reserving: SpaceLane<ReserveInput, ReserveOutcome>;
  readonly #committing: SpaceLane<CommitInput, CommitOutcome>;

  constructor(deps: LedgerDependencies) {
    const { repository, log } = deps;
    this.#repository = repository;
    this.#leases = new LeaseKeeper({ renew: (ids, seconds) => repository.renew(ids, seconds), log });
    this.#reserving = new SpaceLane((spaceId, items) => repository.reserve(spaceId, items, LEASE_SECONDS));
    this.#committing = new SpaceLane((spaceId, items) => repository.commit(spaceId, items));
  }

  /**
   * Holds `bytes` and one object, or only the difference where a file is replaced, before anything is stored.
   * Errors: QUOTA_EXCEEDED, FILE_EXISTS.
   */
  async reserve(
    space: { readonly id: string; readonly prefix: string },
    file: {
      readonly path: string;
      readonly conflict: ConflictPolicy;
      readonly contentType: string;
      readonly bytes: number;
      readonly reservationId?: string | undefined;
    },
  ): Promise<Reservation> {
    const uploadId = newId();
    const objectKey = `${space.prefix}${newId()}`;
    const answer = await this.#reserving.submit(space.id, { uploadId, objectKey, ...file });
    assertReserved(answer, file.path);
    this.#leases.hold(uploadId);
    return { uploadId, spaceId: space.id, objectKey };
  }

  /** That a client may draw on the reservation that it names. Errors: RESERVATION_NOT_FOUND, also of a drop's. */
  async assertReservation(spaceId: string, reservationId: string | undefined): Promise<void> {
    if (reservationId === undefined) return;
    const isThere = isId(reservationId) && (await this.#repository.hasReservation(spaceId, reservationId));
    if (!isThere) throw new AppError('RESERVATION_NOT_FOUND');
  }

  /**
   * The same for an upload that comes by requests of its own: the room is held until the session ends. Answers its id.
   * Errors: QUOTA_EXCEEDED, FILE_EXISTS, CONFLICT (as many are open as may be), RESERVATION_NOT_FOUND.
   */
  async openSession(scope: SpaceScope, session: SessionInput): Promise<string> {
    await this.assertReservation(scope.space.id, session.reservationId);
    const uploadId = newId();
    assertReserved(await this.#repository.openSession(scope, uploadId, session), session.path);
    return uploadId;
  }

  /** Puts the end of a session off; false where it is not open any more. */
  extendSession(spaceId: string, uploadId: string, seconds: number): Promise<boolean> {
    return this.#repository.extendSession(spaceId, uploadId, seconds);
  }

  /** Gives an open session up, with its room and whatever was stored. Errors: UPLOAD_NOT_FOUND, CONFLICT (completed). */
  async abortSession(scope: SpaceScope, uploadId: string): Promise<void> {
    const outcome = await this.#repository.abortSession(scope, uploadId);
    if (outcome === 'gone') throw new AppError('UPLOAD_NOT_FOUND');
    if (outcome === 'completed') throw new AppError('CONFLICT', { message: 'The upload is complete; delete the file' });
  }

  /** Keeps the lease of an open session while it is being completed, also one that would end in a moment. */
  async hold({ uploadId }: Reservation): Promise<void> {
    await this.#repository.renew([uploadId], LEASE_SECONDS);
    this.#leases.hold(uploadId);
  }

  /** The other way round. */
  letGo(reservation: Reservation): void {
    this.#leases.drop(reservation.uploadId);
  }

  /** Holds `bytes` more for an upload whose length was not known. Errors: QUOTA_EXCEEDED, DEPENDENCY_UNAVAILABLE (lease lost). */
  async grow(reservation: Reservation, bytes: number): Promise<void> {
    const { spaceId, uploadId } = reservation;
    const answer = await this.#repository.grow(spaceId, uploadId, bytes, LEASE_SECONDS);
    if (answer.outcome === 'refused') throw quotaExceeded(answer.counters, answer.requestedBytes, 0);
    if (answer.outcome === 'gone') throw leaseLost();
  }

  /**
   * Turns a stored object into a file in one statement. Errors: FILE_EXISTS, QUOTA_EXCEEDED, CONFLICT (folders, or the place
   * is elsewhere by now), DEPENDENCY_UNAVAILABLE; after each of these the upload is released. When the database's answer is lost the outcome is open: the lease
   * then ends by itself, and the object stays exactly if the commit took place.
   */
  async commit(reservation: Reservation, file: Omit<CommitInput, 'uploadId' | 'objectKey'>): Promise<Committed> {
    const { spaceId, uploadId, objectKey } = reservation;
    try {
      const answer = await this.#committing.submit(spaceId, { uploadId, objectKey, ...file });
      if (answer.outcome === 'committed') return answer;
      if (answer.outcome === 'exists') throw fileExists(answer.fileId, answer.path);
      if (answer.outcome === 'refused') throw refusedAtCommit(answer);
      if (answer.outcome === 'folders') throw tooManyFolders();
      if (answer.outcome === 'busy') throw folderBusy();
      if (answer.outcome === 'stale') throw movedMeanwhile();
      throw leaseLost();
    } finally {
      this.#leases.drop(uploadId);
    }
  }

  /** Gives the room back and has whatever was stored removed; safe to repeat. */
  async release(reservation: Reservation): Promise<void> {
    this.#leases.drop(reservation.uploadId);
    await this.#repository.release(reservation.spaceId, reservation.uploadId, reservation.objectKey);
  }

  /** The job that frees what dead processes held; answers how many uploads. */
  expireOverdue(): Promise<number> {
    return this.#repository.expireOverdue();
  }

  stop(): void {
    this.#leases.stop();
  }
}

function assertReserved(answer: SessionOutcome, path: string): void {
  switch (answer.outcome) {
    case 'exists':
      throw fileExists(answer.fileId, path);
    case 'refused':
      throw quotaExceeded(answer.counters, answer.requestedBytes, answer.requestedObjects);
    case 'crowded':
      throw tooManyUploads();
    case 'gone':
      throw new AppError('API_KEY_NOT_FOUND');
  }
}

function refusedAtCommit({ counters, requestedBytes }: Extract<CommitOutcome, { outcome: 'refused' }>): AppError {
  const bytesFit = counters.usedBytes + counters.reservedBytes + requestedBytes <= counters.quotaBytes;
  return quotaExceeded(counters, requestedBytes, bytesFit ? 1 : 0);
}

function movedMeanwhile(): AppError {
  return new AppError('CONFLICT', { message: 'Where the file was to go has been moved just now; send it again' });
}

function leaseLost(): AppError {
  return new AppError('DEPENDENCY_UNAVAILABLE', {
    message: 'The upload took too long to be confirmed and was given up; send it again',
    retryAfterSeconds: 1,
  });
}
