import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { isId, sha256 } from '../../platform/crypto/random.ts';

/** How long a refresh token is good; each use gives a new one. */
export const REFRESH_TOKEN_TTL_MS = 30 * 24 * 3600 * 1000;

/** A refresh token names its session, so that a used one that comes back is recognised. */
export interface RefreshToken {
  readonly sessionId: string;
  readonly hash: Uint8Array<ArrayBuffer>;
}

const RANDOM_BYTES = 16;
const MAC_BYTES = 16;

/**
 * Makes and recognises refresh tokens: `<session>.<random and MAC>`. The MAC tells a token that was issued and used from
 * one that was made up, which anybody who knows a session's id could send to end it.
 */
export class RefreshTokens {
  readonly #key: Buffer;

  /** `key`: 32 bytes. */
  constructor(key: Buffer) {
    this.#key = key;
  }

  /** A new token; only its hash is kept. */
  issue(sessionId: string): RefreshToken & { readonly token: string } {
    const random = randomBytes(RANDOM_BYTES);
    const token = `${sessionId}.${Buffer.concat([random, this.#mac(sessionId, random)]).toString('base64url')}`;
    return { token, sessionId, hash: hashOf(token) };
  }

  /** Takes a token apart; null where it is none that was issued. */
  parse(token: string): RefreshToken | null {
    const [sessionId = '', secret = '', ...more] = token.split('.');
    if (!isId(sessionId) || !/^[A-Za-z0-9_-]{43}$/.test(secret) || more.length > 0) return null;
    const bytes = Buffer.from(secret, 'base64url');
    // One text for each token: the last character has bits that say nothing. (Capitals in the id fail the MAC.)
    if (bytes.toString('base64url') !== secret) return null;
    const mac = this.#mac(sessionId, bytes.subarray(0, RANDOM_BYTES));
    return timingSafeEqual(mac, bytes.subarray(RANDOM_BYTES)) ? { sessionId, hash: hashOf(token) } : null;
  }

  #mac(sessionId: string, random: Uint8Array): Buffer {
    return createHmac('sha256', this.#key).update(sessionId).update(random).digest().subarray(0, MAC_BYTES);
  }
}

function hashOf(token: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(sha256(token));
}
