import type { Readable } from 'node:stream';
import { PutObjectCommand, type PutObjectCommandInput, type S3Client } from '@aws-sdk/client-s3';
import { assertLength, exactLength, readChunks, watchChunks } from './body-chunks.ts';
import { ObjectExistsError, StoreUnavailableError } from './errors.ts';
import type { MultipartPart, PutOptions, StoredObject } from './object-store.ts';
import { PartBuffer, type PartBufferOptions } from './part-buffer.ts';
import { partSizeBytes } from './part-sizes.ts';
import { putBuffered, sendBufferedPart } from './s3-buffered.ts';
import { onS3, s3ErrorFacts } from './s3-errors.ts';
import { bareEtag, MAX_SINGLE_PUT_BYTES, type S3Multiparts } from './s3-multipart.ts';
import { sendStream } from './s3-sending.ts';

/** Puts whole objects into one bucket. */
export class S3Puts {
  readonly #client: S3Client;
  readonly #bucket: string;
  readonly #multiparts: S3Multiparts;
  readonly #buffers: PartBufferOptions;

  constructor(client: S3Client, bucket: string, parts: { multiparts: S3Multiparts; buffers: PartBufferOptions }) {
    this.#client = client;
    this.#bucket = bucket;
    this.#multiparts = parts.multiparts;
    this.#buffers = parts.buffers;
  }

  /** See `ObjectStore.put`. One request up to 5 GiB of known length, or one part of unknown length; parts otherwise. */
  async put(key: string, body: Readable | Uint8Array, options: PutOptions): Promise<StoredObject> {
    const { sizeBytes, signal, createOnly = false } = options;
    signal?.throwIfAborted();
    if (body instanceof Uint8Array) {
      assertLength(body, sizeBytes);
      options.onChunk?.(body);
      options.check?.();
      return this.#putBytes(key, body, options);
    }
    const chunks = (ended?: AbortSignal) => watchChunks(readChunks(body, ended), options);
    if (sizeBytes === undefined || sizeBytes > MAX_SINGLE_PUT_BYTES) {
      if (createOnly) throw new TypeError('only a body of known length up to 5 GiB can be refused for another object');
      const all = sizeBytes === undefined ? chunks(signal) : exactLength(chunks(signal), sizeBytes);
      return this.#putParts(key, all, options);
    }
    const open = (ended: AbortSignal): AsyncIterable<Buffer> => exactLength(chunks(ended), sizeBytes);
    return this.#putStream(key, { open, signal }, { ...options, sizeBytes });
  }

  async #putBytes(key: string, body: Uint8Array, options: PutOptions): Promise<StoredObject> {
    const { signal } = options;
    const input = this.#whole(key, { ...options, sizeBytes: body.byteLength });
    const command = new PutObjectCommand({ ...input, Body: body });
    try {
      const output = await orExists(() =>
        onS3(key, () => this.#client.send(command, signal ? { abortSignal: signal } : {})),
      );
      return { key, sizeBytes: body.byteLength, etag: bareEtag(output.ETag) };
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    }
  }

  async #putStream(
    key: string,
    source: { open: (signal: AbortSignal) => AsyncIterable<Buffer>; signal?: AbortSignal | undefined },
    options: PutOptions & { readonly sizeBytes: number },
  ): Promise<StoredObject> {
    const input = this.#whole(key, options);
    const output = await orExists(() =>
      sendStream(key, source, (Body, abortSignal) =>
        this.#client.send(new PutObjectCommand({ ...input, Body }), { abortSignal }),
      ),
    );
    return { key, sizeBytes: options.sizeBytes, etag: bareEtag(output.ETag) };
  }

  #whole(key: string, { contentType, sizeBytes, createOnly }: PutOptions): PutObjectCommandInput {
    const input = { Bucket: this.#bucket, Key: key, ContentType: contentType, ContentLength: sizeBytes };
    return createOnly ? { ...input, IfNoneMatch: '*' } : input;
  }

  /** Holds one part at a time: while it is sent, the source is not read. */
  async #putParts(key: string, chunks: AsyncIterable<Buffer>, options: PutOptions): Promise<StoredObject> {
    let buffer = new PartBuffer(partSizeBytes(1), this.#buffers);
    let uploadId: string | null = null;
    const parts: MultipartPart[] = [];
    const { signal } = options;
    const send = async (id: string): Promise<void> => {
      const target = { key, uploadId: id, partNumber: parts.length + 1 };
      parts.push(await sendBufferedPart(this.#multiparts, target, { buffer, signal }));
    };
    try {
      for await (const chunk of chunks) {
        let rest = await buffer.append(chunk);
        while (rest.byteLength > 0) {
          // Only when more is known to come, so that what fits into one part never becomes a multipart upload.
          uploadId ??= (await this.#multiparts.create(key, options.contentType)).uploadId;
          await send(uploadId);
          await buffer.dispose();
          buffer = new PartBuffer(partSizeBytes(parts.length + 1), this.#buffers);
          rest = await buffer.append(rest);
        }
      }
      if (uploadId === null) return await this.#putBuffer(key, buffer, options);
      await send(uploadId);
      signal?.throwIfAborted();
      return await this.#multiparts.complete(key, uploadId, parts);
    } catch (error) {
      // Whatever this leaves when the store is gone too, `discardTemporary` removes.
      if (uploadId !== null) await this.#multiparts.abort(key, uploadId).catch(() => {});
      throw error;
    } finally {
      await buffer.dispose();
    }
  }

  async #putBuffer(key: string, buffer: PartBuffer, { contentType, signal }: PutOptions): Promise<StoredObject> {
    const input = { Bucket: this.#bucket, Key: key, ContentType: contentType };
    const etag = await putBuffered(this.#client, input, { buffer, signal });
    return { key, sizeBytes: buffer.sizeBytes, etag };
  }
}

/** Says what a refused condition means. */
async function orExists<T>(put: () => Promise<T>): Promise<T> {
  try {
    return await put();
  } catch (error) {
    const { status } = s3ErrorFacts(error);
    if (status === 412) throw new ObjectExistsError('there is an object of this key', { cause: error });
    // What AWS says to a request that met another on its way: the next try is told which it was.
    if (status === 409) throw new StoreUnavailableError('another request was under way', { cause: error });
    throw error;
  }
}
