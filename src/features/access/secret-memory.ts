import { createHmac, createSecretKey, randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';

/** How long a verdict is remembered at most (DESIGN.md point 8). */
const MEMORY_TTL_MS = 60_000;
const MEMORY_ENTRIES = 50_000;

/**
 * Remembers for at most 60 s which secret matched which bcrypt hash, so that bcrypt is not paid on every request.
 * Kept is an HMAC under a random key of this process, bound to the row's hash: a row with another hash knows nothing
 * of it, and a memory dump shows no secret. Wrong secrets are remembered too, so that repeating one is cheap.
 * Whether the key is revoked or expired is never remembered.
 */
export class SecretMemory {
  // A key object: preparing a raw key anew for each MAC costs eight times the MAC.
  readonly #macKey = createSecretKey(randomBytes(32));
  readonly #verdicts: LRUCache<string, boolean>;
  readonly #underWay = new Map<string, Promise<boolean>>();

  /** `now`: milliseconds that only ever grow. */
  constructor(now: () => number = () => performance.now()) {
    this.#verdicts = new LRUCache({ max: MEMORY_ENTRIES, ttl: MEMORY_TTL_MS, ttlResolution: 0, perf: { now } });
  }

  /** The remembered verdict, or what `check` says; equal questions asked at once are checked once. */
  verify(secret: string, hash: string, check: () => Promise<boolean>): boolean | Promise<boolean> {
    // The MAC is the place where the verdict is kept: who does not know the secret can't know the place either.
    const slot = createHmac('sha256', this.#macKey).update(`${hash}\0${secret}`).digest('base64');
    const known = this.#verdicts.get(slot);
    if (known !== undefined) return known;
    const pending = this.#underWay.get(slot);
    if (pending) return pending;
    const fresh = check()
      .then((valid) => {
        this.#verdicts.set(slot, valid);
        return valid;
      })
      .finally(() => this.#underWay.delete(slot));
    this.#underWay.set(slot, fresh);
    return fresh;
  }
}
