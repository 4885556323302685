import { AppError } from '../../errors/app-error.ts';
import type { Clock } from '../../platform/clock/clock.ts';
import { newId } from '../../platform/crypto/random.ts';
import { InvalidPartError, MultipartNotFoundError } from '../../platform/object-store/errors.ts';
import type { MultipartPart, ObjectStore, PresignedRequest } from '../../platform/object-store/object-store.ts';
import type { UploadUrls } from '../../platform/object-store/upload-urls.ts';
import type { ContentPolicy, QuotaRefusals } from '../ingest/index.ts';
import type { LedgerService, Reservation, SpaceScope } from '../ledger/index.ts';
import { partFaults } from './part-faults.ts';
import { partBytesOf, partCountOf, partLengthOf } from './part-plan.ts';
import { MAX_PUT_BYTES, type PresignOptions, type UploadWish } from './presign.service.ts';
import type { CompletedUpload, UploadCompletion } from './upload-completion.ts';
import { otherKind, uploadEnded } from './upload-faults.ts';
import type { UploadSessionRepository } from './upload-session.repository.ts';
import type { UploadSession } from './upload-session.ts';

/** Of a space. */
const MAX_OPEN = 20;
/** Until the store has opened it too; a process that dies between holds no room for longer. */
const OPENING_SECONDS = 120;
/** Since the last parts were asked for. */
const TTL_SECONDS = 24 * 3600;
const MAX_TTL_SECONDS = 7 * 24 * 3600;

/** A part as its sender names it. */
export type NamedPart = Pick<MultipartPart, 'partNumber' | 'etag'>;

/** A PUT of one part. */
export interface PartRequest extends PresignedRequest {
  readonly partNumber: number;
  readonly sizeBytes: number;
}

export interface MultipartDependencies {
  readonly ledger: LedgerService;
  readonly policy: ContentPolicy;
  readonly refusals: QuotaRefusals;
  readonly sessions: UploadSessionRepository;
  readonly store: ObjectStore;
  readonly urls: UploadUrls;
  readonly completion: UploadCompletion;
  readonly clock: Clock;
}

/** An open upload that the store knows. */
export type OpenMultipart = UploadSession & { readonly storeUploadId: string; readonly partBytes: number };

/** Files that clients PUT into the store themselves, in up to 10,000 parts. */
export class MultipartService {
  readonly #deps: MultipartDependencies;

  constructor(deps: MultipartDependencies) {
    this.#deps = deps;
  }

  /**
   * Holds room, then opens the upload in the store. It ends 24 h after parts were last asked for, and 7 days from now.
   * Errors: VALIDATION_FAILED (name, partSize, a SHA-256 of more than 5 GiB), FILE_TOO_LARGE, FILE_TYPE_NOT_ALLOWED,
   * RESERVATION_NOT_FOUND, QUOTA_EXCEEDED, FILE_EXISTS, CONFLICT (20 are open).
   */
  async open(
    scope: SpaceScope,
    { partBytes: wanted, ...wish }: UploadWish & { readonly partBytes: number | undefined },
  ): Promise<OpenMultipart> {
    const { ledger, policy, refusals } = this.#deps;
    const { fileName, sizeBytes, contentType: given, sha256, ...rest } = wish;
    const { path, contentType } = policy.admit({ path: fileName, contentType: given, sizeBytes });
    const partBytes = partBytesOf(sizeBytes, wanted);
    if (sha256 !== undefined && sizeBytes > MAX_PUT_BYTES) throw tooLargeToPromise();
    const objectKey = `${scope.space.prefix}${newId()}`;
    const uploadId = await refusals.noted(scope, path, () =>
      ledger.openSession(scope, {
        ...rest,
        kind: 'multipart',
        path,
        contentType,
        bytes: sizeBytes,
        sha256,
        objectKey,
        partBytes,
        ttlSeconds: OPENING_SECONDS,
        staged: false,
        maxOpen: MAX_OPEN,
      }),
    );
    await this.#openInStore({ uploadId, spaceId: scope.space.id, objectKey }, contentType);
    return this.getOpen(scope.space.id, uploadId);
  }

  /** Errors: UPLOAD_NOT_FOUND, CONFLICT (ended, just being opened, or comes another way). */
  async getOpen(spaceId: string, uploadId: string): Promise<OpenMultipart> {
    const session = await this.#deps.completion.find(spaceId, uploadId);
    if (session.state !== 'OPEN') throw uploadEnded();
    return asMultipart(session);
  }

