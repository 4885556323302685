import type { Readable } from 'node:stream';
import { AppError } from '../../errors/app-error.ts';
import type { UnitOfWork } from '../../platform/db/unit-of-work.ts';
import { ObjectNotFoundError } from '../../platform/object-store/errors.ts';
import {
  type ContentPolicy,
  fileNameFault,
  type IngestedFile,
  type IngestService,
  namedAs,
  normalizeFileName,
  type StagedFile,
  splitForNumber,
} from '../ingest/index.ts';
import {
  type ConflictPolicy,
  type DeletedFile,
  type FileLedgerRepository,
  type FileRef,
  fileExists,
  folderBusy,
  type SpaceScope,
  tooManyFolders,
} from '../ledger/index.ts';
import type { FileRepository } from './file.repository.ts';
import type { FileListingRepository, FilePage } from './file-listing.repository.ts';
import type { OperationService } from './operation.service.ts';
import { fileNotFound } from './storage-faults.ts';
import type { ListQuery, StoredFile } from './stored-file.ts';

/** Files that one statement, and one answer, may delete. */
const DELETE_BATCH = 1000;
/** How often a change is tried that others get in the way of. */
const CHANGE_TRIES = 10;

export interface StorageDependencies {
  readonly uow: UnitOfWork;
  readonly files: FileRepository;
  readonly listing: FileListingRepository;
  readonly fileLedger: FileLedgerRepository;
  readonly ingest: IngestService;
  readonly policy: ContentPolicy;
  readonly operations: OperationService;
  /** That a client may draw on the reservation that it names. */
  readonly assertReservation: (spaceId: string, reservationId: string | undefined) => Promise<void>;
}

export interface UploadInput {
  readonly fileName: string;
  readonly contentType: string | undefined;
  readonly conflict: ConflictPolicy;
  readonly tags: readonly string[] | null;
  /** Room is drawn from it and from nowhere else. */
  readonly reservationId?: string | undefined;
  readonly body: Readable;
  readonly announcedBytes: number | undefined;
}

/** What is to become of a file; what is absent stays. */
export interface ChangeInput {
  readonly fileName?: string | undefined;
  readonly conflict: ConflictPolicy;
  readonly tags?: readonly string[] | undefined;
}

/** Where a copy goes. */
export interface CopyTarget {
  readonly to: string;
  readonly conflict: ConflictPolicy;
  /** The folder that `to` lies in, for callers that go by ids; CONFLICT when it is elsewhere by then. */
  readonly folderId?: string | undefined;
}

export interface DeleteOptions {
  /** Past the trash. */
  readonly permanent?: boolean;
}

export interface Deletion {
  readonly deleted: readonly DeletedFile[];
  readonly missing: readonly string[];
}

/** Files of a space: of a pocket or a drive, by path or by id. */
export class StorageService {
  readonly #deps: StorageDependencies;

  constructor(deps: StorageDependencies) {
    this.#deps = deps;
  }

  /**
   * Streams a file in; it is a file once the answer's `commit` has run.
   * Errors: RESERVATION_NOT_FOUND, and those of `IngestService.stage`.
   */
  async stage(scope: SpaceScope, input: UploadInput): Promise<StagedFile> {
    // The body may break while this is looked up; `stage` sees it then.
    input.body.on('error', () => undefined);
    await this.#deps.assertReservation(scope.space.id, input.reservationId);
    return this.#deps.ingest.stage({ scope, ...input });
  }

  /** A page of all files below a prefix. Errors: VALIDATION_FAILED (cursor). */
  list(spaceId: string, query: ListQuery): Promise<FilePage> {
    return this.#deps.listing.list(spaceId, query);
  }

  /** A living file, or null; what can't be a name is not there. */
  async find(spaceId: string, ref: FileRef): Promise<StoredFile | null> {
    if ('id' in ref) return this.#deps.files.findById(spaceId, ref.id);
    const name = normalizeFileName(ref.path);
    // PostgreSQL need not be asked, and would choke on some.
    return fileNameFault(name) === null ? this.#deps.files.find(spaceId, name) : null;
  }

  /** Errors: FILE_NOT_FOUND. */
  async getFile(spaceId: string, ref: FileRef): Promise<StoredFile> {
    const file = await this.find(spaceId, ref);
    if (!file) throw fileNotFound(ref);
    return file;
  }

