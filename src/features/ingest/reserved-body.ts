import { createHash } from 'node:crypto';
import { Transform, type TransformCallback } from 'node:stream';
import { AppError } from '../../errors/app-error.ts';
import type { ByteBudget } from '../../platform/object-store/byte-budget.ts';

/** Bytes that are gathered before the ledger is asked for them: one statement a mebibyte, not one a chunk. */
const GROW_BYTES = 1024 * 1024;

export interface ReservedBodyOptions {
  /** Held already; what comes beyond is asked for before it is passed on. */
  readonly reservedBytes: number;
  readonly maxBytes: number;
  readonly grow: (bytes: number) => Promise<void>;
  /** What all bodies of the process together may gather. */
  readonly budget: ByteBudget;
}

/**
 * Counts and hashes a body on its way to the store and lets no byte pass that the ledger does not hold. Beyond what
 * was reserved, it asks for exactly the bytes that have come, so that a body of unknown length is never refused for
 * room that it would not have used.
 */
export class ReservedBody extends Transform {
  readonly #options: ReservedBodyOptions;
  readonly #hash = createHash('sha256');
  #sizeBytes = 0;
  #reservedBytes: number;
  #gathered: Buffer[] = [];
  #gatheredBytes = 0;
  #takenBytes = 0;

  constructor(options: ReservedBodyOptions) {
    super();
    this.#options = options;
    this.#reservedBytes = options.reservedBytes;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Hex; once, after the end. */
  sha256(): string {
    return this.#hash.digest('hex');
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#sizeBytes += chunk.length;
    if (this.#sizeBytes > this.#options.maxBytes) {
      done(new AppError('FILE_TOO_LARGE', { details: { maxBytes: this.#options.maxBytes } }));
      return;
    }
    this.#hash.update(chunk);
    if (this.#gatheredBytes === 0 && this.#sizeBytes <= this.#reservedBytes) {
      done(null, chunk);
      return;
    }
    this.#gathered.push(chunk);
    this.#gatheredBytes += chunk.length;
    if (this.#gatheredBytes < GROW_BYTES && this.#options.budget.tryTake(chunk.length)) {
      this.#takenBytes += chunk.length;
      done();
      return;
    }
    this.#passGathered(done);
  }

  override _flush(done: TransformCallback): void {
    if (this.#gatheredBytes === 0) done();
    else this.#passGathered(done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#letGo();
    done(error);
  }

  #passGathered(done: TransformCallback): void {
    const needed = this.#sizeBytes - this.#reservedBytes;
    this.#options.grow(needed).then(
      () => {
        this.#reservedBytes += needed;
        for (const chunk of this.#gathered) this.push(chunk);
        this.#letGo();
        done();
      },
      (error: unknown) => done(error instanceof Error ? error : new Error(String(error))),
    );
  }

  #letGo(): void {
    this.#options.budget.giveBack(this.#takenBytes);
    this.#takenBytes = 0;
    this.#gathered = [];
    this.#gatheredBytes = 0;
  }
}
