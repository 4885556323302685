import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Logger } from '../../platform/logging/logger.ts';
import type { ByteBudget } from '../../platform/object-store/byte-budget.ts';
import type { ObjectStore } from '../../platform/object-store/object-store.ts';
import type {
  CommitPlace,
  CommitRecord,
  ConflictPolicy,
  LedgerService,
  Reservation,
  SpaceScope,
} from '../ledger/index.ts';
import { ANNOUNCED_SLACK_BYTES, inspected, prepend, readHead } from './body-head.ts';
import type { ContentPolicy } from './content-policy.ts';
import type { FileCommitter, IngestedFile, StoredContent, Target } from './file-committer.ts';
import { type QuotaRefusals, quotaDetailsOf } from './quota-refusals.ts';
import { type Content, readableKey } from './readable.ts';
import { ReservedBody } from './reserved-body.ts';

/** Bodies up to here are read whole first: their exact size is reserved and they cost the fewest steps. */
const SMALL_BYTES = 64 * 1024;

export interface IngestInput {
  readonly scope: SpaceScope;
  /** How the audit log calls it; `file.upload` unless told. */
  readonly action?: CommitRecord['action'] | undefined;
  /** Room is drawn from this reservation and from nowhere else. */
  readonly reservationId?: string | undefined;
  readonly fileName: string;
  /** As the client says; replaced by what the name stands for where it says nothing. */
  readonly contentType: string | undefined;
  readonly conflict: ConflictPolicy;
  /** null keeps the tags of a file that is replaced. */
  readonly tags: readonly string[] | null;
  readonly body: Readable;
  /** The length that the client's framing tells, where it does; the body may be a little shorter. */
  readonly announcedBytes: number | undefined;
}

/** Content that is in the store already, and may be read. */
export interface CopySource extends Content {
  readonly sizeBytes: number;
  readonly sha256: string | null;
  readonly etag: string;
  readonly contentType: string;
}

export interface CopyInput {
  readonly scope: SpaceScope;
  readonly source: CopySource;
  readonly fileName: string;
  readonly conflict: ConflictPolicy;
  readonly tags: readonly string[];
  /** The folder that the name lies in, for callers that go by ids. */
  readonly folderId?: string | undefined;
}

/** Stored, but not yet a file: the caller decides by `commit` or `abort` when it has seen the whole request. */
export interface StagedFile {
  readonly sizeBytes: number;
  /** `place`: where it goes by now, for callers that go by ids. */
  commit(place?: CommitPlace): Promise<IngestedFile>;
  /** Frees the reservation and removes the object; safe to repeat, nothing after `commit`. */
  abort(): Promise<void>;
}

export interface IngestDependencies {
  readonly ledger: LedgerService;
  readonly committer: FileCommitter;
  readonly store: ObjectStore;
  readonly budget: ByteBudget;
  readonly policy: ContentPolicy;
  readonly refusals: QuotaRefusals;
  readonly log: Logger;
}

/** The one way in: every entrance for bytes ends here (DESIGN.md point 1). */
export class IngestService {
  readonly #deps: IngestDependencies;

  constructor(deps: IngestDependencies) {
    this.#deps = deps;
  }

  /**
   * Reserves, streams into the store and hashes. Memory does not grow with the body's length. When it throws, the
   * reservation is released and whatever was stored is buried.
   * Errors: VALIDATION_FAILED (name), FILE_TYPE_NOT_ALLOWED, CONTENT_MISMATCH, QUOTA_EXCEEDED, FILE_EXISTS, FILE_TOO_LARGE,
   * and those of the store.
   */
  async stage(input: IngestInput): Promise<StagedFile> {
    // The body may break while nobody listens, between one step and the next; each step sees it when it reads on.
    input.body.on('error', () => undefined);
    const { fileName, contentType: given, announcedBytes = 0, conflict, reservationId } = input;
    const sizeBytes = announcedBytes - ANNOUNCED_SLACK_BYTES;
    const admitted = this.#deps.policy.admit({ path: fileName, contentType: given, sizeBytes });
    const { path } = admitted;
    const target = { ...admitted, conflict, reservationId };
    const stored = await this.#deps.refusals.noted(input.scope, path, () => this.#store(input, target));
    return this.#staged(input, target, stored);
  }

