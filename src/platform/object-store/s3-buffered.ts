import { PutObjectCommand, type PutObjectCommandInput, type S3Client } from '@aws-sdk/client-s3';
import { exactLength, readChunks } from './body-chunks.ts';
import type { MultipartPart } from './object-store.ts';
import type { PartBuffer } from './part-buffer.ts';
import { bareEtag, type S3Multiparts } from './s3-multipart.ts';
import { sendStream, withRetries } from './s3-sending.ts';

/** Where a buffered part goes. */
interface PartTarget {
  readonly key: string;
  readonly uploadId: string;
  readonly partNumber: number;
}

/** Sends a buffer as one part, again where the store was not available. */
export function sendBufferedPart(
  multiparts: S3Multiparts,
  { key, uploadId, partNumber }: PartTarget,
  { buffer, signal }: { readonly buffer: PartBuffer; readonly signal?: AbortSignal | undefined },
): Promise<MultipartPart> {
  const sizeBytes = buffer.sizeBytes;
  return withRetries(async () => {
    const body = buffer.read();
    try {
      return await multiparts.uploadPart(key, uploadId, { partNumber, body, sizeBytes, signal });
    } finally {
      body.destroy();
    }
  }, signal);
}

/** Puts a buffer as one object, again where the store was not available; answers its etag. */
export function putBuffered(
  client: S3Client,
  input: Omit<PutObjectCommandInput, 'Body' | 'ContentLength'> & { readonly Key: string },
  { buffer, signal }: { readonly buffer: PartBuffer; readonly signal?: AbortSignal | undefined },
): Promise<string> {
  const ContentLength = buffer.sizeBytes;
  return withRetries(async () => {
    const bytes = buffer.read();
    const open = (ended: AbortSignal): AsyncIterable<Buffer> => exactLength(readChunks(bytes, ended), ContentLength);
    try {
      const output = await sendStream(input.Key, { open, signal }, (Body, abortSignal) =>
        client.send(new PutObjectCommand({ ...input, ContentLength, Body }), { abortSignal }),
      );
      return bareEtag(output.ETag);
    } finally {
      bytes.destroy();
    }
  }, signal);
}