  /** What the store has opened and nobody knows of goes with the tombstone of its key. */
  async #openInStore(reservation: Reservation, contentType: string): Promise<void> {
    const { ledger, sessions, store } = this.#deps;
    const { uploadId, spaceId, objectKey } = reservation;
    try {
      const opened = await store.createMultipart(objectKey, { contentType });
      const isOpen =
        (await sessions.beginParts(spaceId, uploadId, opened.uploadId)) &&
        (await ledger.extendSession(spaceId, uploadId, TTL_SECONDS));
      if (!isOpen) throw uploadEnded();
    } catch (error) {
      await ledger.release(reservation);
      throw error;
    }
  }

  /**
   * Signs PUTs of exactly these parts, and puts the end of the upload off.
   * Errors: UPLOAD_NOT_FOUND, VALIDATION_FAILED (there is no such part), CONFLICT (ended, or comes another way).
   */
  async presignParts(
    scope: SpaceScope,
    uploadId: string,
    { partNumbers, expiresInSeconds, publicOrigin }: PresignOptions & { readonly partNumbers: readonly number[] },
  ): Promise<PartRequest[]> {
    const { urls, clock } = this.#deps;
    const session = await this.getOpen(scope.space.id, uploadId);
    const { sizeBytes, partBytes, objectKey, storeUploadId } = session;
    const partCount = partCountOf(sizeBytes, partBytes);
    const beyond = partNumbers.findIndex((partNumber) => partNumber > partCount);
    if (beyond !== -1) {
      const message = `must be at most ${partCount}, the last part of this upload`;
      throw new AppError('VALIDATION_FAILED', { details: [{ path: `partNumbers.${beyond}`, message }] });
    }
    const endsAt = await this.#putOff(session);
    const leftSeconds = Math.floor((endsAt - clock.now().getTime()) / 1000);
    if (leftSeconds < 1) throw uploadEnded();
    return Promise.all(
      partNumbers.map(async (partNumber) => {
        const length = partLengthOf(sizeBytes, partBytes, partNumber);
        const request = await urls.part(objectKey, {
          uploadId: storeUploadId,
          partNumber,
          sizeBytes: length,
          expiresInSeconds: Math.min(expiresInSeconds, leftSeconds),
          publicOrigin,
        });
        return { ...request, partNumber, sizeBytes: length };
      }),
    );
  }

  /** Answers when the upload ends now. */
  async #putOff({ spaceId, id, createdAt, expiresAt }: OpenMultipart): Promise<number> {
    const { ledger, clock } = this.#deps;
    const now = clock.now().getTime();
    const lastMs = createdAt.getTime() + MAX_TTL_SECONDS * 1000;
    const endsAt = Math.min(now + TTL_SECONDS * 1000, lastMs);
    const seconds = Math.floor((endsAt - now) / 1000);
    if (seconds <= 0) return expiresAt.getTime();
    if (!(await ledger.extendSession(spaceId, id, seconds))) throw uploadEnded();
    return endsAt;
  }

  /** The parts that the store has. Errors: UPLOAD_NOT_FOUND, CONFLICT (ended, or comes another way). */
  async listParts(spaceId: string, uploadId: string): Promise<readonly MultipartPart[]> {
    const { objectKey, storeUploadId } = await this.getOpen(spaceId, uploadId);
    try {
      return await this.#deps.store.listParts(objectKey, storeUploadId);
    } catch (error) {
      throw error instanceof MultipartNotFoundError ? uploadEnded() : error;
    }
  }

  /**
   * Joins the parts, all of which must be named, and makes a file of them; again, it answers the same file as it is now.
   * Errors: VALIDATION_FAILED (a part twice), UPLOAD_INCOMPLETE (`details.parts`: what is wrong with which; the upload stays
   * open), CONFLICT (comes another way), and those of `UploadCompletion.complete`.
   */
  complete(
    scope: SpaceScope,
    uploadId: string,
    { parts, confirm }: { readonly parts: readonly NamedPart[]; readonly confirm: () => Promise<unknown> },
  ): Promise<CompletedUpload> {
    return this.#deps.completion.complete(scope, uploadId, {
      gather: async (session) => this.#join(asMultipart(session), parts),
      confirm,
    });
  }

  /** Safe to repeat: what was joined before and could not be committed is left as it is. */
  async #join(session: OpenMultipart, named: readonly NamedPart[]): Promise<void> {
    const { ledger, store } = this.#deps;
    const { objectKey, storeUploadId, id: uploadId, spaceId } = session;
    const reservation = { uploadId, spaceId, objectKey };
    const parts = named.map(({ partNumber, etag }) => ({ partNumber, etag: etag.replaceAll('"', '') }));
    parts.sort((a, b) => a.partNumber - b.partNumber);
    await ledger.hold(reservation);
    try {
      const faults = partFaults(session, parts, await store.listParts(objectKey, storeUploadId));
      if (faults.length > 0) {
        throw new AppError('UPLOAD_INCOMPLETE', {
          message: 'Some parts are not as they should be',
          details: { parts: faults },
        });
      }
      await store.completeMultipart(objectKey, storeUploadId, parts);
    } catch (error) {
      // Joined before, or just now by another process, under whose hands the parts went away.
      if ((await store.head(objectKey)) !== null) {
        // A join that was killed at its very end has ended the upload in the disk store, and left its parts.
        if (error instanceof MultipartNotFoundError) await store.abortMultipart(objectKey, storeUploadId);
        return;
      }
      if (error instanceof InvalidPartError) {
        throw new AppError('UPLOAD_INCOMPLETE', {
          message: 'The parts have changed meanwhile; try again',
          cause: error,
        });
      }
      if (!(error instanceof MultipartNotFoundError)) throw error;
      // The store has given it up, as the rules of a bucket may have it: nothing can come of it.
      await ledger.release(reservation);
      throw uploadEnded();
    } finally {
      ledger.letGo(reservation);
    }
  }
}

function asMultipart(session: UploadSession): OpenMultipart {
  const { kind, storeUploadId, partBytes } = session;
  if (kind !== 'multipart') throw otherKind(session);
  if (storeUploadId === null || partBytes === null) {
    throw new AppError('CONFLICT', { message: 'The upload is just being opened' });
  }
  return { ...session, storeUploadId, partBytes };
}

function tooLargeToPromise(): AppError {
  const message = 'is taken for files of up to 5 GiB; that of a larger one shows in `file` once it has been read';
  return new AppError('VALIDATION_FAILED', { details: [{ path: 'checksumSha256', message }] });
}
