import { StoreFullError, StoreUnavailableError } from './errors.ts';

const FULL = new Set(['ENOSPC', 'EDQUOT']);

/** The `code` of an operating system error, or null. */
export function systemErrorCode(error: unknown): string | null {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return null;
  return error.code;
}

/**
 * Runs file system operations and turns what the system refuses into the store's errors: no room left is
 * `StoreFullError`, anything else (EIO, EMFILE, EROFS, ...) is `StoreUnavailableError`. Wrap nothing in it that reads
 * the caller's body: its errors are the caller's.
 */
export async function onDisk<T>(operation: () => Promise<T>): Promise<T> {
  try {
    return await operation();
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === null) throw error;
    if (FULL.has(code)) throw new StoreFullError('the disk is full', { cause: error });
    throw new StoreUnavailableError(`the disk refused to work (${code})`, { cause: error });
  }
}

/** Runs an operation on one of many things; why it failed, or null. */
export async function reasonOfFailure(operation: () => Promise<unknown>): Promise<string | null> {
  try {
    await operation();
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Runs a file system operation; null where the file, or a folder on its way, is not there. */
export async function nullIfMissing<T>(operation: () => Promise<T>): Promise<T | null> {
  try {
    return await operation();
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw error;
  }
}