  /**
   * Copies content inside the store to a new name; pays quota as an upload does.
   * Errors: VALIDATION_FAILED (name), FILE_TYPE_NOT_ALLOWED, FILE_PROCESSING, VIRUS_FOUND, QUOTA_EXCEEDED, FILE_EXISTS, and
   * those of the store: `ObjectNotFoundError` when the source has been removed meanwhile.
   */
  async copy({ scope, source, fileName, conflict, tags, folderId }: CopyInput): Promise<IngestedFile> {
    const path = this.#deps.policy.checkedName(fileName);
    const { contentType, sizeBytes, sha256, etag } = source;
    const from = readableKey(source);
    const { ledger, store, refusals } = this.#deps;
    const target = { path, conflict, contentType };
    return refusals.noted(scope, path, async () => {
      const reservation = await ledger.reserve(scope.space, { ...target, bytes: sizeBytes });
      await this.#guarded(reservation, () => store.copy(from, reservation.objectKey));
      const stored = { reservation, sizeBytes, sha256, etag, copiedFrom: from };
      const place = { path, folderId };
      return this.#deps.committer.commit(target, stored, {
        ...scope,
        tags,
        place,
        reason: 'copy',
        action: 'file.copy',
      });
    });
  }

  async #store(input: IngestInput, target: Target): Promise<StoredContent> {
    const { announcedBytes, body } = input;
    if (announcedBytes !== undefined && announcedBytes > SMALL_BYTES) {
      return this.#storeAnnounced(input, target, announcedBytes);
    }
    const head = await readHead(body, SMALL_BYTES, this.#deps.budget);
    try {
      if (!head.ended) {
        return await this.#storeStream(input, target, announcedBytes ?? head.bytes.length, prepend(head.bytes, body));
      }
      this.#deps.policy.admitSize(head.bytes.length);
      await this.#deps.policy.check({ ...target, head: head.bytes });
      const reservation = await this.#deps.ledger.reserve(input.scope.space, { ...target, bytes: head.bytes.length });
      return await this.#guarded(reservation, async () => {
        await this.#deps.store.put(reservation.objectKey, head.bytes, {
          contentType: target.contentType,
          sizeBytes: head.bytes.length,
        });
        const sha256 = createHash('sha256').update(head.bytes).digest('hex');
        return { reservation, sizeBytes: head.bytes.length, sha256, etag: sha256 };
      });
    } finally {
      head.release();
    }
  }

  /** A body that would just not fit as announced gets what is free, and is refused only when it really needs more. */
  async #storeAnnounced(input: IngestInput, target: Target, bytes: number): Promise<StoredContent> {
    try {
      return await this.#storeStream(input, target, bytes, input.body);
    } catch (refusal) {
      const short = shortageOf(refusal);
      if (short === null || short > ANNOUNCED_SLACK_BYTES || short >= bytes) throw refusal;
      // Refused while it was growing, not when it was announced.
      if (input.body.readableDidRead) throw refusal;
      try {
        return await this.#storeStream(input, target, bytes - short, input.body);
      } catch (error) {
        // The first speaks of the whole file.
        throw shortageOf(error) === null ? error : refusal;
      }
    }
  }

  async #storeStream(input: IngestInput, target: Target, bytes: number, source: Readable): Promise<StoredContent> {
    const { ledger, store, budget, policy } = this.#deps;
    const reservation = await ledger.reserve(input.scope.space, { ...target, bytes });
    return this.#guarded(reservation, async () => {
      const reserved = new ReservedBody({
        reservedBytes: bytes,
        maxBytes: policy.maxFileBytes,
        grow: (more) => ledger.grow(reservation, more),
        budget,
      });
      const inspect = (head: Buffer) => policy.check({ ...target, head });
      const sending = pipeline(source, (chunks: AsyncIterable<Buffer>) => inspected(chunks, inspect), reserved);
      const writing = store
        .put(reservation.objectKey, reserved, { contentType: target.contentType })
        .catch((error: unknown) => {
          // A store that has given up reads no more: without this the sender would wait for it for ever.
          reserved.destroy(error instanceof Error ? error : new Error(String(error)));
          throw error;
        });
      // Both are awaited, so that nothing of the put is under way when the reservation is released. Whichever failed
      // first has destroyed the body with its error, so the sender's is the cause and the store's may be the consequence.
      const [sent, written] = await Promise.allSettled([sending, writing]);
      if (sent.status === 'rejected') throw sent.reason;
      if (written.status === 'rejected') throw written.reason;
      const sha256 = reserved.sha256();
      return { reservation, sizeBytes: reserved.sizeBytes, sha256, etag: sha256 };
    });
  }

  /** Whatever goes wrong after the reservation, its room is given back. */
  async #guarded<T>(reservation: Reservation, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      await this.#release(reservation);
      throw error;
    }
  }

  #staged(input: IngestInput, target: Target, stored: StoredContent): StagedFile {
    let settled = false;
    return {
      sizeBytes: stored.sizeBytes,
      commit: async (place) => {
        settled = true;
        const { scope, tags, action = 'file.upload' } = input;
        const now = { ...target, path: place?.path ?? target.path };
        return this.#deps.refusals.noted(scope, now.path, () =>
          this.#deps.committer.commit(now, stored, { ...scope, tags, place, reason: 'upload', action }),
        );
      },
      abort: async () => {
        if (settled) return;
        settled = true;
        await this.#release(stored.reservation);
      },
    };
  }

  async #release(reservation: Reservation): Promise<void> {
    try {
      await this.#deps.ledger.release(reservation);
    } catch (error) {
      // The lease ends by itself and the sweep does the same.
      this.#deps.log.warn(
        { err: error, uploadId: reservation.uploadId },
        'a reservation could not be released at once',
      );
    }
  }
}

/** Bytes that were missing, if it was for want of bytes that a reservation was refused. */
function shortageOf(error: unknown): number | null {
  const details = quotaDetailsOf(error);
  return details?.limit === 'bytes' ? details.used + details.reserved + details.requested - details.quota : null;
}
