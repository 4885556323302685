import { createHash } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { AppError } from '../../errors/app-error.ts';
import { newId } from '../../platform/crypto/random.ts';
import type { ObjectStore } from '../../platform/object-store/object-store.ts';
import { SNIFF_BYTES } from '../../platform/sniffing/sniff.ts';
import type { ConflictPolicy, LedgerService, SpaceScope, TombstoneRepository } from '../ledger/index.ts';
import type { ContentPolicy } from './content-policy.ts';
import type { FileCommitter, IngestedFile } from './file-committer.ts';
import type { QuotaRefusals } from './quota-refusals.ts';

/** Up to here an object of unknown SHA-256 is read at its completion; beyond, by the job `content.check`. */
const READ_NOW_BYTES = 32 * 1024 * 1024;
/** How long a copy from the staging key may take until its intent lets it be removed. */
const COPY_SECONDS = 3600;

/** An upload that came by requests of its own and is whole in the store. */
export interface FinishedUpload {
  readonly id: string;
  readonly fileName: string;
  readonly conflict: ConflictPolicy;
  readonly contentType: string;
  /** As promised. */
  readonly sizeBytes: number;
  /** Hex, as promised; null where it was not. */
  readonly promisedSha256: string | null;
  /** Hex, as whoever received the bytes has seen; null where nobody of us has. */
  readonly seenSha256: string | null;
  readonly tags: readonly string[] | null;
  readonly objectKey: string;
  /** The object may be overwritten by its sender still: what is served is a copy. */
  readonly staged: boolean;
}

export interface SessionIngestDependencies {
  readonly ledger: LedgerService;
  readonly tombstones: TombstoneRepository;
  readonly store: ObjectStore;
  readonly committer: FileCommitter;
  readonly policy: ContentPolicy;
  readonly refusals: QuotaRefusals;
}

/** The way in for bytes that are in the store already: verified, then committed as all others. */
export class SessionIngestService {
  readonly #deps: SessionIngestDependencies;

  constructor(deps: SessionIngestDependencies) {
    this.#deps = deps;
  }

  /**
   * Verifies size, SHA-256 and type of what is stored, and makes a file of it. Safe to repeat and to run twice at once: one
   * commits, the other finds its upload ended (DEPENDENCY_UNAVAILABLE) and looks at the session again.
   * Errors: UPLOAD_INCOMPLETE (absent or of another size or SHA-256; the upload stays open), CONTENT_MISMATCH,
   * FILE_TYPE_NOT_ALLOWED (the upload ends), and those of `LedgerService.commit`, with which it ends as well.
   */
  async finish(scope: SpaceScope, upload: FinishedUpload): Promise<IngestedFile> {
    const { ledger, committer, refusals } = this.#deps;
    const reservation = { uploadId: upload.id, spaceId: scope.space.id, objectKey: upload.objectKey };
    ledger.hold(reservation);
    try {
      const finalKey = upload.staged ? await this.#copyAside(scope, upload) : undefined;
      const sha256 = await this.#verify(finalKey ?? upload.objectKey, upload);
      await this.#checkType(finalKey ?? upload.objectKey, upload).catch(async (refusal: unknown) => {
        if (refusal instanceof AppError) await ledger.release(reservation);
        throw refusal;
      });
      const { fileName: path, conflict, contentType, sizeBytes, tags } = upload;
      const stored = { reservation, sizeBytes, sha256, etag: sha256 ?? upload.id, finalKey };
      return await refusals.noted(scope, path, () =>
        committer.commit({ path, conflict, contentType }, stored, {
          ...scope,
          tags,
          reason: 'upload',
          action: 'file.upload',
        }),
      );
    } finally {
      ledger.letGo(reservation);
    }
  }

  /** A key of its own for each try: what one has verified, no other writes to. */
  async #copyAside({ space }: SpaceScope, { objectKey }: FinishedUpload): Promise<string> {
    const { tombstones, store } = this.#deps;
    if ((await store.head(objectKey)) === null) throw incomplete('Nothing has been uploaded yet');
    const finalKey = `${space.prefix}${newId()}`;
    await tombstones.intend(finalKey, COPY_SECONDS);
    await store.copy(objectKey, finalKey);
    return finalKey;
  }

  /** Answers the SHA-256 as far as it is known. */
  async #verify(key: string, upload: FinishedUpload): Promise<string | null> {
    const { store } = this.#deps;
    const head = await store.head(key);
    if (head === null) throw incomplete('Nothing has been uploaded yet');
    if (head.sizeBytes !== upload.sizeBytes) throw incomplete('What was uploaded is of another size');
    const mustRead = upload.promisedSha256 !== null || upload.sizeBytes <= READ_NOW_BYTES;
    const seen = upload.seenSha256 ?? (mustRead ? await this.#hash(key) : null);
    if (upload.promisedSha256 !== null && upload.promisedSha256 !== seen) {
      throw incomplete('What was uploaded has another SHA-256');
    }
    return seen;
  }

  async #checkType(key: string, { fileName: path, contentType, sizeBytes }: FinishedUpload): Promise<void> {
    if (sizeBytes === 0) return;
    const { body } = await this.#deps.store.get(key, { range: { start: 0, end: SNIFF_BYTES - 1 } });
    await this.#deps.policy.check({ path, contentType, head: await buffer(body) });
  }

  async #hash(key: string): Promise<string> {
    const { body } = await this.#deps.store.get(key);
    const hash = createHash('sha256');
    for await (const chunk of body) hash.update(chunk);
    return hash.digest('hex');
  }
}

function incomplete(message: string): AppError {
  return new AppError('UPLOAD_INCOMPLETE', { message });
}