  /**
   * Renames, moves and tags; no bytes are copied, and the id stays.
   * Errors: FILE_NOT_FOUND, VALIDATION_FAILED (name), FILE_TYPE_NOT_ALLOWED, FILE_EXISTS, CONFLICT (folders, or others keep changing it).
   */
  async change(scope: SpaceScope, ref: FileRef, { fileName, conflict, tags }: ChangeInput): Promise<StoredFile> {
    const path = fileName === undefined ? undefined : this.#deps.policy.checkedName(fileName);
    for (let attempt = 1; attempt <= CHANGE_TRIES; attempt += 1) {
      const seen = await this.getFile(scope.space.id, ref);
      const to =
        path === undefined
          ? undefined
          : { path, conflict, ...splitForNumber(path), ...namedAs(path, seen.contentType) };
      const change = { ...scope, to, tags };
      const answer = await this.#deps.fileLedger.change(scope.space.id, seen, change);
      if (answer.outcome === 'exists') throw fileExists(answer.fileId, answer.path);
      if (answer.outcome === 'folders') throw tooManyFolders();
      if (answer.outcome === 'busy') throw folderBusy();
      if (answer.outcome === 'changed') return this.getFile(scope.space.id, { id: seen.id });
    }
    throw new AppError('CONFLICT', { message: 'The file is being changed by others all the time; try again' });
  }

  /**
   * Copies a file inside the store, which costs its size on the quota.
   * Errors: FILE_NOT_FOUND, VALIDATION_FAILED (name), FILE_TYPE_NOT_ALLOWED, QUOTA_EXCEEDED, FILE_EXISTS.
   */
  async copy(scope: SpaceScope, from: FileRef, { to, conflict, folderId }: CopyTarget): Promise<IngestedFile> {
    for (let attempt = 1; ; attempt += 1) {
      const source = await this.getFile(scope.space.id, from);
      try {
        return await this.#deps.ingest.copy({ scope, source, fileName: to, conflict, tags: source.tags, folderId });
      } catch (error) {
        // Replaced or deleted between the look-up and the copy: looked up again.
        if (!(error instanceof ObjectNotFoundError) || attempt === CHANGE_TRIES) throw error;
      }
    }
  }

  /** Into the trash where the space keeps one, unless `permanent`. Errors: FILE_NOT_FOUND. */
  async delete(scope: SpaceScope, ref: FileRef, { permanent = false }: DeleteOptions = {}): Promise<DeletedFile> {
    const file = 'path' in ref ? { path: normalizeFileName(ref.path) } : ref;
    const isPossible = 'id' in file || fileNameFault(file.path) === null;
    const [gone] = isPossible
      ? await this.#deps.fileLedger.delete(scope.space.id, [file], { ...scope, permanent })
      : [];
    if (!gone) throw fileNotFound(ref);
    return gone;
  }

  /** Deletes up to 1000 files in one statement; names that are not there come back as missing. */
  async deleteMany(
    scope: SpaceScope,
    fileNames: readonly string[],
    { permanent = false }: DeleteOptions = {},
  ): Promise<Deletion> {
    const names = [...new Set(fileNames.map(normalizeFileName))];
    const [paths, impossible] = partition(names, (name) => fileNameFault(name) === null);
    if (paths.length === 0) return { deleted: [], missing: impossible };
    const refs = paths.map((path) => ({ path }));
    const deleted = await this.#deps.fileLedger.delete(scope.space.id, refs, { ...scope, permanent });
    const there = new Set(deleted.map(({ path }) => path));
    return { deleted, missing: [...paths.filter((path) => !there.has(path)), ...impossible] };
  }

  /**
   * Deletes what a prefix covers at once, or, beyond 1000 files, as a job whose id it answers; with a slash at its end,
   * the folders that this empties too. Errors: CONFLICT (a folder there is on its way, or too many jobs).
   */
  async deletePrefix(
    scope: SpaceScope,
    prefix: string,
    { permanent = false }: DeleteOptions = {},
  ): Promise<{ readonly jobId: string } | { readonly deletion: Deletion }> {
    const { files, fileLedger, operations, uow } = this.#deps;
    const spaceId = scope.space.id;
    const normalized = normalizeFileName(prefix);
    const deleted = await uow.run(async (tx) => {
      // Looked up under the lock: what is renamed out of the prefix meanwhile stays.
      const found = await files.lockBelow(tx, spaceId, { prefix: normalized, limit: DELETE_BATCH + 1 });
      if (found.length > DELETE_BATCH) return null;
      await operations.assertSettled(tx, spaceId, normalized);
      const gone = found.length === 0 ? [] : await fileLedger.delete(spaceId, found, { ...scope, permanent, tx });
      if (normalized.endsWith('/')) await fileLedger.pruneFolders(spaceId, normalized.slice(0, -1), { ...scope, tx });
      return gone;
    });
    if (deleted !== null) return { deletion: { deleted, missing: [] } };
    return { jobId: await operations.beginPrefixDeletion(scope, { prefix: normalized, permanent }) };
  }
}

function partition<T>(items: readonly T[], test: (item: T) => boolean): [T[], T[]] {
  return [items.filter(test), items.filter((item) => !test(item))];
}
