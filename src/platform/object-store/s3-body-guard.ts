import { pipeline, type Readable, Transform, type TransformCallback } from 'node:stream';
import { StoreUnavailableError } from './errors.ts';

/**
 * Passes a body from the store on and turns what would otherwise look like a short or a stuck file into a stream
 * error: fewer or more bytes than `sizeBytes`, a cut connection, or nothing for `idleTimeoutMs` while the reader is
 * waiting. A reader who pauses for hours is fine.
 */
export function guardBody(source: Readable, sizeBytes: number, idleTimeoutMs: number): Readable {
  let seenBytes = 0;
  const guard = new Transform({
    transform(chunk: Buffer, _encoding, callback: TransformCallback) {
      idle.refresh();
      seenBytes += chunk.length;
      if (seenBytes > sizeBytes) callback(new StoreUnavailableError('the store sent more than it announced'));
      else callback(null, chunk);
    },
    flush(callback) {
      if (seenBytes === sizeBytes) callback();
      else callback(new StoreUnavailableError(`the store sent ${seenBytes} of ${sizeBytes} bytes`));
    },
  });
  const idle = setTimeout(() => {
    // Full buffers mean that the reader pauses, not the store.
    const readerPauses = guard.readableLength >= guard.readableHighWaterMark;
    if (readerPauses) idle.refresh();
    else guard.destroy(new StoreUnavailableError('the store stopped sending'));
  }, idleTimeoutMs);
  idle.unref();
  guard.once('close', () => clearTimeout(idle));
  // Errors reach the reader through `guard`; a reader who leaves closes the connection to the store.
  return pipeline(source, guard, (error) => {
    if (error && !guard.destroyed) guard.destroy(error);
  });
}
