import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { ChecksumMismatchError, ObjectExistsError } from './errors.ts';
import type { ObjectStore } from './object-store.ts';
import type { PutAccess } from './signed-urls.ts';

/** What a signed PUT has left. */
export interface ReceivedBody {
  readonly etag: string;
  /** Hex, of the bytes as they came; null for a part of which none was signed. */
  readonly sha256: string | null;
}

/**
 * Stores the body of a signed PUT as the object or the part that its URL permits, of the request nothing but the body.
 * `ChecksumMismatchError` when its SHA-256 is not the signed one, `ObjectExistsError` when only a new object is permitted;
 * neither leaves anything.
 */
export async function receiveBody(
  store: Pick<ObjectStore, 'head' | 'put' | 'uploadPart'>,
  { key, sizeBytes, contentType, sha256, createOnly, part }: PutAccess,
  body: Readable,
): Promise<ReceivedBody> {
  const hash = part && sha256 === null ? null : createHash('sha256');
  const onChunk = (chunk: Uint8Array): void => {
    hash?.update(chunk);
  };
  let received: string | null = null;
  const check = (): void => {
    received ??= hash?.digest('hex') ?? null;
    if (sha256 !== null && received !== sha256) throw new ChecksumMismatchError('the body has another SHA-256');
  };
  // Of no bytes S3 has the whole before anybody could object.
  if (sizeBytes === 0) check();
  const options = { sizeBytes, onChunk, check };
  if (part) {
    const { partNumber, uploadId } = part;
    const { etag } = await store.uploadPart(key, uploadId, { ...options, partNumber, body });
    return { etag, sha256: received };
  }
  // Decided when it is stored; asked here to spare the client the sending.
  if (createOnly && (await store.head(key))) throw new ObjectExistsError('there is an object of this key');
  const type = contentType ?? 'application/octet-stream';
  const { etag } = await store.put(key, body, { ...options, contentType: type, createOnly });
  return { etag, sha256: received };
}
