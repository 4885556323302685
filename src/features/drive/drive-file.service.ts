import { AppError } from '../../errors/app-error.ts';
import {
  type ContentPolicy,
  type IngestedFile,
  lastSegment,
  namedAs,
  type StagedFile,
  splitForNumber,
} from '../ingest/index.ts';
import {
  type CommitPlace,
  type ConflictPolicy,
  type DeletedFile,
  type FileLedgerRepository,
  fileExists,
  folderBusy,
  tooManyFolders,
} from '../ledger/index.ts';
import type { ContentChoice, LinkInput, ReadingService, StorageService, UploadInput } from '../storage/index.ts';
import { type DriveUser, type FileGrant, type Grant, joinPath, parentOf } from './drive.ts';
import type { DriveAccess, PlaceGrant } from './drive-access.service.ts';
import { changedByOthers, errorFor, notMovable } from './drive-faults.ts';

/** How often a change is tried that others get in the way of. */
const CHANGE_TRIES = 10;

export interface DriveFileDependencies {
  readonly access: DriveAccess;
  readonly storage: StorageService;
  readonly reading: ReadingService;
  readonly fileLedger: FileLedgerRepository;
  readonly policy: ContentPolicy;
}

export interface DriveUploadInput extends UploadInput {
  /** null: directly into the own drive. */
  readonly folderId: string | null;
}

/** What is to become of a file; what is absent stays. */
export interface FileChangeInput {
  readonly name?: string | undefined;
  /** null: directly into the drive. */
  readonly folderId?: string | null | undefined;
  readonly tags?: readonly string[] | undefined;
  readonly conflict: ConflictPolicy;
}

/** A file as it was taken in, and what its sender is to it. */
export interface TakenIn {
  readonly grant: Grant;
  readonly file: IngestedFile;
  readonly folderId: string | null;
}

/** As `StagedFile`; where it goes is looked up once more before it is a file. */
export interface StagedDriveFile {
  commit(): Promise<TakenIn>;
  abort(): Promise<void>;
}

/** Files of drives by id: the own ones, and those that others share. */
export class DriveFileService {
  readonly #deps: DriveFileDependencies;

  constructor(deps: DriveFileDependencies) {
    this.#deps = deps;
  }

  /** Errors: FILE_NOT_FOUND. */
  get(user: DriveUser, id: string): Promise<FileGrant> {
    return this.#deps.access.resolveFile(user, id, 'view');
  }

