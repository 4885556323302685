import { AppError } from '../../errors/app-error.ts';

const MIB = 1024 * 1024;

/** As of S3; the last part may be smaller. */
export const MIN_PART_BYTES = 5 * MIB;
export const MAX_PART_BYTES = 5 * 1024 * MIB;
export const MAX_PARTS = 10_000;
const DEFAULT_PART_BYTES = 16 * MIB;

/**
 * The parts of a file: as large as wanted, else 16 MiB or, where that made more than 10,000 of them, what it takes in
 * whole MiB. Errors: VALIDATION_FAILED (partSize).
 */
export function partBytesOf(sizeBytes: number, wantedBytes: number | undefined): number {
  const leastBytes = Math.ceil(sizeBytes / MAX_PARTS);
  if (wantedBytes === undefined) return Math.max(DEFAULT_PART_BYTES, Math.ceil(leastBytes / MIB) * MIB);
  if (wantedBytes < leastBytes) {
    const message = `must be at least ${leastBytes} for a file of this size, which may have ${MAX_PARTS} parts`;
    throw new AppError('VALIDATION_FAILED', { details: [{ path: 'partSize', message }] });
  }
  return wantedBytes;
}

export function partCountOf(sizeBytes: number, partBytes: number): number {
  return Math.ceil(sizeBytes / partBytes);
}

/** The exact length of a part: all are alike but the last. */
export function partLengthOf(sizeBytes: number, partBytes: number, partNumber: number): number {
  return Math.min(partBytes, sizeBytes - (partNumber - 1) * partBytes);
}
