import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  type S3Client,
  UploadPartCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3';
import pLimit from 'p-limit';
import { assertLength, exactLength, readChunks, watchChunks } from './body-chunks.ts';
import { InvalidPartError, MultipartNotFoundError, ObjectNotFoundError } from './errors.ts';
import type { MultipartPart, PartUpload, StoredObject } from './object-store.ts';
import { onS3, s3ErrorFacts } from './s3-errors.ts';
import { sendStream } from './s3-sending.ts';

const MAX_PARTS = 10_000;
const MIN_COPY_PART_BYTES = 512 * 1024 * 1024;
const COPIES_AT_ONCE = 4;

/** S3's limit of one PutObject or CopyObject: 5 GiB. */
export const MAX_SINGLE_PUT_BYTES = 5 * 1024 ** 3;

type NamedPart = Pick<MultipartPart, 'partNumber' | 'etag'>;

/** An etag without its quotes; '' where the store gives none. */
export function bareEtag(etag: string | undefined): string {
  return (etag ?? '').replace(/^"|"$/g, '');
}

/** Multipart uploads of one bucket, and the copies that need them. */
export class S3Multiparts {
  readonly #client: S3Client;
  readonly #bucket: string;
  readonly #maxSingleCopyBytes: number;

  /** Copies above `maxSingleCopyBytes` go by parts of at least 512 MiB, or of that size where it is smaller. */
  constructor(client: S3Client, bucket: string, maxSingleCopyBytes: number = MAX_SINGLE_PUT_BYTES) {
    this.#client = client;
    this.#bucket = bucket;
    this.#maxSingleCopyBytes = maxSingleCopyBytes;
  }

