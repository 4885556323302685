import type { Hash } from 'node:crypto';
import { Readable } from 'node:stream';

const BUFFERED_BYTES = 64 * 1024;

/**
 * How a body ended: as its sender meant it to; cut off; on our side, as `signal` wanted; or because more came than may. Never
 * with an error: what came before the end is passed on whole.
 */
export type BodyEnding = 'whole' | 'cut' | 'stopped' | 'excess';

export interface ReceivedBodyOptions {
  readonly maxBytes: number;
  readonly signal: AbortSignal;
  /** Fed with everything that is passed on. */
  readonly hashes: readonly Hash[];
}

/** A request's body on its way to the store, counted and hashed. */
export class ReceivedBody {
  readonly stream: Readable;
  readonly #source: Readable;
  readonly #options: ReceivedBodyOptions;
  #sizeBytes = 0;
  #ending: BodyEnding | undefined;

  constructor(source: Readable, options: ReceivedBodyOptions) {
    this.#source = source;
    this.#options = options;
    this.stream = new Readable({
      highWaterMark: BUFFERED_BYTES,
      read: () => {
        if (this.#ending === undefined) source.resume();
      },
    });
    // A store that gives up destroys it; what went wrong is said by the store.
    this.stream.on('error', () => undefined);
    source.on('data', this.#onData).on('end', this.#onEnd).on('error', this.#onCut).on('close', this.#onCut);
    options.signal.addEventListener('abort', this.#onStop, { once: true });
    if (options.signal.aborted) this.#onStop();
    else if (source.destroyed) this.#onCut();
  }

  /** Bytes that were passed on. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** How it ended; `stopped` while it has not. */
  get ending(): BodyEnding {
    return this.#ending ?? 'stopped';
  }

  /** Takes no more from the sender. */
  stop(): void {
    this.#end('stopped');
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.#sizeBytes + chunk.length > this.#options.maxBytes) {
      this.#end('excess');
      return;
    }
    this.#sizeBytes += chunk.length;
    for (const hash of this.#options.hashes) hash.update(chunk);
    if (!this.stream.push(chunk)) this.#source.pause();
  };
  readonly #onEnd = () => this.#end('whole');
  readonly #onCut = () => this.#end('cut');
  readonly #onStop = () => this.#end('stopped');

  #end(ending: BodyEnding): void {
    if (this.#ending !== undefined) return;
    this.#ending = ending;
    const source = this.#source;
    source.off('data', this.#onData).off('end', this.#onEnd).off('close', this.#onCut);
    // Its listener for errors stays: nobody else may have one.
    if (ending !== 'whole') source.pause();
    this.#options.signal.removeEventListener('abort', this.#onStop);
    this.stream.push(null);
  }
}
