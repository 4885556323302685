import type { SpaceScope } from '../ledger/index.ts';
import type { Folder, StoredFile } from '../storage/index.ts';

/** Who asks: a user, acting from here. */
export interface DriveUser {
  readonly userId: string;
  /** The own drive, and who acts in it. */
  readonly own: SpaceScope;
}

/** What somebody is to a file or folder. */
export type Role = 'OWNER' | 'EDIT' | 'VIEW';

/** What is asked for: to see it, to change it or what is in it, or whatever only its owner may. */
export type Need = 'view' | 'edit' | 'own';

/** A share that covers a file or folder: its own, or that of a folder above it. */
export interface Cover {
  readonly shareId: string;
  readonly permission: 'VIEW' | 'EDIT';
  /** Of what is shared. */
  readonly path: string;
}

/** What a user is to something in a drive. */
export interface Grant {
  /** The drive that it lies in, and who acts in it as whom; a grantee's entries in the audit log name the share. */
  readonly scope: SpaceScope;
  readonly ownerId: string;
  readonly role: Role;
  /** null for the owner. */
  readonly shareId: string | null;
  /** The topmost thing of those shared that it lies in or is; null for the owner. What is above is not the grantee's to know. */
  readonly topPath: string | null;
  /** The folder that `topPath` lies in: a grantee sees names from there on. '' for the owner. */
  readonly rootPath: string;
  /** Whether it may be renamed, moved and deleted itself: the owner's, or below a folder that is shared for editing. */
  readonly isMovable: boolean;
}

export interface FileGrant extends Grant {
  readonly file: StoredFile;
  /** null: directly in the drive. */
  readonly folderId: string | null;
}

export interface FolderGrant extends Grant {
  readonly folder: Folder;
}

/** `path` in a folder of a drive; '' is the drive itself. */
export function joinPath(folder: string, name: string): string {
  return folder === '' ? name : `${folder}/${name}`;
}

/** The folder that a path lies in; '' directly in the drive. */
export function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}

/** A path as the user of this grant may see it. */
export function shownPath({ rootPath }: Pick<Grant, 'rootPath'>, path: string): string {
  return rootPath === '' ? path : path.slice(rootPath.length + 1);
}

/** The id of the folder that something lies in, where the user may know of it. */
export function shownParent({ topPath }: Pick<Grant, 'topPath'>, path: string, parentId: string | null): string | null {
  return topPath === path ? null : parentId;
}
