import { AppError } from '../../errors/app-error.ts';
import { type Grant, shownPath } from './drive.ts';

/** FOLDER_NOT_FOUND, also for folders that are somebody else's. */
export function folderNotFound(id: string): AppError {
  return new AppError('FOLDER_NOT_FOUND', { details: { id } });
}

/** FORBIDDEN for what is shared itself: its name and place are the owner's. */
export function notMovable(): AppError {
  return new AppError('FORBIDDEN', { message: 'Only its owner may rename, move or delete what is shared itself' });
}

/** FORBIDDEN for places that the share does not reach. */
export function outsideOfShare(): AppError {
  return new AppError('FORBIDDEN', { message: 'It cannot leave the shared folder' });
}

/** CONFLICT after many tries. */
export function changedByOthers(): AppError {
  return new AppError('CONFLICT', { message: 'It is being changed by others all the time; try again' });
}

/** An error as the user of a grant may see it: to a grantee nothing of the owner's figures and of names above the share. */
export function errorFor(grant: Grant, error: unknown): unknown {
  if (grant.role === 'OWNER' || !(error instanceof AppError)) return error;
  const { code, message, details } = error;
  if (code === 'QUOTA_EXCEEDED') {
    const { limit, requested } = details as { limit: string; requested: number };
    return new AppError(code, { message, details: { limit, requested } });
  }
  if (code === 'FILE_EXISTS') {
    const { id, fileName } = details as { id: string; fileName: string };
    return new AppError(code, { message, details: { id, fileName: shownPath(grant, fileName) } });
  }
  return error;
}