  /**
   * Streams a file into a folder. `commit` goes by where the folder is then: a folder that was moved takes the file with
   * it, one that was deleted or is no longer shared takes nothing. Errors: FOLDER_NOT_FOUND, FORBIDDEN, CONFLICT, and
   * those of `IngestService.stage`.
   */
  async stage(user: DriveUser, { folderId, ...input }: DriveUploadInput): Promise<StagedDriveFile> {
    const name = input.fileName;
    const pathIn = ({ folder }: PlaceGrant) => joinPath(folder?.path ?? '', name);
    const grant = await this.#deps.access.resolvePlace(user, folderId, 'edit');
    // Of their own drive only: what others have set aside is theirs.
    if (input.reservationId !== undefined && grant.shareId !== null) throw new AppError('RESERVATION_NOT_FOUND');
    const staged = await asSeenBy(grant, () =>
      this.#deps.storage.stage(grant.scope, { ...input, fileName: pathIn(grant) }),
    );
    return held(staged, async () => {
      const now = await this.#deps.access.resolvePlace(user, folderId, 'edit');
      return {
        grant: now,
        folderId,
        place: { path: this.#deps.policy.checkedName(pathIn(now)), folderId: folderId ?? undefined },
      };
    });
  }

  /**
   * Streams a new content for a file, whatever it is called by the time it has come. Errors: FILE_NOT_FOUND, FORBIDDEN,
   * CONFLICT, and those of `IngestService.stage`.
   */
  async stageContent(
    user: DriveUser,
    id: string,
    input: Omit<UploadInput, 'fileName' | 'conflict'>,
  ): Promise<StagedDriveFile> {
    const grant = await this.#deps.access.resolveFile(user, id, 'edit');
    const upload = { ...input, fileName: grant.file.path, conflict: 'replace' } as const;
    const staged = await asSeenBy(grant, () => this.#deps.storage.stage(grant.scope, upload));
    return held(staged, async () => {
      const now = await this.#deps.access.resolveFile(user, id, 'edit');
      return { grant: now, folderId: now.folderId, place: { path: now.file.path, replaces: id } };
    });
  }

  /**
   * Renames, moves and tags; no bytes are copied, and the id stays.
   * Errors: FILE_NOT_FOUND, FOLDER_NOT_FOUND, FORBIDDEN, VALIDATION_FAILED (name), FILE_TYPE_NOT_ALLOWED,
   * FILE_EXISTS, CONFLICT.
   */
  async change(user: DriveUser, id: string, { name, folderId, tags, conflict }: FileChangeInput): Promise<FileGrant> {
    const { access, fileLedger } = this.#deps;
    for (let attempt = 1; attempt <= CHANGE_TRIES; attempt += 1) {
      const grant = await access.resolveFile(user, id, 'edit');
      const { file, scope } = grant;
      const place = name === undefined && folderId === undefined ? null : await this.#target(user, grant, folderId);
      const path =
        place === null
          ? file.path
          : this.#deps.policy.checkedName(joinPath(place.path, name ?? lastSegment(file.path)), 'name');
      const to =
        path === file.path
          ? undefined
          : {
              path,
              conflict,
              ...splitForNumber(path),
              ...namedAs(path, file.contentType),
              folderId: place?.folderId ?? undefined,
            };
      const answer = await fileLedger.change(scope.space.id, file, { ...scope, to, tags });
      if (answer.outcome === 'exists') throw errorFor(grant, fileExists(answer.fileId, answer.path));
      if (answer.outcome === 'folders') throw tooManyFolders();
      if (answer.outcome === 'busy') throw folderBusy();
      if (answer.outcome === 'changed') return access.resolveFile(user, id, 'view');
    }
    throw changedByOthers();
  }

  /**
   * Copies a file inside the store, beside itself unless told; costs its size on the quota of the drive that it is in.
   * Errors: FILE_NOT_FOUND, FOLDER_NOT_FOUND, FORBIDDEN, VALIDATION_FAILED (name), FILE_TYPE_NOT_ALLOWED,
   * QUOTA_EXCEEDED, FILE_EXISTS, CONFLICT.
   */
  async copy(
    user: DriveUser,
    id: string,
    { name, folderId, conflict }: Omit<FileChangeInput, 'tags'>,
  ): Promise<TakenIn> {
    const { access, storage } = this.#deps;
    const grant = await access.resolveFile(user, id, 'edit');
    const place = await this.#target(user, grant, folderId);
    const to = joinPath(place.path, name ?? lastSegment(grant.file.path));
    const target = { to, conflict, folderId: place.folderId ?? undefined };
    const file = await asSeenBy(grant, () => storage.copy(grant.scope, { id }, target));
    return { grant, file, folderId: place.folderId };
  }

  /** Into the trash of the drive that it is in. Errors: FILE_NOT_FOUND, FORBIDDEN. */
  async delete(user: DriveUser, id: string): Promise<{ readonly grant: FileGrant; readonly gone: DeletedFile }> {
    for (let attempt = 1; attempt <= CHANGE_TRIES; attempt += 1) {
      const grant = await this.#deps.access.resolveFile(user, id, 'edit');
      if (!grant.isMovable) throw notMovable();
      // Only where it was looked up: moved out of the share meanwhile, it is no longer the grantee's to delete.
      const seen = grant.role === 'OWNER' ? { id } : { id, path: grant.file.path };
      const [gone] = await this.#deps.fileLedger.delete(grant.scope.space.id, [seen], grant.scope);
      if (gone) return { grant, gone };
    }
    throw changedByOthers();
  }

  /** Opens the content; see `ReadingService.open`. Errors: FILE_NOT_FOUND. */
  async open(user: DriveUser, id: string, choose: (file: FileGrant['file']) => ContentChoice) {
    const { scope } = await this.get(user, id);
    return this.#deps.reading.open(scope, { id }, { choose });
  }

  /**
   * A URL by which anybody may download the present content for a while, whatever becomes of a share meanwhile: the
   * owner's only. Errors: FILE_NOT_FOUND, FORBIDDEN.
   */
  async link(user: DriveUser, id: string, input: LinkInput) {
    const { scope } = await this.#deps.access.resolveFile(user, id, 'own');
    return this.#deps.reading.presign(scope, { id }, input);
  }

  /** Where a file goes: into this folder, or, for undefined, where it is. */
  async #target(
    user: DriveUser,
    grant: FileGrant,
    folderId: string | null | undefined,
  ): Promise<{ readonly path: string; readonly folderId: string | null }> {
    if (!grant.isMovable) throw notMovable();
    if (folderId === undefined) return { path: parentOf(grant.file.path), folderId: grant.folderId };
    const { folder } = await this.#deps.access.resolveTarget(user, grant, folderId);
    return { path: folder?.path ?? '', folderId };
  }
}

/** Looks up where it goes before it commits; whatever speaks against that ends the upload. */
function held(
  staged: StagedFile,
  lookUp: () => Promise<{ readonly grant: Grant; readonly folderId: string | null; readonly place: CommitPlace }>,
): StagedDriveFile {
  return {
    abort: () => staged.abort(),
    commit: async () => {
      const { grant, folderId, place } = await lookUp().catch(async (refusal: unknown) => {
        await staged.abort();
        throw refusal;
      });
      return { grant, folderId, file: await asSeenBy(grant, () => staged.commit(place)) };
    },
  };
}

async function asSeenBy<T>(grant: Grant, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw errorFor(grant, error);
  }
}
