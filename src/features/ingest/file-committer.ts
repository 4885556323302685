import type { SpaceCounters } from '../access/index.ts';
import type {
  CommitInput,
  CommitRecord,
  ConflictPolicy,
  ContentJob,
  ContentStatus,
  LedgerService,
  Reservation,
} from '../ledger/index.ts';
import type { ContentProcessing } from './content-processing.ts';
import { type Category, categoryOf } from './content-type.ts';
import { extensionOf, splitForNumber } from './file-name.ts';

/** A file as the ledger took it in. */
export interface IngestedFile {
  readonly id: string;
  readonly path: string;
  readonly sizeBytes: number;
  /** Hex; null until a large object that came past this service has been read. */
  readonly sha256: string | null;
  readonly etag: string;
  readonly contentType: string;
  readonly category: Category;
  readonly extension: string;
  readonly tags: readonly string[];
  readonly status: ContentStatus;
  readonly uploadedAt: Date;
  readonly counters: SpaceCounters;
  /** What is done with its content now, where something is. */
  readonly jobs: readonly ContentJob[];
}

/** Where a file is to go, as it was reserved. */
export interface Target {
  readonly path: string;
  readonly conflict: ConflictPolicy;
  readonly contentType: string;
  readonly reservationId?: string | undefined;
}

/** An object that is whole in the store. */
export interface StoredContent {
  readonly reservation: Reservation;
  readonly sizeBytes: number;
  readonly sha256: string | null;
  readonly etag: string;
  /** The object of another content, which may be read, that this is a copy of. */
  readonly copiedFrom?: string | undefined;
  /** See `CommitInput`. */
  readonly finalKey?: string | undefined;
}

/** The last step of every entrance: a stored object becomes a file, and what is to be done with it is noted with that. */
export class FileCommitter {
  readonly #ledger: LedgerService;
  readonly #processing: ContentProcessing;

  constructor(ledger: LedgerService, processing: ContentProcessing) {
    this.#ledger = ledger;
    this.#processing = processing;
  }

  /** Errors: those of `LedgerService.commit`. */
  async commit(
    { path: wanted, contentType }: Target,
    { reservation, copiedFrom, finalKey, ...content }: StoredContent,
    { tags, place, ...record }: CommitRecord & Pick<CommitInput, 'tags' | 'place'>,
  ): Promise<IngestedFile> {
    const { sizeBytes, sha256, etag } = content;
    const isChecked = copiedFrom !== undefined;
    const plan = this.#processing.plan({ uploadId: reservation.uploadId, contentType, sha256, isChecked });
    const file = { sizeBytes, sha256, etag, contentType, ...namedAs(wanted, contentType) };
    const committed = await this.#ledger.commit(reservation, {
      ...file,
      ...plan,
      ...splitForNumber(wanted),
      tags,
      place,
      finalKey,
      copiedFrom,
      record,
    });
    this.#processing.begin(plan);
    const { fileId: id, path, uploadedAt, counters } = committed;
    const { status, jobs = [] } = plan;
    return { id, path, ...file, tags: committed.tags, status, uploadedAt, counters, jobs };
  }
}

/** What a file is by its name. */
export function namedAs(
  path: string,
  contentType: string,
): { readonly category: Category; readonly extension: string } {
  return { category: categoryOf(path, contentType), extension: extensionOf(path).toLowerCase() };
}
