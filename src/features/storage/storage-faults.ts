import { AppError } from '../../errors/app-error.ts';
import type { FileRef } from '../ledger/index.ts';

/** FILE_NOT_FOUND, naming what was asked for. */
export function fileNotFound(ref: FileRef): AppError {
  return new AppError('FILE_NOT_FOUND', { details: 'id' in ref ? { id: ref.id } : { fileName: ref.path } });
}
