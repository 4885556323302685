import { lastSegment } from '../ingest/index.ts';
import type { DeletedFile } from '../ledger/index.ts';
import { type Folder, presentFile, presentUsage, thumbnailPaths } from '../storage/index.ts';
import { type FileGrant, type FolderGrant, type Grant, shownParent, shownPath } from './drive.ts';
import type { TakenIn } from './drive-file.service.ts';
import type { Level } from './folder.service.ts';

type Presentable = Parameters<typeof presentFile>[0];

/** API.md's `file` with its name and folder, as the user of the grant may see it. */
function presentDriveFile(grant: Grant, file: Presentable, folderId: string | null) {
  const presented = presentFile(file);
  return {
    ...presented,
    fileName: shownPath(grant, file.path),
    name: lastSegment(file.path),
    folderId: shownParent(grant, file.path, folderId),
    // By `/assets` only the owner finds them.
    thumbnails: presented.thumbnails && thumbnailPaths('/api/files', file),
  };
}

export function presentFileGrant(grant: FileGrant) {
  return { file: presentDriveFile(grant, grant.file, grant.folderId) };
}

/** The file, and usage right after where the drive is the sender's own. */
export function presentTakenIn({ grant, file, folderId }: TakenIn) {
  const usage = grant.role === 'OWNER' ? { usage: presentUsage(file.counters, file.uploadedAt) } : {};
  return { file: presentDriveFile(grant, file, folderId), ...usage };
}

export function presentDeletedDriveFile({ grant, gone }: { readonly grant: FileGrant; readonly gone: DeletedFile }) {
  return {
    id: gone.fileId,
    fileName: shownPath(grant, gone.path),
    sizeFreed: gone.freedBytes,
    trashed: gone.trashed,
  };
}

function presentFolder(grant: Grant, folder: Folder) {
  return {
    id: folder.id,
    name: lastSegment(folder.path),
    path: shownPath(grant, folder.path),
    parentId: shownParent(grant, folder.path, folder.parentId),
    createdAt: folder.createdAt.toISOString(),
  };
}

export function presentFolderGrant(grant: FolderGrant) {
  return { folder: presentFolder(grant, grant.folder) };
}

export function presentLevel({ grant, breadcrumbs, folders, files }: Level) {
  return {
    folder: grant.folder && presentFolder(grant, grant.folder),
    path: breadcrumbs.map(({ id, path }) => ({ id, name: lastSegment(path) })),
    folders: folders.map((folder) => presentFolder(grant, folder)),
    files: files.map((file) => presentDriveFile(grant, file, grant.folder?.id ?? null)),
  };
}
