import { createHash } from 'node:crypto';
import { DeleteObjectCommand, HeadObjectCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { AppendTurns, assertOffset } from './append-turns.ts';
import { BreakableBody, readChunks } from './body-chunks.ts';
import { MultipartNotFoundError, ObjectNotFoundError, OffsetMismatchError } from './errors.ts';
import { TEMPORARY_FOLDER } from './object-key.ts';
import type { Appended, AppendedBody, ByteRange, MultipartPart, OpenedObject, StoredObject } from './object-store.ts';
import type { PartBufferOptions } from './part-buffer.ts';
import { leastPartBytes } from './part-sizes.ts';
import { putBuffered } from './s3-buffered.ts';
import { onS3 } from './s3-errors.ts';
import { bareEtag, type S3Multiparts } from './s3-multipart.ts';
import { S3PartWriter } from './s3-part-writer.ts';

const UPLOAD_METADATA = 'append-upload';
const OFFSET_METADATA = 'append-offset';
const CONTENT_TYPE = 'application/octet-stream';

/** What is durable of an upload. */
interface AppendState {
  readonly parts: readonly MultipartPart[];
  /** Bytes in the parts: where a tail that counts begins. */
  readonly partedBytes: number;
  /** 0 for a tail that does not count. */
  readonly tailBytes: number;
  /** Of any tail there is, also one that does not count. */
  readonly tailEtag: string | null;
}

interface Parts {
  readonly multiparts: S3Multiparts;
  readonly buffers: PartBufferOptions;
  readonly open: (key: string, range: ByteRange) => Promise<OpenedObject>;
}

/** Where the tail of an append to `key` is kept: outside all prefixes, found by the key alone. */
export function tailKey(key: string): string {
  return `${TEMPORARY_FOLDER}/${createHash('sha256').update(key).digest('hex')}.tail`;
}

/**
 * Appendable uploads in one bucket. An upload is a multipart upload, and what is too little for a part is its tail: an
 * object of its own, which says of which upload it is and at which offset it begins. A tail that begins anywhere but
 * where the parts end has been swallowed by a part and does not count, so nothing is counted twice whenever a process
 * dies. The next request reads the tail back and sends it with what it brings.
 */
export class S3Appends {
  readonly #client: S3Client;
  readonly #bucket: string;
  readonly #multiparts: S3Multiparts;
  readonly #buffers: PartBufferOptions;
  readonly #open: (key: string, range: ByteRange) => Promise<OpenedObject>;
  readonly #turns = new AppendTurns();

  constructor(client: S3Client, bucket: string, { multiparts, buffers, open }: Parts) {
    this.#client = client;
    this.#bucket = bucket;
    this.#multiparts = multiparts;
    this.#buffers = buffers;
    this.#open = open;
  }

  async appendedBytes(key: string, uploadId: string): Promise<number> {
    const { partedBytes, tailBytes } = await this.#state(key, uploadId);
    return partedBytes + tailBytes;
  }

  append(key: string, uploadId: string, { offset, body, totalBytes, signal }: AppendedBody): Promise<Appended> {
    return this.#turns.take(key, uploadId, async () => {
      const state = await this.#state(key, uploadId);
      assertOffset(state.partedBytes + state.tailBytes, offset);
      const source = new BreakableBody(body, signal);
      const writer = this.#writer(key, uploadId, state);
      let cameBytes = 0;
      try {
        for await (const chunk of source.chunks()) {
          if (cameBytes === 0) await this.#readTail(key, state, writer);
          cameBytes += chunk.byteLength;
          await writer.add(chunk);
        }
        if (cameBytes > 0) {
          await this.#keepRest(writer, totalBytes);
          await this.#assertAlone(writer);
        }
      } finally {
        await writer.dispose();
      }
      return { offset: offset + cameBytes, broken: source.broken };
    });
  }

  complete(key: string, uploadId: string, sizeBytes: number): Promise<StoredObject> {
    return this.#turns.take(key, uploadId, async () => {
      const state = await this.#state(key, uploadId);
      assertOffset(state.partedBytes + state.tailBytes, sizeBytes);
      if (sizeBytes === 0) return this.#completeEmpty(key, uploadId);
      const writer = this.#writer(key, uploadId, state);
      try {
        await this.#readTail(key, state, writer);
        if (writer.restBytes > 0) await writer.sendRest();
      } finally {
        await writer.dispose();
      }
      // Before the completion, as nobody would look for it afterwards; all of it is in the parts by now.
      if (state.tailEtag !== null) await this.#removeTail(key);
      return this.#multiparts.complete(key, uploadId, [...state.parts, ...writer.sent]);
    });
  }

  async abort(key: string, uploadId: string): Promise<void> {
    await this.#multiparts.abort(key, uploadId);
    const tail = await this.#findTail(key);
    if (tail?.uploadId === uploadId) await this.#removeTail(key);
  }

  #writer(key: string, uploadId: string, state: AppendState): S3PartWriter {
    return new S3PartWriter({ key, uploadId }, state, { multiparts: this.#multiparts, buffers: this.#buffers });
  }

  async #state(key: string, uploadId: string): Promise<AppendState> {
    const [parts, tail] = await Promise.all([this.#multiparts.listParts(key, uploadId), this.#findTail(key)]);
    const partedBytes = parts.reduce((sum, part) => sum + part.sizeBytes, 0);
    const counts = tail?.uploadId === uploadId && tail.offset === partedBytes;
    return { parts, partedBytes, tailBytes: counts ? tail.sizeBytes : 0, tailEtag: tail?.etag ?? null };
  }

  async #findTail(key: string) {
    const command = new HeadObjectCommand({ Bucket: this.#bucket, Key: tailKey(key) });
    try {
      const { Metadata = {}, ContentLength: sizeBytes = 0, ETag } = await onS3(key, () => this.#client.send(command));
      const { [UPLOAD_METADATA]: uploadId, [OFFSET_METADATA]: offset } = Metadata;
      return { uploadId, offset: Number(offset), sizeBytes, etag: bareEtag(ETag) };
    } catch (error) {
      if (error instanceof ObjectNotFoundError) return null;
      throw error;
    }
  }

  /** Gives the writer the first `tailBytes` of the tail. */
  async #readTail(key: string, { tailBytes, tailEtag }: AppendState, writer: S3PartWriter): Promise<void> {
    if (tailBytes === 0) return;
    const { head, body } = await this.#open(tailKey(key), { start: 0, end: tailBytes - 1 });
    try {
      if (head.etag !== tailEtag) throw new OffsetMismatchError('another request wrote to this upload', null);
      for await (const chunk of readChunks(body)) await writer.add(chunk);
    } finally {
      body.destroy();
    }
  }

  /** What is left at the end of a request becomes a part where it is enough or the last, else the tail. */
  async #keepRest(writer: S3PartWriter, totalBytes: number | undefined): Promise<void> {
    const remainingBytes = totalBytes === undefined ? null : totalBytes - writer.partedBytes;
    const isEnough = writer.restBytes >= leastPartBytes(writer.nextPartNumber, remainingBytes);
    if (isEnough || writer.restBytes === remainingBytes) await writer.sendRest();
    else await this.#putTail(writer);
  }

  async #putTail({ key, uploadId, partedBytes, buffer }: S3PartWriter): Promise<void> {
    const Metadata = { [UPLOAD_METADATA]: uploadId, [OFFSET_METADATA]: String(partedBytes) };
    const input = { Bucket: this.#bucket, Key: tailKey(key), ContentType: CONTENT_TYPE, Metadata };
    await putBuffered(this.#client, input, { buffer });
  }

  async #removeTail(key: string): Promise<void> {
    await onS3(key, () => this.#client.send(new DeleteObjectCommand({ Bucket: this.#bucket, Key: tailKey(key) })));
  }

  /**
   * Ends the upload when a second request has sent parts at the same time: nobody could say any more what is in it.
   * Leaves no tail of an upload that was ended meanwhile: nobody would look for it.
   */
  async #assertAlone({ key, uploadId, sent, nextPartNumber }: S3PartWriter): Promise<void> {
    const isSame = (part: MultipartPart, index: number): boolean =>
      part.partNumber === sent[index]?.partNumber && part.etag === sent[index].etag;
    try {
      const found = await this.#multiparts.listParts(key, uploadId, nextPartNumber - sent.length - 1);
      if (found.length === sent.length && found.every(isSame)) return;
      await this.#multiparts.abort(key, uploadId);
      throw new MultipartNotFoundError('two requests wrote to this upload at once');
    } catch (error) {
      if (error instanceof MultipartNotFoundError) await this.#removeTail(key);
      throw error;
    }
  }

  /** S3 joins no upload without parts. Put first: a repeated completion finds the upload still open. */
  async #completeEmpty(key: string, uploadId: string): Promise<StoredObject> {
    const input = { Bucket: this.#bucket, Key: key, ContentType: CONTENT_TYPE, ContentLength: 0 };
    const { ETag } = await onS3(key, () =>
      this.#client.send(new PutObjectCommand({ ...input, Body: Buffer.alloc(0) })),
    );
    await this.#multiparts.abort(key, uploadId);
    return { key, sizeBytes: 0, etag: bareEtag(ETag) };
  }
}
