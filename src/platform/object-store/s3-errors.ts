import { systemErrorCode } from './disk-errors.ts';
import {
  InvalidPartError,
  InvalidRangeError,
  MultipartNotFoundError,
  ObjectNotFoundError,
  StoreFullError,
  StoreUnavailableError,
} from './errors.ts';

const FULL = new Set(['XMinioStorageFull', 'QuotaExceeded', 'InsufficientStorage', 'StorageFull']);
const BAD_PART = new Set(['InvalidPart', 'InvalidPartOrder', 'EntityTooSmall']);
const RETRYABLE = new Set(['SlowDown', 'Throttling', 'ThrottlingException', 'RequestTimeout', 'RequestTimeTooSkewed']);
const NETWORK = new Set(['TimeoutError', 'CredentialsProviderError', 'NetworkingError']);

/** An SDK error's S3 code and HTTP status; the status is null when no answer came. */
export function s3ErrorFacts(error: unknown): { readonly code: string; readonly status: number | null } {
  if (!(error instanceof Error)) return { code: '', status: null };
  const metadata = '$metadata' in error ? error.$metadata : null;
  const status =
    metadata && typeof metadata === 'object' && 'httpStatusCode' in metadata ? Number(metadata.httpStatusCode) : null;
  return { code: error.name, status: status !== null && Number.isFinite(status) ? status : null };
}

/**
 * The store's error for what the SDK threw. No answer, 429, 5xx, and a store that does not let us in (401, 403, no
 * such bucket) are `StoreUnavailableError`: all of them are the operator's to mend and not the caller's.
 * What is none of these stays as it is.
 */
export function toStoreError(error: unknown, key: string): unknown {
  const { code, status } = s3ErrorFacts(error);
  const cause = { cause: error };
  if (FULL.has(code) || status === 507) return new StoreFullError('the store is full', cause);
  if (code === 'NoSuchUpload') return new MultipartNotFoundError('no such multipart upload', cause);
  if (BAD_PART.has(code)) return new InvalidPartError(`the store refused the parts (${code})`, cause);
  if (code === 'InvalidRange' || status === 416) return new InvalidRangeError('the range lies outside', cause);
  if (code === 'NoSuchBucket') return new StoreUnavailableError('there is no such bucket', cause);
  if (status === 411)
    return new StoreUnavailableError('the store knows no checksum trailers: S3_CHECKSUMS=when_required', cause);
  if (status === 404) return new ObjectNotFoundError(key, cause);
  const refused = status === 401 || status === 403 || status === 429 || (status !== null && status >= 500);
  if (refused || RETRYABLE.has(code)) return new StoreUnavailableError(`the store answered ${status} ${code}`, cause);
  if (NETWORK.has(code) || (status === null && systemErrorCode(error) !== null)) {
    return new StoreUnavailableError('the store does not answer', cause);
  }
  return error;
}

/** Runs calls to the store and maps what they throw. */
export async function onS3<T>(key: string, operation: () => Promise<T>): Promise<T> {
  try {
    return await operation();
  } catch (error) {
    throw toStoreError(error, key);
  }
}
