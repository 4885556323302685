import type { Readable } from 'node:stream';
import { AppError } from '../../errors/app-error.ts';
import type { Clock } from '../../platform/clock/clock.ts';
import { ObjectNotFoundError } from '../../platform/object-store/errors.ts';
import type {
  ByteRange,
  ObjectStore,
  OpenedObject,
  PresignedRequest,
} from '../../platform/object-store/object-store.ts';
import type { Principal } from '../access/index.ts';
import { type AuditActor, type AuditOrigin, type AuditRecorder, actorOf } from '../audit/index.ts';
import { fileNameFault, type IngestService, normalizeFileName, type StagedFile } from '../ingest/index.ts';
import type { ConflictPolicy, LedgerService } from '../ledger/index.ts';
import { contentDisposition, type Disposition } from './content-disposition.ts';
import type { FilePage, FileRepository } from './file.repository.ts';
import type { ListQuery, StoredFile } from './stored-file.ts';

/** Files that one statement, and one answer, may delete. */
const DELETE_BATCH = 1000;
/** How often a read that lost its object to a replacement looks the name up again. */
const OPEN_TRIES = 5;

/** A delete by prefix that is too large for one answer. */
export interface PrefixDeletion {
  readonly spaceId: string;
  readonly prefix: string;
  /** ISO 8601: what came later stays. */
  readonly before: string;
  readonly actor: AuditActor;
  readonly origin: AuditOrigin;
}

export interface StorageDependencies {
  readonly files: FileRepository;
  readonly ledger: LedgerService;
  readonly ingest: IngestService;
  readonly store: ObjectStore;
  readonly recorder: AuditRecorder;
  readonly clock: Clock;
  /** Takes a large deletion on as a job; answers the job's id. */
  readonly enqueuePrefixDeletion: (deletion: PrefixDeletion) => Promise<string>;
}

export interface UploadInput {
  readonly fileName: string;
  readonly contentType: string | undefined;
  readonly conflict: ConflictPolicy;
  readonly tags: readonly string[] | null;
  readonly body: Readable;
  readonly announcedBytes: number | undefined;
}

export interface LinkInput {
  readonly fileName: string;
  readonly expiresInSeconds: number;
  readonly disposition: Disposition;
  readonly publicOrigin: string;
}

/** What part of a file's content to send: a range, all of it, or, where there is nothing to send, null. */
export type ContentChoice = { readonly range?: ByteRange | undefined } | null;

export interface Deletion {
  readonly deleted: readonly { readonly fileName: string; readonly sizeFreed: number }[];
  readonly missing: readonly string[];
}

/** Files by path in the space of whoever asks: the pocket of a key or the drive of a user. */
export class StorageService {
  readonly #deps: StorageDependencies;

  constructor(deps: StorageDependencies) {
    this.#deps = deps;
  }

  /** Streams a file in; it is a file once the answer's `commit` has run. Errors: see `IngestService.stage`. */
  stage(principal: Principal, origin: AuditOrigin, input: UploadInput): Promise<StagedFile> {
    return this.#deps.ingest.stage({ space: principal.space, actor: actorOf(principal), origin, ...input });
  }

  list(principal: Principal, query: ListQuery): Promise<FilePage> {
    return this.#deps.files.list(principal.space.id, query);
  }

  /** Errors: FILE_NOT_FOUND. */
  async getFile(principal: Principal, fileName: string): Promise<StoredFile> {
    const name = normalizeFileName(fileName);
    // What can't be a name is not there; PostgreSQL need not be asked, and would choke on some.
    const file = fileNameFault(name) === null ? await this.#deps.files.find(principal.space.id, name) : null;
    if (!file) throw notFound(fileName);
    return file;
  }

  /** A URL by which anybody may download the file's present content for a while. Errors: FILE_NOT_FOUND. */
  async presignDownload(
    principal: Principal,
    origin: AuditOrigin,
    { fileName, expiresInSeconds, disposition, publicOrigin }: LinkInput,
  ): Promise<{ readonly file: StoredFile; readonly request: PresignedRequest }> {
    const { store, recorder } = this.#deps;
    const file = await this.getFile(principal, fileName);
    const request = await store.presignGet(file.objectKey, {
      expiresInSeconds,
      contentType: file.contentType,
      contentDisposition: contentDisposition(file.path, file.contentType, disposition),
      publicOrigin,
    });
    await recorder.record({
      action: 'file.link',
      actor: actorOf(principal),
      origin,
      subject: { type: 'file', id: file.id },
      metadata: { fileName: file.path, sizeBytes: file.sizeBytes, expiresInSeconds },
    });
    return { file, request };
  }

