import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { AppError } from '../../../errors/app-error.ts';
import { MultipartNotFoundError, OffsetMismatchError } from '../../../platform/object-store/errors.ts';
import type { ObjectStore } from '../../../platform/object-store/object-store.ts';
import { PartBuffer, type PartBufferOptions } from '../../../platform/object-store/part-buffer.ts';
import type { UploadSession } from '../upload-session.ts';
import { ReceivedBody } from './received-body.ts';
import type { RunningHashes } from './running-hashes.ts';
import type { TusChecksum } from './tus-checksum.ts';
import { endedEarly, takenOver } from './tus-faults.ts';
import type { UploadLock } from './upload-locks.ts';

export interface TusTransferDependencies {
  readonly store: ObjectStore;
  readonly hashes: RunningHashes;
  /** Where bytes wait that have yet to prove right. */
  readonly buffers: PartBufferOptions;
}

/** One request's bytes and where they go. */
export interface TusChunk {
  readonly session: UploadSession & { readonly storeUploadId: string };
  readonly lock: UploadLock;
  readonly offset: number;
  readonly body: Readable;
  /** What they must add up to; null: whatever comes is kept. */
  readonly checksum: TusChecksum | null;
}

/** Takes the bytes of one request in and hashes them on the way. */
export class TusTransfer {
  readonly #deps: TusTransferDependencies;

  constructor(deps: TusTransferDependencies) {
    this.#deps = deps;
  }

  /**
   * Answers where the upload stands by now. Without a checksum what came is kept however the body ended; with one all of it or
   * nothing, and until it has proved right it is held (in memory under the process's bound, then in a nameless file).
   * Errors: VALIDATION_FAILED (cut off), BODY_TOO_LARGE, UPLOAD_LOCKED (another goes on), UPLOAD_CHECKSUM_MISMATCH, those of
   * the store.
   */
  async receive(chunk: TusChunk): Promise<number> {
    const { session, lock, offset, body, checksum } = chunk;
    const { hashes } = this.#deps;
    const digest = checksum && createHash(checksum.algorithm);
    const running = hashes.take(session.id, offset);
    // What is taken back must not have been hashed.
    const before = checksum && running?.copy();
    const received = new ReceivedBody(body, {
      maxBytes: session.sizeBytes - offset,
      signal: lock.signal,
      hashes: [digest, running].filter((hash) => hash !== null),
    });
    let reached = offset;
    try {
      reached =
        checksum && digest
          ? await this.#appendProven(chunk, received, () => digest.digest().equals(checksum.digest))
          : await this.#append(chunk, received.stream);
    } finally {
      received.stop();
      const hashed = reached === offset + received.sizeBytes ? running : before;
      if (hashed) hashes.keep(session.id, reached, hashed);
    }
    if (lock.isLost) throw endedEarly('stopped', session.sizeBytes);
    if (received.ending !== 'whole') throw endedEarly(received.ending, session.sizeBytes);
    return reached;
  }

  async #append({ session, offset }: TusChunk, body: Readable): Promise<number> {
    const { objectKey, storeUploadId, sizeBytes: totalBytes } = session;
    try {
      return (await this.#deps.store.append(objectKey, storeUploadId, { offset, body, totalBytes })).offset;
    } catch (error) {
      // Somebody else has gone on with it, or ended it, although the lock was ours.
      if (error instanceof OffsetMismatchError || error instanceof MultipartNotFoundError) throw takenOver(error);
      throw error;
    }
  }

  async #appendProven(chunk: TusChunk, received: ReceivedBody, isRight: () => boolean): Promise<number> {
    const { session, offset } = chunk;
    const held = new PartBuffer(session.sizeBytes - offset, this.#deps.buffers);
    try {
      for await (const bytes of received.stream) await held.append(bytes as Buffer);
      if (received.ending !== 'whole') return offset;
      if (!isRight()) throw new AppError('UPLOAD_CHECKSUM_MISMATCH');
      return await this.#append(chunk, held.read());
    } finally {
      await held.dispose();
    }
  }
}
