import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { LRUCache } from 'lru-cache';

/** How long a verdict is remembered at most (DESIGN.md point 8). */
const MEMORY_TTL_MS = 60_000;
const MEMORY_ENTRIES = 50_000;

interface Verdict {
  readonly mac: Buffer;
  readonly valid: boolean;
}

/**
 * Remembers for at most 60 s which secret matched which bcrypt hash, so that bcrypt is not paid on every request.
 * Kept is an HMAC under a random key of this process, bound to the row's hash: a row with another hash knows nothing
 * of it, and a memory dump shows no secret. Wrong secrets are remembered too, so that repeating one is cheap.
 * Whether the key is revoked or expired is never remembered.
 */
export class SecretMemory {
  readonly #macKey = randomBytes(32);
  readonly #verdicts = new LRUCache<string, Verdict>({ max: MEMORY_ENTRIES, ttl: MEMORY_TTL_MS, ttlResolution: 1000 });
  readonly #underWay = new Map<string, Promise<boolean>>();

  /** The remembered verdict, or what `check` says; equal questions asked at once are checked once. */
  verify(secret: string, hash: string, check: () => Promise<boolean>): boolean | Promise<boolean> {
    const mac = createHmac('sha256', this.#macKey).update(hash).update('\0').update(secret).digest();
    const slot = `${hash}:${mac.toString('base64')}`;
    const known = this.#verdicts.get(slot);
    if (known && timingSafeEqual(known.mac, mac)) return known.valid;
    const pending = this.#underWay.get(slot);
    if (pending) return pending;
    const fresh = check()
      .then((valid) => {
        this.#verdicts.set(slot, { mac, valid });
        return valid;
      })
      .finally(() => this.#underWay.delete(slot));
    this.#underWay.set(slot, fresh);
    return fresh;
  }
}
