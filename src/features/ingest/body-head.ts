import { Readable } from 'node:stream';
import type { ByteBudget } from '../../platform/object-store/byte-budget.ts';
import { SNIFF_BYTES } from '../../platform/sniffing/sniff.ts';

/** What an announced length may be over the body's own: a form's epilogue can't be told from the file beforehand. */
export const ANNOUNCED_SLACK_BYTES = 4 * 1024;

/** The beginning of a body, or all of it. */
export interface BodyHead {
  readonly bytes: Buffer;
  /** The body holds no more than these bytes. */
  readonly ended: boolean;
  /** To be called when the bytes are no longer needed. */
  release(): void;
}

/**
 * Reads a body until it ends, `limitBytes` are passed or the process's budget is used up; then pauses it, and what was
 * read must be put before the rest with `prepend`. Rejects with the body's own error.
 */
export function readHead(body: Readable, limitBytes: number, budget: ByteBudget): Promise<BodyHead> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    let taken = 0;
    const release = () => {
      budget.giveBack(taken);
      taken = 0;
    };
    const finish = (ended: boolean) => {
      stopListening();
      resolve({ bytes: chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks), ended, release });
    };
    const onData = (chunk: Buffer) => {
      chunks.push(chunk);
      bytes += chunk.length;
      if (budget.tryTake(chunk.length)) {
        taken += chunk.length;
        if (bytes <= limitBytes) return;
      }
      body.pause();
      finish(false);
    };
    const onEnd = () => finish(true);
    const fail = (error: Error) => {
      stopListening();
      release();
      reject(error);
    };
    const onClose = () => fail(new Error('the body was cut off'));
    function stopListening(): void {
      body.off('data', onData).off('end', onEnd).off('error', fail).off('close', onClose);
    }
    if (body.destroyed) {
      fail(body.errored ?? new Error('the body was cut off'));
      return;
    }
    body.on('end', onEnd).on('error', fail).on('close', onClose).on('data', onData);
  });
}

/** The bytes of `head`, then those of `rest`. */
export function prepend(head: Buffer, rest: Readable): Readable {
  return Readable.from(
    (async function* () {
      yield head;
      yield* rest;
    })(),
    { objectMode: false },
  );
}

/** Passes a body on once `inspect` has not refused its first `SNIFF_BYTES`, or all of a shorter one. */
export async function* inspected(
  body: AsyncIterable<Buffer>,
  inspect: (head: Buffer) => Promise<void>,
): AsyncGenerator<Buffer> {
  let head: Buffer | null = Buffer.alloc(0);
  for await (const chunk of body) {
    if (head === null) {
      yield chunk;
      continue;
    }
    head = head.length === 0 ? chunk : Buffer.concat([head, chunk]);
    if (head.length < SNIFF_BYTES) continue;
    await inspect(head);
    yield head;
    head = null;
  }
  if (head === null) return;
  await inspect(head);
  yield head;
}
