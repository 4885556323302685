import { AppError } from '../../errors/app-error.ts';
import type { Clock } from '../../platform/clock/clock.ts';
import { newId } from '../../platform/crypto/random.ts';
import type { PresignedRequest } from '../../platform/object-store/object-store.ts';
import type { ProbedStore } from '../../platform/object-store/probed-store.ts';
import type { UploadUrls } from '../../platform/object-store/upload-urls.ts';
import type { ContentPolicy, QuotaRefusals } from '../ingest/index.ts';
import type { ConflictPolicy, LedgerService, SpaceScope } from '../ledger/index.ts';
import type { CompletedUpload, UploadCompletion } from './upload-completion.ts';
import { otherKind, uploadEnded } from './upload-faults.ts';
import type { UploadSession } from './upload-session.ts';

/** What S3 takes by one PUT. */
export const MAX_PUT_BYTES = 5 * 1024 ** 3;
/** A PUT that ended just before its URL did can be completed for this long. */
const GRACE_SECONDS = 600;
/** Open at once in a space: what replaces files holds no objects of the quota, which else bounds it. */
const MAX_OPEN = 10_000;

/** A file to come, as it is announced. */
export interface UploadWish {
  readonly fileName: string;
  readonly sizeBytes: number;
  readonly contentType: string;
  /** Hex. */
  readonly sha256: string | undefined;
  readonly conflict: ConflictPolicy;
  readonly reservationId: string | undefined;
  /** null keeps the tags of a file that is replaced. */
  readonly tags: readonly string[] | null;
}

export interface PresignOptions {
  readonly expiresInSeconds: number;
  readonly publicOrigin: string;
}

type Sha256 = Pick<UploadWish, 'sha256'>;

export interface PresignDependencies {
  readonly ledger: LedgerService;
  readonly policy: ContentPolicy;
  readonly refusals: QuotaRefusals;
  readonly urls: UploadUrls;
  readonly probed: ProbedStore;
  readonly completion: UploadCompletion;
  readonly clock: Clock;
}

/** Files that clients PUT into the store themselves, by one signed URL each. */
export class PresignService {
  readonly #deps: PresignDependencies;

  constructor(deps: PresignDependencies) {
    this.#deps = deps;
  }

  /**
   * Holds room and signs a PUT of exactly this length and type and, where that is held to, this SHA-256. Where the
   * store refuses a second PUT the object is the file's own, else it is copied at completion.
   * Errors: VALIDATION_FAILED (name), FILE_TOO_LARGE, FILE_TYPE_NOT_ALLOWED, RESERVATION_NOT_FOUND, QUOTA_EXCEEDED,
   * FILE_EXISTS, CONFLICT (too many are open).
   */
  async open(
    scope: SpaceScope,
    { fileName, sizeBytes, contentType: given, sha256, ...wish }: UploadWish,
    { expiresInSeconds, publicOrigin }: PresignOptions,
  ): Promise<{ readonly uploadId: string; readonly request: PresignedRequest }> {
    const { ledger, policy, refusals, probed } = this.#deps;
    const { path, contentType } = policy.admit({ path: fileName, contentType: given, sizeBytes });
    if (sizeBytes > MAX_PUT_BYTES) throw tooLargeForOne();
    const { conditionalPut } = probed.capabilities;
    const objectKey = `${scope.space.prefix}${newId()}`;
    const signed = { sizeBytes, contentType, sha256, staged: !conditionalPut };
    const request = await this.#sign(objectKey, signed, { expiresInSeconds, publicOrigin });
    const uploadId = await refusals.noted(scope, path, () =>
      ledger.openSession(scope, {
        ...wish,
        kind: 'presign',
        path,
        ...signed,
        bytes: sizeBytes,
        objectKey,
        ttlSeconds: expiresInSeconds + GRACE_SECONDS,
        maxOpen: MAX_OPEN,
      }),
    );
    return { uploadId, request };
  }

  /** The PUT of an open upload once more, for as long as the first held. Errors: UPLOAD_NOT_FOUND, CONFLICT (ended). */
  async signAgain(spaceId: string, uploadId: string, publicOrigin: string): Promise<PresignedRequest> {
    const { completion, clock } = this.#deps;
    const session = await completion.find(spaceId, uploadId);
    const { kind, state, expiresAt, objectKey, sha256 } = session;
    const leftSeconds = Math.round((expiresAt.getTime() - clock.now().getTime()) / 1000) - GRACE_SECONDS;
    if (kind !== 'presign') throw otherKind(session);
    if (state !== 'OPEN' || leftSeconds < 1) throw uploadEnded();
    const signed = { ...session, sha256: sha256 ?? undefined };
    return this.#sign(objectKey, signed, { expiresInSeconds: leftSeconds, publicOrigin });
  }

  #sign(
    objectKey: string,
    { sizeBytes, contentType, sha256, staged }: Pick<UploadSession, 'sizeBytes' | 'contentType' | 'staged'> & Sha256,
    options: PresignOptions,
  ): Promise<PresignedRequest> {
    return this.#deps.urls.put(objectKey, { ...options, sizeBytes, contentType, sha256, createOnly: !staged });
  }

  /**
   * Makes a file of what has been PUT; again, it answers the same file as it is now.
   * Errors: those of `UploadCompletion.complete`, and CONFLICT for uploads that come another way.
   */
  complete(scope: SpaceScope, uploadId: string, confirm: () => Promise<unknown>): Promise<CompletedUpload> {
    return this.#deps.completion.complete(scope, uploadId, {
      gather: async (session) => {
        if (session.kind !== 'presign') throw otherKind(session);
      },
      confirm,
    });
  }
}

function tooLargeForOne(): AppError {
  return new AppError('FILE_TOO_LARGE', {
    message: 'Files of more than 5 GiB come in parts: POST /uploads/multipart',
    details: { maxBytes: MAX_PUT_BYTES },
  });
}
