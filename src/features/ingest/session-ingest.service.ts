import { createHash } from 'node:crypto';
import pLimit from 'p-limit';
import { AppError } from '../../errors/app-error.ts';
import { newId } from '../../platform/crypto/random.ts';
import { ObjectNotFoundError } from '../../platform/object-store/errors.ts';
import type { ObjectStore } from '../../platform/object-store/object-store.ts';
import type { ProbedStore } from '../../platform/object-store/probed-store.ts';
import { SNIFF_BYTES } from '../../platform/sniffing/sniff.ts';
import type { ConflictPolicy, LedgerService, Reservation, SpaceScope, TombstoneRepository } from '../ledger/index.ts';
import { inspected } from './body-head.ts';
import type { ContentPolicy } from './content-policy.ts';
import type { FileCommitter, IngestedFile } from './file-committer.ts';
import type { QuotaRefusals } from './quota-refusals.ts';

/** Up to here an object of unknown SHA-256 is read at its completion; beyond, by the job `content.check`. */
const READ_NOW_BYTES = 32 * 1024 * 1024;
/** How long a copy from the staging key may take until its intent lets it be removed. */
const COPY_SECONDS = 3600;
/** Objects that this process reads at once; large ones, read for their SHA-256, keep no others waiting. */
const READS_AT_ONCE = { small: 16, large: 2 } as const;

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
  readonly probed: ProbedStore;
  readonly policy: ContentPolicy;
  readonly committer: FileCommitter;
  readonly refusals: QuotaRefusals;
}

/** A content that was found to be what was announced. */
interface Verified {
  /** As far as it is known. */
  readonly sha256: string | null;
  /** Where a staged upload was copied to. */
  readonly finalKey: string | undefined;
}

/** The way in for bytes that are in the store already: verified, then committed as all others. */
export class SessionIngestService {
  readonly #deps: SessionIngestDependencies;
  readonly #reads = { small: pLimit(READS_AT_ONCE.small), large: pLimit(READS_AT_ONCE.large) };

  constructor(deps: SessionIngestDependencies) {
    this.#deps = deps;
  }

  /**
   * Verifies size, SHA-256 and type of what is stored, and makes a file of it. Safe to repeat and to run twice at once: one
   * commits, the other finds its upload ended (DEPENDENCY_UNAVAILABLE) and looks at the session again.
   * `confirm` is asked between the two: it takes a while, and what it throws leaves the upload open.
   * Errors: UPLOAD_INCOMPLETE (absent: the upload stays open; of another size or SHA-256: it ends), CONTENT_MISMATCH,
   * FILE_TYPE_NOT_ALLOWED (it ends), and those of `LedgerService.commit`, with which it ends as well.
   */
  async finish(
    scope: SpaceScope,
    upload: FinishedUpload,
    { confirm }: { readonly confirm?: () => Promise<unknown> } = {},
  ): Promise<IngestedFile> {
    const { ledger, committer, refusals } = this.#deps;
    const reservation = { uploadId: upload.id, spaceId: scope.space.id, objectKey: upload.objectKey };
    await ledger.hold(reservation);
    try {
      const { sha256, finalKey } = await this.#verified(scope, upload, reservation);
      await confirm?.();
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

  /** What can never become right ends the upload. */
  async #verified(scope: SpaceScope, upload: FinishedUpload, reservation: Reservation): Promise<Verified> {
    const { ledger, tombstones } = this.#deps;
    const finalKey = upload.staged ? await this.#copyAside(scope, upload) : undefined;
    try {
      return { sha256: await this.#verify(finalKey ?? upload.objectKey, upload), finalKey };
    } catch (error) {
      if (finalKey !== undefined) await tombstones.intend(finalKey, 0);
      if (isFinal(error)) await ledger.release(reservation);
      throw error;
    }
  }

  /** A key of its own for each try: what one has verified, no other writes to. */
  async #copyAside({ space }: SpaceScope, { objectKey }: FinishedUpload): Promise<string> {
    const { tombstones, store } = this.#deps;
    if ((await store.head(objectKey)) === null) throw absent();
    const finalKey = `${space.prefix}${newId()}`;
    await tombstones.intend(finalKey, COPY_SECONDS);
    await orAbsent(() => store.copy(objectKey, finalKey));
    return finalKey;
  }

  /** Answers the SHA-256 as far as it is known. */
  async #verify(key: string, upload: FinishedUpload): Promise<string | null> {
    const { sizeBytes, promisedSha256 } = upload;
    const { store, probed } = this.#deps;
    const head = await store.head(key);
    if (head === null) throw absent();
    if (head.sizeBytes !== sizeBytes) throw other('size', sizeBytes, head.sizeBytes);
    const kept = probed.capabilities.signedChecksum ? (head.sha256 ?? null) : null;
    const known = upload.seenSha256 ?? kept;
    const mustRead = known === null && (promisedSha256 !== null || sizeBytes <= READ_NOW_BYTES);
    const limit = this.#reads[mustRead && sizeBytes > READ_NOW_BYTES ? 'large' : 'small'];
    const read = await orAbsent(() => limit(() => this.#read(key, upload, mustRead)));
    const sha256 = known ?? read;
    if (promisedSha256 !== null && promisedSha256 !== sha256) throw other('checksumSha256', promisedSha256, sha256);
    return sha256;
  }

  /** Holds the first bytes against what may come in; reads on only where the SHA-256 of `whole` is wanted. */
  async #read(key: string, upload: FinishedUpload, whole: boolean): Promise<string | null> {
    const { fileName: path, contentType, sizeBytes } = upload;
    const { store, policy } = this.#deps;
    const isShort = whole || sizeBytes <= SNIFF_BYTES;
    const { body } = await store.get(key, isShort ? {} : { range: { start: 0, end: SNIFF_BYTES - 1 } });
    const hash = createHash('sha256');
    for await (const chunk of inspected(body, (head) => policy.check({ path, contentType, head }))) {
      if (whole) hash.update(chunk);
    }
    return whole ? hash.digest('hex') : null;
  }
}

class OtherThanAnnounced extends AppError {}

function absent(): AppError {
  return new AppError('UPLOAD_INCOMPLETE', { message: 'Nothing has been uploaded yet' });
}

function other(
  what: 'size' | 'checksumSha256',
  announced: number | string,
  uploaded: number | string | null,
): AppError {
  const name = what === 'size' ? 'size' : 'SHA-256';
  return new OtherThanAnnounced('UPLOAD_INCOMPLETE', {
    message: `What was uploaded has another ${name} than announced; begin the upload anew`,
    details: { what, announced, uploaded },
  });
}

function isFinal(error: unknown): boolean {
  if (error instanceof OtherThanAnnounced) return true;
  return error instanceof AppError && ['CONTENT_MISMATCH', 'FILE_TYPE_NOT_ALLOWED'].includes(error.code);
}

async function orAbsent<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof ObjectNotFoundError ? absent() : error;
  }
}
