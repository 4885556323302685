import { OffsetMismatchError } from './errors.ts';

/**
 * Lets one call at a time at an appendable upload of this process; a second one is refused rather than queued. Other
 * processes are kept away by the caller, and by the offset.
 */
export class AppendTurns {
  readonly #running = new Set<string>();

  async take<T>(key: string, uploadId: string, work: () => Promise<T>): Promise<T> {
    const turn = `${uploadId}/${key}`;
    if (this.#running.has(turn)) throw new OffsetMismatchError('another request of this upload is under way', null);
    this.#running.add(turn);
    try {
      return await work();
    } finally {
      this.#running.delete(turn);
    }
  }
}

/** `OffsetMismatchError` unless what is durable is what the caller thinks. */
export function assertOffset(durableBytes: number, expectedBytes: number): void {
  if (durableBytes === expectedBytes) return;
  throw new OffsetMismatchError(`${durableBytes} bytes are durable, not ${expectedBytes}`, durableBytes);
}