  /** Takes no signal: an upload whose id is lost on the way back could only be found by listing. */
  async create(key: string, contentType: string): Promise<{ readonly uploadId: string }> {
    const command = new CreateMultipartUploadCommand({ ...this.#at(key), ContentType: contentType });
    const { UploadId: uploadId } = await onS3(key, () => this.#client.send(command));
    if (uploadId === undefined) throw new TypeError('the store gave no upload id');
    return { uploadId };
  }

  async uploadPart(key: string, uploadId: string, part: PartUpload): Promise<MultipartPart> {
    const { partNumber, body, sizeBytes, signal } = part;
    signal?.throwIfAborted();
    const input = { ...this.#at(key), UploadId: uploadId, PartNumber: partNumber, ContentLength: sizeBytes };
    if (body instanceof Uint8Array) {
      assertLength(body, sizeBytes);
      part.onChunk?.(body);
      part.check?.();
      const command = new UploadPartCommand({ ...input, Body: body });
      const output = await onS3(key, () => this.#client.send(command, signal ? { abortSignal: signal } : {})).catch(
        (error: unknown) => {
          throw signal?.aborted ? signal.reason : error;
        },
      );
      return { partNumber, etag: bareEtag(output.ETag), sizeBytes };
    }
    const open = (ended: AbortSignal): AsyncIterable<Buffer> =>
      exactLength(watchChunks(readChunks(body, ended), part), sizeBytes);
    const output = await sendStream(key, { open, signal }, (Body, abortSignal) =>
      this.#client.send(new UploadPartCommand({ ...input, Body }), { abortSignal }),
    );
    return { partNumber, etag: bareEtag(output.ETag), sizeBytes };
  }

  /** Only those above `afterPartNumber` where it is given. */
  async listParts(key: string, uploadId: string, afterPartNumber = 0): Promise<readonly MultipartPart[]> {
    const parts: MultipartPart[] = [];
    let marker = afterPartNumber === 0 ? undefined : String(afterPartNumber);
    do {
      const input = {
        ...this.#at(key),
        UploadId: uploadId,
        ...(marker === undefined ? {} : { PartNumberMarker: marker }),
      };
      const page = await onS3(key, () => this.#client.send(new ListPartsCommand(input))).catch((error: unknown) => {
        // Ceph RGW 16 says NoSuchKey for an upload that it does not know.
        throw error instanceof ObjectNotFoundError ? new MultipartNotFoundError('no such multipart upload') : error;
      });
      for (const { PartNumber, ETag, Size } of page.Parts ?? []) {
        parts.push({ partNumber: PartNumber ?? 0, etag: bareEtag(ETag), sizeBytes: Size ?? 0 });
      }
      marker = page.IsTruncated ? page.NextPartNumberMarker : undefined;
    } while (marker !== undefined);
    return parts;
  }

  /** Takes no signal: a completion that has begun cannot be called back. */
  async complete(key: string, uploadId: string, parts: readonly NamedPart[]): Promise<StoredObject> {
    if (parts.length === 0) throw new InvalidPartError('a completion names at least one part');
    const command = new CompleteMultipartUploadCommand({
      ...this.#at(key),
      UploadId: uploadId,
      MultipartUpload: { Parts: parts.map(({ partNumber, etag }) => ({ PartNumber: partNumber, ETag: `"${etag}"` })) },
    });
    try {
      await this.#client.send(command);
    } catch (error) {
      // The SDK tried again after an answer that got lost, and the first try had done it.
      const repeated = error instanceof Error && '$metadata' in error && wasRepeated(error.$metadata);
      if (!(s3ErrorFacts(error).code === 'NoSuchUpload' && repeated)) await onS3(key, () => Promise.reject(error));
    }
    // Asked for, not taken from the answer: it has no size, and Ceph RGW 16 gives an empty etag.
    const head = await onS3(key, () => this.#client.send(new HeadObjectCommand(this.#at(key))));
    return { key, sizeBytes: head.ContentLength ?? 0, etag: bareEtag(head.ETag) };
  }

  async abort(key: string, uploadId: string): Promise<void> {
    const command = new AbortMultipartUploadCommand({ ...this.#at(key), UploadId: uploadId });
    await onS3(key, () => this.#client.send(command)).catch((error: unknown) => {
      if (!(error instanceof MultipartNotFoundError || error instanceof ObjectNotFoundError)) throw error;
    });
  }

  /** The ids of the open uploads whose key is `key`, or all of the bucket. */
  async listOpen(key?: string): Promise<readonly { readonly key: string; readonly uploadId: string }[]> {
    const open: { key: string; uploadId: string }[] = [];
    let markers = {};
    for (;;) {
      const input = { Bucket: this.#bucket, ...(key === undefined ? {} : { Prefix: key }), ...markers };
      const page = await onS3(key ?? '', () => this.#client.send(new ListMultipartUploadsCommand(input)));
      for (const { Key, UploadId } of page.Uploads ?? []) {
        if (Key !== undefined && UploadId !== undefined && (key === undefined || Key === key)) {
          open.push({ key: Key, uploadId: UploadId });
        }
      }
      if (!page.IsTruncated) return open;
      markers = { KeyMarker: page.NextKeyMarker, UploadIdMarker: page.NextUploadIdMarker };
    }
  }

  async copy(fromKey: string, toKey: string): Promise<StoredObject> {
    const head = await onS3(fromKey, () => this.#client.send(new HeadObjectCommand(this.#at(fromKey))));
    const sizeBytes = head.ContentLength ?? 0;
    const source = {
      CopySource: encodeURIComponent(`${this.#bucket}/${fromKey}`),
      ...(head.ETag === undefined ? {} : { CopySourceIfMatch: head.ETag }),
    };
    if (sizeBytes <= this.#maxSingleCopyBytes) {
      const command = new CopyObjectCommand({ ...this.#at(toKey), ...source });
      const { CopyObjectResult: result } = await onS3(fromKey, () => this.#client.send(command));
      return { key: toKey, sizeBytes, etag: bareEtag(result?.ETag) };
    }
    const { uploadId } = await this.create(toKey, head.ContentType ?? 'application/octet-stream');
    try {
      const parts = await this.#copyParts(toKey, uploadId, source, sizeBytes);
      return await this.complete(toKey, uploadId, parts);
    } catch (error) {
      await this.abort(toKey, uploadId).catch(() => {});
      throw error;
    }
  }

  async #copyParts(
    key: string,
    uploadId: string,
    source: { readonly CopySource: string },
    sizeBytes: number,
  ): Promise<readonly NamedPart[]> {
    const wantedBytes = Math.min(MIN_COPY_PART_BYTES, this.#maxSingleCopyBytes);
    const partBytes = Math.max(wantedBytes, Math.ceil(sizeBytes / MAX_PARTS));
    const limit = pLimit(COPIES_AT_ONCE);
    const copyPart = async (index: number): Promise<NamedPart> => {
      const command = new UploadPartCopyCommand({
        ...this.#at(key),
        ...source,
        UploadId: uploadId,
        PartNumber: index + 1,
        CopySourceRange: `bytes=${index * partBytes}-${Math.min((index + 1) * partBytes, sizeBytes) - 1}`,
      });
      const { CopyPartResult: result } = await onS3(key, () => this.#client.send(command));
      return { partNumber: index + 1, etag: bareEtag(result?.ETag) };
    };
    const running = new Set<Promise<NamedPart>>();
    const copies = Array.from({ length: Math.ceil(sizeBytes / partBytes) }, (_, index) =>
      limit(() => {
        const copying = copyPart(index);
        running.add(copying);
        return copying;
      }),
    );
    try {
      return await Promise.all(copies);
    } catch (error) {
      // The abort that follows must find no copy still running.
      limit.clearQueue();
      await Promise.allSettled(running);
      throw error;
    }
  }

  #at(key: string): { readonly Bucket: string; readonly Key: string } {
    return { Bucket: this.#bucket, Key: key };
  }
}

function wasRepeated(metadata: unknown): boolean {
  return typeof metadata === 'object' && metadata !== null && 'attempts' in metadata && Number(metadata.attempts) > 1;
}
