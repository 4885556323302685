import { isId, newToken, sha256 } from '../../platform/crypto/random.ts';

/** How long a refresh token is good; each use gives a new one. */
export const REFRESH_TOKEN_TTL_MS = 30 * 24 * 3600 * 1000;

/** A refresh token names its session, so that a used one that comes back is recognised. */
export interface RefreshToken {
  readonly sessionId: string;
  readonly hash: Uint8Array<ArrayBuffer>;
}

/** Makes `<session>.<256 random bits>`; only the hash is kept. */
export function newRefreshToken(sessionId: string): RefreshToken & { readonly token: string } {
  const token = `${sessionId}.${newToken()}`;
  return { token, sessionId, hash: hashOf(token) };
}

/** Takes a token apart; null where the form is not that of one of ours. */
export function parseRefreshToken(token: string): RefreshToken | null {
  const [sessionId = '', random = '', ...more] = token.split('.');
  if (!isId(sessionId) || !/^[A-Za-z0-9_-]{43}$/.test(random) || more.length > 0) return null;
  return { sessionId, hash: hashOf(token) };
}

function hashOf(token: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(sha256(token));
}
