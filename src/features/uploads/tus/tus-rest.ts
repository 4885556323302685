import { createHash } from 'node:crypto';
import { AppError } from '../../../errors/app-error.ts';
import { readChunks } from '../../../platform/object-store/body-chunks.ts';
import { beyondEnd, endedEarly } from './tus-faults.ts';
import type { TusBytes } from './tus-upload.ts';

/**
 * Of a request to an upload that has all its bytes.
 * Errors: BODY_TOO_LARGE (it brings some), UPLOAD_CHECKSUM_MISMATCH, VALIDATION_FAILED (cut off).
 */
export async function assertNothing({ body, announcedBytes, checksum }: TusBytes, sizeBytes: number): Promise<void> {
  if ((announcedBytes ?? 0) > 0 || (await bringsAnything(body, sizeBytes))) throw beyondEnd(sizeBytes);
  if (checksum && !createHash(checksum.algorithm).digest().equals(checksum.digest)) {
    throw new AppError('UPLOAD_CHECKSUM_MISMATCH');
  }
}

async function bringsAnything(body: TusBytes['body'], sizeBytes: number): Promise<boolean> {
  const chunks = readChunks(body);
  const first = await chunks.next().catch(() => {
    throw endedEarly('cut', sizeBytes);
  });
  await chunks.return();
  return first.done !== true;
}
