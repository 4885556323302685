import { AppError } from '../../errors/app-error.ts';
import type { FileRef } from '../ledger/index.ts';

/** FILE_NOT_FOUND, also for files that are somebody else's: names what was asked for, or, without `ref`, nothing. */
export function fileNotFound(ref?: FileRef): AppError {
  if (!ref) return new AppError('FILE_NOT_FOUND');
  return new AppError('FILE_NOT_FOUND', { details: 'id' in ref ? { id: ref.id } : { fileName: ref.path } });
}
