import type { S3Client } from '@aws-sdk/client-s3';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { AppendTurns, assertOffset } from './append-turns.ts';
import { BreakableBody, readChunks } from './body-chunks.ts';
import { InvalidPartError, MultipartNotFoundError, ObjectNotFoundError, OffsetMismatchError } from './errors.ts';
import type { Appended, AppendedBody, ByteRange, MultipartPart, OpenedObject, StoredObject } from './object-store.ts';
import type { PartBuffer, PartBufferOptions } from './part-buffer.ts';
import { leastPartBytes } from './part-sizes.ts';
import { type AppendId, type Checkpoint, digestOf, S3Checkpoints } from './s3-checkpoints.ts';
import { onS3 } from './s3-errors.ts';
import { bareEtag, type S3Multiparts } from './s3-multipart.ts';
import { S3PartWriter } from './s3-part-writer.ts';

const CONTENT_TYPE = 'application/octet-stream';
/** Who has not asked for so long may have slept, and asks whether it still is the one before it sends a part. */
const BELIEVED_MS = 2_000;

/** What is durable of an upload. */
interface AppendState {
  readonly parts: readonly MultipartPart[];
  /** Bytes in the parts: where the tail begins. */
  readonly partedBytes: number;
  /** null before the first. */
  readonly checkpoint: Checkpoint | null;
}

interface Parts {
  readonly multiparts: S3Multiparts;
  readonly buffers: PartBufferOptions;
  readonly open: (key: string, range: ByteRange) => Promise<OpenedObject>;
}

/**
 * Appendable uploads in one bucket. An upload is a multipart upload and its latest checkpoint: an object that names the
 * parts that count and holds the bytes that are too few for one, which the next request reads back and sends with what
 * it brings.
 * S3 lets nobody be kept from writing, so what a writer that slept sends late must show. Checkpoints have names of their
 * own, and after each its writer looks whether there is another of that generation, in which case it takes its own back:
 * of two at most one is believed. A part that was replaced does not fit the checkpoint: the upload ends, and no object
 * is made of it.
 */
export class S3Appends {
  readonly #client: S3Client;
  readonly #bucket: string;
  readonly #multiparts: S3Multiparts;
  readonly #checkpoints: S3Checkpoints;
  readonly #buffers: PartBufferOptions;
  readonly #open: (key: string, range: ByteRange) => Promise<OpenedObject>;
  readonly #turns = new AppendTurns();

  constructor(client: S3Client, bucket: string, { multiparts, buffers, open }: Parts) {
    this.#client = client;
    this.#bucket = bucket;
    this.#multiparts = multiparts;
    this.#checkpoints = new S3Checkpoints(client, bucket);
    this.#buffers = buffers;
    this.#open = open;
  }

  async appendedBytes(key: string, uploadId: string): Promise<number> {
    return durableBytes(await this.#state({ key, uploadId }));
  }

  append(key: string, uploadId: string, { offset, body, totalBytes, signal }: AppendedBody): Promise<Appended> {
    return this.#turns.take(key, uploadId, async () => {
      const state = await this.#state({ key, uploadId });
      assertOffset(durableBytes(state), offset);
      const source = new BreakableBody(body, signal);
      const turn = new AppendTurn(state, this.#writer(key, uploadId, state), this.#multiparts, this.#checkpoints);
      let cameBytes = 0;
      try {
        for await (const chunk of source.chunks()) {
          if (cameBytes === 0) await this.#readTail(state, turn.writer);
          cameBytes += chunk.byteLength;
          await turn.add(chunk);
        }
        if (cameBytes > 0) await turn.finish(totalBytes);
      } finally {
        await turn.dispose();
      }
      return { offset: offset + cameBytes, broken: source.broken };
    });
  }

  complete(key: string, uploadId: string, sizeBytes: number): Promise<StoredObject> {
    return this.#turns.take(key, uploadId, async () => {
      const state = await this.#state({ key, uploadId });
      assertOffset(durableBytes(state), sizeBytes);
      if (sizeBytes === 0) return this.#completeEmpty(key, uploadId);
      const writer = this.#writer(key, uploadId, state);
      try {
        await this.#readTail(state, writer);
        if (writer.restBytes > 0) await writer.sendRest();
        const stored = await this.#multiparts.complete(key, uploadId, [...state.parts, ...writer.sent]);
        await this.#checkpoints.removeAll({ key, uploadId });
        return stored;
      } catch (error) {
        if (error instanceof InvalidPartError) return await this.#end({ key, uploadId });
        throw error;
      } finally {
        await writer.dispose();
      }
    });
  }

  async abort(key: string, uploadId: string): Promise<void> {
    await this.#multiparts.abort(key, uploadId);
    await this.#checkpoints.removeAll({ key, uploadId });
  }

  /** Removes what any append to `key` may have left beside its multipart upload. */
  async discard(key: string): Promise<void> {
    await this.#checkpoints.discard(key);
  }

  #writer(key: string, uploadId: string, state: AppendState): S3PartWriter {
    return new S3PartWriter({ key, uploadId }, state, { multiparts: this.#multiparts, buffers: this.#buffers });
  }

  /** The checkpoint first: its parts were there before it. Parts that it does not name do not count. */
  async #state(append: AppendId): Promise<AppendState> {
    const [checkpoint = null, second] = await this.#checkpoints.list(append);
    const listed = await this.#multiparts.listParts(append.key, append.uploadId).catch(async (error: unknown) => {
      if (error instanceof MultipartNotFoundError) await this.#checkpoints.removeAll(append);
      throw error;
    });
    const parts = listed.slice(0, checkpoint?.parts ?? 0);
    const isUnclear = checkpoint !== null && checkpoint.generation === second?.generation;
    if (isUnclear || (checkpoint !== null && digestOf(parts) !== checkpoint.digest)) await this.#end(append);
    return { parts, partedBytes: parts.reduce((sum, part) => sum + part.sizeBytes, 0), checkpoint };
  }

  /** Of an upload of which nobody could say any more what is in it. */
  async #end({ key, uploadId }: AppendId): Promise<never> {
    await this.abort(key, uploadId);
    throw new MultipartNotFoundError('two requests wrote to this upload at once');
  }

  /** Gives the writer the bytes that wait behind the parts. */
  async #readTail({ checkpoint }: AppendState, writer: S3PartWriter): Promise<void> {
    if (checkpoint === null || checkpoint.tailBytes === 0) return;
    const range = { start: 0, end: checkpoint.tailBytes - 1 };
    const { body } = await this.#open(checkpoint.objectKey, range).catch((error: unknown) => {
      if (error instanceof ObjectNotFoundError) throw takenOver();
      throw error;
    });
    try {
      for await (const chunk of readChunks(body)) await writer.add(chunk);
    } finally {
      body.destroy();
    }
  }

  /** S3 joins no upload without parts. Put first: a repeated completion finds the upload still open. */
  async #completeEmpty(key: string, uploadId: string): Promise<StoredObject> {
    const input = { Bucket: this.#bucket, Key: key, ContentType: CONTENT_TYPE, ContentLength: 0 };
    const { ETag } = await onS3(key, () =>
      this.#client.send(new PutObjectCommand({ ...input, Body: Buffer.alloc(0) })),
    );
    await this.abort(key, uploadId);
    return { key, sizeBytes: 0, etag: bareEtag(ETag) };
  }
}

