import { AppError } from '../../errors/app-error.ts';
import { newId } from '../../platform/crypto/random.ts';
import type { Tx, UnitOfWork } from '../../platform/db/unit-of-work.ts';
import { checkedPath, lastSegment } from '../ingest/index.ts';
import { type FolderLedgerRepository, folderBusy, type SpaceScope, tooManyFolders } from '../ledger/index.ts';
import type { Folder, FolderPage, LevelListing, ZipOptions, ZipService } from '../storage/index.ts';
import { type DriveUser, type FolderGrant, type Grant, joinPath, parentOf } from './drive.ts';
import type { DriveAccess, PlaceGrant } from './drive-access.service.ts';
import { changedByOthers, folderNotFound, notMovable } from './drive-faults.ts';
import { cursorAt, cursorFrom } from './level-cursor.ts';

/** How often a change is tried that others get in the way of. */
const CHANGE_TRIES = 10;

/** How many files below a folder one answer takes; with more, a job does the rest. */
export interface FolderLimits {
  readonly movedFiles: number;
  readonly deletedFiles: number;
}

export interface FolderDependencies {
  readonly access: DriveAccess;
  readonly levels: LevelListing;
  readonly zips: ZipService;
  readonly folderLedger: FolderLedgerRepository;
  readonly uow: UnitOfWork;
  readonly limits: FolderLimits;
  /** Has the rest of a large move or delete done, from this transaction on. */
  readonly startOperation: (tx: Tx, spaceId: string, operationId: string) => Promise<void>;
}

export interface LevelQuery {
  readonly sort: 'name' | 'date' | 'size';
  readonly order: 'asc' | 'desc';
  readonly limit: number;
  readonly cursor?: string | undefined;
}

export interface Level extends FolderPage {
  readonly grant: PlaceGrant;
  /** From the topmost folder that the user may know of down to this one. */
  readonly breadcrumbs: readonly Folder[];
}

/** A folder that was changed; `jobId` names the job that brings its files after it, where they are many. */
export interface ChangedFolder extends FolderGrant {
  readonly jobId: string | null;
}

export interface FolderZip {
  /** Of the archive; the folder's unless told. */
  readonly name?: string | undefined;
  /** Throws once whoever asked may do nothing any more. */
  readonly stillMay: () => Promise<unknown>;
}

interface ZipWork<T> {
  readonly work: (scope: SpaceScope, prefix: string, options: ZipOptions) => Promise<T>;
}

export type FolderDeletion =
  | { readonly outcome: 'deleted'; readonly files: number; readonly freedBytes: number }
  | { readonly outcome: 'begun'; readonly jobId: string };

/** Folders of drives: the own ones, and those that others share. */
export class FolderService {
  readonly #deps: FolderDependencies;

  constructor(deps: FolderDependencies) {
    this.#deps = deps;
  }

  /** Errors: FOLDER_NOT_FOUND (parent), FORBIDDEN, VALIDATION_FAILED (name), FOLDER_EXISTS, CONFLICT. */
  async create(
    user: DriveUser,
    { name, parentId }: { readonly name: string; readonly parentId: string | null },
  ): Promise<FolderGrant> {
    const { access, folderLedger, uow } = this.#deps;
    for (let attempt = 1; attempt <= CHANGE_TRIES; attempt += 1) {
      const { scope, folder } = await access.resolvePlace(user, parentId, 'edit');
      const path = checkedPath(joinPath(folder?.path ?? '', name), 'name');
      const answer = await uow.run((tx) => folderLedger.make(tx, scope.space.id, { ...scope, path, parentId }));
      if (answer.outcome === 'made') return access.resolveFolder(user, answer.folderId, 'view');
      if (answer.outcome === 'exists') throw folderExists(answer.folderId);
      if (answer.outcome === 'folders') throw tooManyFolders();
      if (answer.outcome === 'busy') throw folderBusy();
    }
    throw changedByOthers();
  }

  /** Whether `create` would begin. Errors: FOLDER_NOT_FOUND, FORBIDDEN. */
  async assertTakes(user: DriveUser, parentId: string | null): Promise<void> {
    await this.#deps.access.resolvePlace(user, parentId, 'edit');
  }

  /** Errors: FOLDER_NOT_FOUND. */
  get(user: DriveUser, id: string): Promise<FolderGrant> {
    return this.#deps.access.resolveFolder(user, id, 'view');
  }

  /** A page of what lies directly in a folder, or, for null, in the own drive. Errors: FOLDER_NOT_FOUND, VALIDATION_FAILED (cursor). */
  async list(user: DriveUser, folderId: string | null, { cursor, ...query }: LevelQuery): Promise<Level> {
    const { access, levels } = this.#deps;
    // What is no cursor is refused whatever the folder is.
    cursorAt('', cursor, query.sort);
    const grant = await access.resolvePlace(user, folderId, 'view');
    const { folder } = grant;
    const base = folder === null ? '' : `${folder.path}/`;
    const [page, breadcrumbs] = await Promise.all([
      levels.list(grant.scope.space, {
        ...query,
        parent: folder,
        prefix: '',
        cursor: cursorAt(base, cursor, query.sort),
      }),
      folder === null ? [] : access.breadcrumbs({ ...grant, folder }),
    ]);
    return { ...page, nextCursor: cursorFrom(base, page.nextCursor, query.sort), grant, breadcrumbs };
  }

