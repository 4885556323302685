import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { nullIfMissing, onDisk } from './disk-errors.ts';
import type { DiskFiles } from './disk-files.ts';
import type { DiskMultiparts } from './disk-multipart.ts';
import type { PutAccess } from './disk-presign.ts';
import { ChecksumMismatchError, ObjectExistsError } from './errors.ts';

/** What a signed PUT has left. */
export interface ReceivedBody {
  readonly etag: string;
  readonly sizeBytes: number;
  /** Hex, of the bytes as they came; null for a part of which none was signed. */
  readonly sha256: string | null;
}

/**
 * Stores the body of a signed PUT as the object or the part that its URL permits. `ChecksumMismatchError` when its
 * SHA-256 is not the signed one, `ObjectExistsError` when only a new object is permitted; neither leaves anything.
 */
export async function receiveBody(
  { files, multiparts }: { readonly files: DiskFiles; readonly multiparts: DiskMultiparts },
  { key, sizeBytes, sha256, createOnly, part }: PutAccess,
  body: Readable,
): Promise<ReceivedBody> {
  const hash = part && sha256 === null ? null : createHash('sha256');
  let received: string | null = null;
  const onChunk = (chunk: Uint8Array): void => {
    hash?.update(chunk);
  };
  const check = (): void => {
    received = hash?.digest('hex') ?? null;
    if (sha256 !== null && received !== sha256) throw new ChecksumMismatchError('the body has another SHA-256');
  };
  if (part) {
    const { partNumber, uploadId } = part;
    const { etag } = await multiparts.uploadPart(key, uploadId, { partNumber, body, sizeBytes, onChunk, check });
    return { etag, sizeBytes, sha256: received };
  }
  const target = files.objectPath(key);
  // Decided when it is published; asked here to spare the client the sending.
  if (createOnly && (await onDisk(() => nullIfMissing(() => stat(target))))) {
    throw new ObjectExistsError('there is an object of this key');
  }
  const temporary = files.newTemporaryPath(key);
  const { etag } = await files.write(temporary, { body, sizeBytes, onChunk, check });
  await (createOnly ? files.publishNew(temporary, target) : files.publish(temporary, target));
  return { etag, sizeBytes, sha256: received };
}
