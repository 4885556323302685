import { AppError } from '../../errors/app-error.ts';
import type { Clock } from '../../platform/clock/clock.ts';
import { isId } from '../../platform/crypto/random.ts';
import { type Folder, fileNotFound } from '../storage/index.ts';
import { type DriveUser, type FileGrant, type FolderGrant, type Grant, type Need, parentOf } from './drive.ts';
import type { DriveAccessRepository } from './drive-access.repository.ts';
import { folderNotFound, outsideOfShare } from './drive-faults.ts';

export interface DriveAccessDependencies {
  readonly repository: DriveAccessRepository;
  readonly clock: Clock;
}

/** A folder of a drive, or, where there is none, the drive itself, with what the user is to it. */
export type PlaceGrant = Grant & { readonly folder: Folder | null };

type Reached = NonNullable<Awaited<ReturnType<DriveAccessRepository['findFolder' | 'findFile']>>>;

/** The one place that says what a user may do with a file or folder of a drive, the own one or another's. */
export class DriveAccess {
  readonly #deps: DriveAccessDependencies;

  constructor(deps: DriveAccessDependencies) {
    this.#deps = deps;
  }

  /** Errors: FILE_NOT_FOUND (also what is somebody else's, and files of pockets), FORBIDDEN (shared, but not for this). */
  async resolveFile(user: DriveUser, fileId: string, need: Need): Promise<FileGrant> {
    const { repository, clock } = this.#deps;
    const found = isId(fileId) ? await repository.findFile(user.userId, fileId, clock.now()) : null;
    if (!found) throw fileNotFound({ id: fileId });
    const { file, folderId } = found;
    return { ...allowed(grantOf(user, found, file.path), need), file, folderId };
  }

  /** Errors: FOLDER_NOT_FOUND (also what is somebody else's), FORBIDDEN (shared, but not for this). */
  async resolveFolder(user: DriveUser, folderId: string, need: Need): Promise<FolderGrant> {
    const { repository, clock } = this.#deps;
    const found = isId(folderId) ? await repository.findFolder(user.userId, folderId, clock.now()) : null;
    if (!found) throw folderNotFound(folderId);
    const { folder } = found;
    return { ...allowed(grantOf(user, found, folder.path), need), folder };
  }

  /** The same, where null is the user's own drive. */
  resolvePlace(user: DriveUser, folderId: string | null, need: Need): Promise<PlaceGrant> {
    return folderId === null
      ? Promise.resolve({ ...ownerGrant(user), folder: null })
      : this.resolveFolder(user, folderId, need);
  }

  /**
   * Where something that is in a drive goes within it: into this folder, or, for null, directly into the drive.
   * Errors: FOLDER_NOT_FOUND, FORBIDDEN (another drive; for grantees all that is not below the same share).
   */
  async resolveTarget(user: DriveUser, of: Grant, folderId: string | null): Promise<PlaceGrant> {
    if (folderId === null && of.role !== 'OWNER') throw outsideOfShare();
    const target = await this.resolvePlace(user, folderId, 'edit');
    if (target.scope.space.id === of.scope.space.id && target.shareId === of.shareId) return target;
    throw of.role === 'OWNER'
      ? new AppError('FORBIDDEN', { message: 'It cannot go into the drive of somebody else' })
      : outsideOfShare();
  }

  /** The folders from the topmost that the user may know of down to this one. */
  breadcrumbs({ scope, topPath, folder }: FolderGrant): Promise<Folder[]> {
    const segments = folder.path.split('/');
    const first = topPath === null ? 1 : topPath.split('/').length;
    const paths = segments.map((_, i) => segments.slice(0, i + 1).join('/')).slice(first - 1);
    return this.#deps.repository.findByPaths(scope.space.id, paths);
  }
}

function grantOf(user: DriveUser, { drive, ownerId, covers }: Reached, path: string): Grant {
  const [top] = covers;
  if (ownerId === user.userId || !top) return ownerGrant(user);
  const edit = covers.find(({ permission }) => permission === 'EDIT');
  const { shareId } = edit ?? top;
  const { actor, origin } = user.own;
  return {
    scope: { space: drive, actor, origin, metadata: { shareId } },
    ownerId,
    role: edit ? 'EDIT' : 'VIEW',
    shareId,
    topPath: top.path,
    rootPath: parentOf(top.path),
    isMovable: edit !== undefined && edit.path !== path,
  };
}

function ownerGrant({ userId, own }: DriveUser): Grant {
  return { scope: own, ownerId: userId, role: 'OWNER', shareId: null, topPath: null, rootPath: '', isMovable: true };
}

function allowed<G extends Grant>(grant: G, need: Need): G {
  const suffices = grant.role === 'OWNER' || need === 'view' || (need === 'edit' && grant.role === 'EDIT');
  if (suffices) return grant;
  const message = need === 'own' ? 'Only its owner may do this' : 'It is shared with you to be seen, not to be changed';
  throw new AppError('FORBIDDEN', { message });
}