  /**
   * Opens the content, or what `choose` picks of it, and records the download. Between the look-up and the opening the
   * file may be replaced and its old object removed: then the name is looked up again. Errors: FILE_NOT_FOUND.
   */
  async open(
    principal: Principal,
    origin: AuditOrigin,
    { fileName, choose }: { readonly fileName: string; readonly choose: (file: StoredFile) => ContentChoice },
  ): Promise<{ readonly file: StoredFile; readonly opened: OpenedObject | null }> {
    for (let attempt = 1; ; attempt += 1) {
      const file = await this.getFile(principal, fileName);
      const wanted = choose(file);
      if (wanted === null) return { file, opened: null };
      try {
        const opened = await this.#deps.store.get(file.objectKey, wanted);
        await this.#recordDownload(principal, origin, { file, range: wanted.range, opened });
        return { file, opened };
      } catch (error) {
        if (!(error instanceof ObjectNotFoundError) || attempt === OPEN_TRIES) throw error;
      }
    }
  }

  /** Nothing goes out that is not recorded. */
  async #recordDownload(
    principal: Principal,
    origin: AuditOrigin,
    { file, range, opened }: { file: StoredFile; range: ByteRange | undefined; opened: OpenedObject },
  ): Promise<void> {
    const part = range ? { rangeStart: range.start, rangeEnd: range.end } : {};
    try {
      await this.#deps.recorder.record({
        action: 'file.download',
        actor: actorOf(principal),
        origin,
        subject: { type: 'file', id: file.id },
        metadata: { fileName: file.path, sizeBytes: file.sizeBytes, ...part },
      });
    } catch (error) {
      opened.body.destroy();
      throw error;
    }
  }

  /** Errors: FILE_NOT_FOUND. */
  async delete(
    principal: Principal,
    origin: AuditOrigin,
    fileName: string,
  ): Promise<{ fileName: string; sizeFreed: number }> {
    const { deleted } = await this.deleteMany(principal, origin, [fileName]);
    const [gone] = deleted;
    if (!gone) throw notFound(fileName);
    return gone;
  }

  /** Deletes up to 1000 files in one statement; names that are not there come back as missing. */
  async deleteMany(principal: Principal, origin: AuditOrigin, fileNames: readonly string[]): Promise<Deletion> {
    const names = [...new Set(fileNames.map(normalizeFileName))];
    const [paths, impossible] = partition(names, (name) => fileNameFault(name) === null);
    const { deleted, missing } = await this.#deletePaths(principal.space.id, actorOf(principal), origin, paths);
    return { deleted, missing: [...missing, ...impossible] };
  }

  /** Deletes what a prefix covers at once, or, beyond 1000 files, as a job whose id it answers. */
  async deletePrefix(
    principal: Principal,
    origin: AuditOrigin,
    prefix: string,
  ): Promise<{ readonly jobId: string } | { readonly deletion: Deletion }> {
    const { files, clock, enqueuePrefixDeletion } = this.#deps;
    const spaceId = principal.space.id;
    const normalized = normalizeFileName(prefix);
    const before = clock.now();
    const paths = await files.pathsBelow(spaceId, normalized, before, DELETE_BATCH + 1);
    const actor = actorOf(principal);
    if (paths.length <= DELETE_BATCH) return { deletion: await this.#deletePaths(spaceId, actor, origin, paths) };
    const jobId = await enqueuePrefixDeletion({
      spaceId,
      prefix: normalized,
      before: before.toISOString(),
      actor,
      origin,
    });
    return { jobId };
  }

  /** The job behind a large `deletePrefix`, 1000 files a statement; safe to run twice. Answers how many files went. */
  async runPrefixDeletion(deletion: PrefixDeletion): Promise<number> {
    const { spaceId, prefix, actor, origin } = deletion;
    let count = 0;
    for (;;) {
      const paths = await this.#deps.files.pathsBelow(spaceId, prefix, new Date(deletion.before), DELETE_BATCH);
      if (paths.length === 0) return count;
      const { deleted } = await this.#deletePaths(spaceId, actor, origin, paths);
      count += deleted.length;
    }
  }

  async #deletePaths(
    spaceId: string,
    actor: AuditActor,
    origin: AuditOrigin,
    paths: readonly string[],
  ): Promise<Deletion> {
    if (paths.length === 0) return { deleted: [], missing: [] };
    const gone = await this.#deps.ledger.delete(spaceId, paths, {
      actorType: actor.type,
      actorId: actor.id,
      accessKeyId: actor.accessKeyId,
      ip: origin.ip,
      userAgent: origin.userAgent,
      requestId: origin.requestId,
    });
    const there = new Set(gone.map(({ path }) => path));
    return {
      deleted: gone.map(({ path, sizeBytes }) => ({ fileName: path, sizeFreed: sizeBytes })),
      missing: paths.filter((path) => !there.has(path)),
    };
  }
}

function notFound(fileName: string): AppError {
  return new AppError('FILE_NOT_FOUND', { details: { fileName } });
}

function partition<T>(items: readonly T[], test: (item: T) => boolean): [T[], T[]] {
  return [items.filter(test), items.filter((item) => !test(item))];
}