/** One request that appends. */
class AppendTurn {
  readonly writer: S3PartWriter;
  readonly #before: readonly MultipartPart[];
  readonly #multiparts: S3Multiparts;
  readonly #checkpoints: S3Checkpoints;
  readonly #nothing: PartBuffer;
  #generation: number;
  #askedAt = performance.now();
  #sentParts = 0;
  /** Never rejects: what it failed with is thrown by the next step. */
  #noting: Promise<void> | null = null;
  #failure: unknown = null;

  constructor(state: AppendState, writer: S3PartWriter, multiparts: S3Multiparts, checkpoints: S3Checkpoints) {
    this.writer = writer;
    this.#before = state.parts;
    this.#generation = state.checkpoint?.generation ?? 0;
    this.#multiparts = multiparts;
    this.#checkpoints = checkpoints;
    this.#nothing = writer.emptyBuffer();
  }

  /** What has become a part is noted beside the coming of the next bytes. */
  async add(chunk: Buffer): Promise<void> {
    await this.#assertAwake();
    await this.writer.add(chunk);
    if (this.#failure !== null) throw this.#failure;
    if (this.#noting !== null || this.writer.sent.length === this.#sentParts) return;
    this.#noting = this.#note(this.#nothing).then(
      () => {
        this.#noting = null;
      },
      (error: unknown) => {
        this.#failure = error;
      },
    );
  }

  /** What is left becomes a part where it is enough or the last, else the tail. */
  async finish(totalBytes: number | undefined): Promise<void> {
    await this.#noting;
    if (this.#failure !== null) throw this.#failure;
    await this.#assertAwake();
    const { writer } = this;
    const remainingBytes = totalBytes === undefined ? null : totalBytes - writer.partedBytes;
    const isEnough = writer.restBytes >= leastPartBytes(writer.nextPartNumber, remainingBytes);
    if (isEnough || writer.restBytes === remainingBytes) await writer.sendRest();
    await this.#note(writer.buffer);
  }

  async dispose(): Promise<void> {
    await this.#noting;
    await this.writer.dispose();
  }

  /** Makes all parts so far and the tail count, unless another has gone on with the upload. */
  async #note(tail: PartBuffer): Promise<void> {
    const { key, uploadId, sent } = this.writer;
    this.#sentParts = sent.length;
    const parts = [...this.#before, ...sent];
    const generation = this.#generation + 1;
    const own = await this.#checkpoints.put({ key, uploadId }, generation, parts, tail);
    try {
      const older = await this.#assertAlone(generation, own, parts);
      this.#generation = generation;
      await this.#checkpoints.remove(older.map(({ objectKey }) => objectKey));
    } catch (error) {
      if (error instanceof OffsetMismatchError || error instanceof MultipartNotFoundError) {
        await this.#checkpoints.remove([own]);
      }
      throw error;
    }
  }

  /** Answers the checkpoints before its own. */
  async #assertAlone(
    generation: number,
    own: string | null,
    parts: readonly MultipartPart[],
  ): Promise<readonly Checkpoint[]> {
    const { key, uploadId } = this.writer;
    const first = this.#before.length;
    const [found, listed] = await Promise.all([
      this.#checkpoints.list({ key, uploadId }),
      this.#multiparts.listParts(key, uploadId, first),
    ]);
    const others = found.filter(({ objectKey }) => objectKey !== own);
    if (others.some((other) => other.generation >= generation)) throw takenOver();
    if (digestOf(listed.slice(0, parts.length - first)) !== digestOf(parts.slice(first))) throw takenOver();
    this.#askedAt = performance.now();
    return others;
  }

  async #assertAwake(): Promise<void> {
    if (performance.now() - this.#askedAt < BELIEVED_MS || this.#noting !== null) return;
    await this.#assertAlone(this.#generation + 1, null, [...this.#before, ...this.writer.sent]);
  }
}

function durableBytes({ partedBytes, checkpoint }: AppendState): number {
  return partedBytes + (checkpoint?.tailBytes ?? 0);
}

function takenOver(): OffsetMismatchError {
  return new OffsetMismatchError('another request wrote to this upload', null);
}
