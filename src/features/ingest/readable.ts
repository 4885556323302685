import { AppError } from '../../errors/app-error.ts';
import type { ContentStatus } from '../ledger/index.ts';

/** A scan of a small file takes less. */
const RETRY_AFTER_SECONDS = 2;

/** A content with its object. */
export interface Content {
  readonly objectKey: string;
  readonly status: ContentStatus;
}

/**
 * The object of a content that may leave: whoever reads, links or copies one takes its key from here.
 * Errors: FILE_PROCESSING, VIRUS_FOUND.
 */
export function readableKey({ objectKey, status }: Content, details?: unknown): string {
  switch (status) {
    case 'READY':
      return objectKey;
    case 'PROCESSING':
      throw new AppError('FILE_PROCESSING', { details, retryAfterSeconds: RETRY_AFTER_SECONDS });
    case 'QUARANTINED':
      throw new AppError('VIRUS_FOUND', { details });
  }
}
