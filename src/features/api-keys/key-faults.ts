import { AppError } from '../../errors/app-error.ts';
import type { ApiKey } from './api-key.ts';
import type { KeyRequest } from './key-request.ts';

/** One field that only the state of things shows to be faulty. */
export interface Fault {
  readonly path: string;
  readonly message: string;
}

/** VALIDATION_FAILED with these fields, as a schema would answer it. */
export function invalid(...faults: readonly Fault[]): AppError {
  return new AppError('VALIDATION_FAILED', { details: faults });
}

/** Why a request can no longer be reviewed or withdrawn. */
export function settled(request: KeyRequest): AppError {
  return request.status === 'WITHDRAWN'
    ? new AppError('CONFLICT', { message: 'The request was withdrawn' })
    : new AppError('ALREADY_REVIEWED', { details: { status: request.status } });
}

/** CONFLICT for a key that lets nobody in any more. */
export function assertLiving(key: ApiKey): void {
  if (key.revokedAt !== null) throw new AppError('CONFLICT', { message: 'The API key is revoked' });
  if (!key.isActive) throw new AppError('CONFLICT', { message: 'The API key has expired' });
}
