import { createHash, type Hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';

/** A hash is a few hundred bytes. */
const MAX_UPLOADS = 10_000;

interface Running {
  readonly offset: number;
  readonly hash: Hash;
}

/**
 * The SHA-256 of what has come of each upload, so that it need not be read again at its end. Only what this process has seen
 * from the first byte on without a gap; for whatever else there is none, and the object is read once.
 */
export class RunningHashes {
  readonly #running = new LRUCache<string, Running>({ max: MAX_UPLOADS });

  /** The hash of the first `offset` bytes, which is the caller's from now on; null where it is not known. */
  take(uploadId: string, offset: number): Hash | null {
    const running = this.#running.get(uploadId);
    this.#running.delete(uploadId);
    if (offset === 0) return createHash('sha256');
    return running?.offset === offset ? running.hash : null;
  }

  /** Gives it back, with what it is the hash of. */
  keep(uploadId: string, offset: number, hash: Hash): void {
    this.#running.set(uploadId, { offset, hash });
  }

  drop(uploadId: string): void {
    this.#running.delete(uploadId);
  }
}
