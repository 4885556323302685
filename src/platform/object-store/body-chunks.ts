import type { Readable } from 'node:stream';
import { LengthMismatchError } from './errors.ts';
import type { BodyWatch } from './object-store.ts';

const ignoreLateError = (): void => {};

/**
 * The chunks of a body. Unlike the stream's own iterator it ends at once when `signal` aborts, even while it waits
 * for a chunk, and leaves the stream as it is (not destroyed) when the consumer stops early: the body belongs to the
 * caller, and destroying an HTTP request would cut the line before the refusal is sent.
 *
 * Throws the signal's reason, the stream's error, or an error when the stream closes before its end.
 */
export async function* readChunks(body: Readable, signal?: AbortSignal): AsyncGenerator<Buffer, void, undefined> {
  let ended = body.readableEnded;
  let failure: unknown = null;
  let wake = (): void => {};
  const onReadable = (): void => wake();
  const onEnd = (): void => {
    ended = true;
    wake();
  };
  const onError = (error: unknown): void => {
    failure = error;
    wake();
  };
  const onClose = (): void => wake();
  body.on('readable', onReadable).on('end', onEnd).on('error', onError).on('close', onClose);
  signal?.addEventListener('abort', onClose);
  try {
    for (;;) {
      signal?.throwIfAborted();
      // `errored` is set when the stream is destroyed, its event comes later.
      failure ??= body.errored;
      if (failure !== null) throw failure;
      const chunk: unknown = ended ? null : body.read();
      if (chunk !== null) {
        const bytes = toBuffer(chunk);
        if (bytes.length > 0) yield bytes;
        continue;
      }
      if (ended) return;
      if (body.destroyed) throw new Error('the body was closed before its end');
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  } finally {
    // A body that fails after nobody reads it any more must not end the process.
    body.on('error', ignoreLateError);
    body.off('readable', onReadable).off('end', onEnd).off('error', onError).off('close', onClose);
    signal?.removeEventListener('abort', onClose);
  }
}

/** A body of which everything that came is wanted, however it ends. */
export class BreakableBody {
  readonly #body: Readable;
  readonly #signal: AbortSignal | undefined;
  #broken: Error | null = null;

  constructor(body: Readable, signal: AbortSignal | undefined) {
    this.#body = body;
    this.#signal = signal;
  }

  /** Why the chunks ended before the body's end: the stream's error or the signal's reason. */
  get broken(): Error | null {
    return this.#broken;
  }

  /** Like `readChunks`, but ends where the body breaks off, and gives what had been received and not been read yet. */
  async *chunks(): AsyncGenerator<Buffer, void, undefined> {
    try {
      yield* readChunks(this.#body, this.#signal);
      return;
    } catch (error) {
      this.#broken = error instanceof Error ? error : new Error(String(error));
    }
    const last: unknown = this.#body.read();
    if (last !== null) yield toBuffer(last);
  }
}

/** Passes `chunks` on and shows them; what `check` throws is how they end. */
export async function* watchChunks(
  chunks: AsyncIterable<Buffer>,
  { onChunk, check }: BodyWatch,
): AsyncGenerator<Buffer, void, undefined> {
  for await (const chunk of chunks) {
    onChunk?.(chunk);
    yield chunk;
  }
  check?.();
}

/**
 * Passes `chunks` on and holds the last one back until the source has ended, so that the receiver never gets the
 * whole announced length of a body that turns out longer. `LengthMismatchError` when the sum is not `sizeBytes`.
 */
export async function* exactLength(
  chunks: AsyncIterable<Buffer>,
  sizeBytes: number,
): AsyncGenerator<Buffer, void, undefined> {
  let seenBytes = 0;
  let held: Buffer | null = null;
  for await (const chunk of chunks) {
    seenBytes += chunk.length;
    if (seenBytes > sizeBytes)
      throw new LengthMismatchError(`the body is longer than the announced ${sizeBytes} bytes`);
    if (held) yield held;
    held = chunk;
  }
  if (seenBytes < sizeBytes) {
    throw new LengthMismatchError(`the body ended after ${seenBytes} of the announced ${sizeBytes} bytes`);
  }
  if (held) yield held;
}

/**
 * Gathers small chunks, so that all but the last hold at least `blockBytes`. AWS refuses a checksummed stream whose
 * chunks are below 8 KiB (`InvalidChunkSizeError`), and small chunks cost a system call each elsewhere.
 */
export async function* inBlocks(
  chunks: AsyncIterable<Buffer>,
  blockBytes: number,
): AsyncGenerator<Buffer, void, undefined> {
  let block = Buffer.alloc(0);
  let usedBytes = 0;
  for await (const chunk of chunks) {
    if (usedBytes === 0 && chunk.byteLength >= blockBytes) {
      yield chunk;
      continue;
    }
    for (let rest = chunk; rest.byteLength > 0; ) {
      if (usedBytes === 0) block = Buffer.allocUnsafeSlow(blockBytes);
      const copiedBytes = rest.copy(block, usedBytes);
      usedBytes += copiedBytes;
      rest = rest.subarray(copiedBytes);
      if (usedBytes < blockBytes) continue;
      yield block;
      usedBytes = 0;
    }
  }
  if (usedBytes > 0) yield block.subarray(0, usedBytes);
}

/** Refuses a body in memory whose length is not the announced one. */
export function assertLength(body: Uint8Array, sizeBytes: number | undefined): void {
  if (sizeBytes !== undefined && body.byteLength !== sizeBytes) {
    throw new LengthMismatchError(`the body has ${body.byteLength} bytes, announced were ${sizeBytes}`);
  }
}

function toBuffer(chunk: unknown): Buffer {
  if (Buffer.isBuffer(chunk)) return chunk;
  if (chunk instanceof Uint8Array) return Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  if (typeof chunk === 'string') return Buffer.from(chunk);
  throw new TypeError('a body gives bytes or text');
}