  /**
   * Renames and moves a folder with everything below it; its id stays.
   * Errors: FOLDER_NOT_FOUND, FORBIDDEN, VALIDATION_FAILED (name), FOLDER_EXISTS, CONFLICT (into itself, too many folders).
   */
  async change(
    user: DriveUser,
    id: string,
    { name, parentId }: { readonly name?: string | undefined; readonly parentId?: string | null | undefined },
  ): Promise<ChangedFolder> {
    const { access, folderLedger, uow, limits, startOperation } = this.#deps;
    for (let attempt = 1; attempt <= CHANGE_TRIES; attempt += 1) {
      const grant = await access.resolveFolder(user, id, 'edit');
      const { folder, scope } = grant;
      if (!grant.isMovable) throw notMovable();
      const parent = await this.#parent(user, grant, parentId);
      const path = checkedPath(joinPath(parent.path, name ?? lastSegment(folder.path)), 'name');
      const operationId = newId();
      const answer = await uow.runSlow(async (tx) => {
        const move = { ...scope, folder, to: { path, parentId: parent.id }, limit: limits.movedFiles, operationId };
        const moved = await folderLedger.move(tx, scope.space.id, move);
        if (moved.outcome === 'begun') await startOperation(tx, scope.space.id, operationId);
        return moved;
      });
      switch (answer.outcome) {
        case 'moved':
        case 'begun': {
          const now = await access.resolveFolder(user, id, 'view');
          return { ...now, jobId: answer.outcome === 'begun' ? operationId : null };
        }
        case 'exists':
          throw folderExists(answer.folderId);
        case 'inside':
          throw new AppError('CONFLICT', { message: 'A folder cannot go into itself or below' });
        case 'long':
          throw tooLongBelow();
        case 'folders':
          throw tooManyFolders();
        case 'busy':
          throw folderBusy();
        case 'gone':
        case 'stale':
      }
    }
    throw changedByOthers();
  }

  /** Deletes a folder with everything below it, files into the trash of the drive. Errors: FOLDER_NOT_FOUND, FORBIDDEN, CONFLICT. */
  async delete(user: DriveUser, id: string): Promise<FolderDeletion> {
    const { access, folderLedger, uow, limits, startOperation } = this.#deps;
    for (let attempt = 1; attempt <= CHANGE_TRIES; attempt += 1) {
      const { folder, scope, isMovable } = await access.resolveFolder(user, id, 'edit');
      if (!isMovable) throw notMovable();
      const operationId = newId();
      const answer = await uow.run(async (tx) => {
        const deletion = { ...scope, folder, limit: limits.deletedFiles, operationId };
        const deleted = await folderLedger.delete(tx, scope.space.id, deletion);
        if (deleted.outcome === 'begun') await startOperation(tx, scope.space.id, operationId);
        return deleted;
      });
      if (answer.outcome === 'begun') return { outcome: 'begun', jobId: operationId };
      if (answer.outcome === 'deleted')
        return { outcome: 'deleted', files: answer.files, freedBytes: answer.freedBytes };
      if (answer.outcome === 'gone') throw folderNotFound(id);
      if (answer.outcome === 'busy') throw folderBusy();
    }
    throw changedByOthers();
  }

  /**
   * All files below a folder as one ZIP, in which names begin at the folder; see `ZipService.open`.
   * Breaks off when the folder is moved or no longer the user's to see, or `stillMay` throws.
   * Errors: FOLDER_NOT_FOUND, FILE_NOT_FOUND (no file in it), VALIDATION_FAILED (too many), RATE_LIMITED, those of `stillMay`.
   */
  zip(user: DriveUser, id: string, wish: FolderZip) {
    const { zips } = this.#deps;
    return this.#zipped(user, id, {
      ...wish,
      work: (scope, prefix, options) => zips.open(scope, { prefix }, options),
    });
  }

  /** What `zip` would call it. Errors as there. */
  zipName(user: DriveUser, id: string, wish: FolderZip): Promise<string> {
    const { zips } = this.#deps;
    return this.#zipped(user, id, {
      ...wish,
      work: (scope, prefix, options) => zips.look(scope.space.id, prefix, options),
    });
  }

  async #zipped<T>(user: DriveUser, id: string, { name, stillMay, work }: FolderZip & ZipWork<T>): Promise<T> {
    const { access } = this.#deps;
    const { scope, folder } = await access.resolveFolder(user, id, 'view');
    const guard = async () => {
      const [now] = await Promise.all([access.resolveFolder(user, id, 'view'), stillMay()]);
      if (now.folder.path !== folder.path) throw folderNotFound(id);
    };
    try {
      return await work(scope, `${folder.path}/`, { name, guard, holder: `user:${user.userId}` });
    } catch (error) {
      if (error instanceof AppError && error.code === 'FILE_NOT_FOUND') throw noFileIn(id);
      throw error;
    }
  }

  /** Where a folder goes: into this one, or, for undefined, where it is. */
  async #parent(
    user: DriveUser,
    grant: Grant & { readonly folder: Folder },
    parentId: string | null | undefined,
  ): Promise<{ readonly path: string; readonly id: string | null }> {
    if (parentId === undefined) return { path: parentOf(grant.folder.path), id: grant.folder.parentId };
    const { folder } = await this.#deps.access.resolveTarget(user, grant, parentId);
    return { path: folder?.path ?? '', id: parentId };
  }
}

function folderExists(id: string): AppError {
  return new AppError('FOLDER_EXISTS', { details: { id } });
}

function noFileIn(folderId: string): AppError {
  return new AppError('FILE_NOT_FOUND', { message: 'There is no file in the folder', details: { folderId } });
}

function tooLongBelow(): AppError {
  const message = 'is too long: the path of something below would pass 1024 bytes';
  return new AppError('VALIDATION_FAILED', { details: [{ path: 'name', message }] });
}
