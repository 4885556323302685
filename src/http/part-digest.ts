import { createHash } from 'node:crypto';
import { pipeline, type Readable, Transform, type TransformCallback } from 'node:stream';

/** What a form held, as far as it matters whether another holds the same. */
export interface FormDigest {
  readonly originalName: string;
  readonly contentType: string | undefined;
  readonly sizeBytes: number;
  /** Hex. */
  readonly sha256: string;
}

/** Passes a part's bytes on and hashes them. */
export class PartDigest extends Transform {
  readonly #hash = createHash('sha256');
  #sizeBytes = 0;

  /** `source` breaks with it, and it with `source`, by the same error. */
  static of(source: Readable): PartDigest {
    const digest = new PartDigest();
    pipeline(source, digest, () => undefined);
    return digest;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#sizeBytes += chunk.length;
    this.#hash.update(chunk);
    done(null, chunk);
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Once, when all of it has come. */
  sha256(): string {
    return this.#hash.digest('hex');
  }
}
