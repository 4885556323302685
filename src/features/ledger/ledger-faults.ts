import { AppError } from '../../errors/app-error.ts';
import type { QuotaCounters } from '../access/index.ts';

/** QUOTA_EXCEEDED with what was short, bytes or objects. */
export function quotaExceeded(counters: QuotaCounters, requestedBytes: number, requestedObjects: number): AppError {
  const { quotaBytes, quotaObjects, usedBytes, usedObjects, reservedBytes, reservedObjects } = counters;
  const objectsAreShort = requestedObjects > 0 && usedObjects + reservedObjects + requestedObjects > quotaObjects;
  return new AppError('QUOTA_EXCEEDED', {
    details: objectsAreShort
      ? {
          limit: 'objects',
          quota: quotaObjects,
          used: usedObjects,
          reserved: reservedObjects,
          requested: requestedObjects,
        }
      : { limit: 'bytes', quota: quotaBytes, used: usedBytes, reserved: reservedBytes, requested: requestedBytes },
  });
}

/** FILE_EXISTS, naming the file that has the name. */
export function fileExists(id: string, fileName: string): AppError {
  return new AppError('FILE_EXISTS', { details: { id, fileName } });
}

/** CONFLICT: a large move or delete is still taking files from there. */
export function folderBusy(): AppError {
  return new AppError('CONFLICT', {
    message: 'A folder of this name is being moved or deleted; try again when that is done',
  });
}

/** CONFLICT: a drive holds as many folders as its quota has objects, and always a thousand. */
export function tooManyFolders(): AppError {
  return new AppError('CONFLICT', { message: 'The drive has as many folders as it may have' });
}

/** CONFLICT: as many uploads of a kind are open in the space as may be. */
export function tooManyUploads(): AppError {
  return new AppError('CONFLICT', { message: 'Too many uploads are open; complete or abort one first' });
}
