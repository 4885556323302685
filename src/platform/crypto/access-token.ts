import jwt from 'jsonwebtoken';
import { z } from 'zod';
import type { Clock } from '../clock/clock.ts';

/** How long an access token is good. */
export const ACCESS_TOKEN_TTL_SECONDS = 15 * 60;

const claims = z.object({
  sub: z.uuid(),
  sid: z.uuid(),
  role: z.enum(['USER', 'ADMIN']),
  iat: z.number().int(),
  exp: z.number().int(),
});

/** What an access token says: user, session, role at the time of issue, times in seconds since the epoch. */
export type AccessTokenClaims = z.output<typeof claims>;

export type TokenVerdict =
  | { readonly kind: 'valid'; readonly claims: AccessTokenClaims }
  | { readonly kind: 'expired' }
  | { readonly kind: 'invalid' };

/** Issues and checks access tokens: JWT, HS256 and nothing else (RFC 7519, RFC 8725). */
export class AccessTokens {
  readonly #secret: string;
  readonly #clock: Clock;

  constructor(secret: string, clock: Clock) {
    this.#secret = secret;
    this.#clock = clock;
  }

  issue(subject: { readonly userId: string; readonly sessionId: string; readonly role: 'USER' | 'ADMIN' }): string {
    const issuedAt = Math.floor(this.#clock.now().getTime() / 1000);
    const payload: AccessTokenClaims = {
      sub: subject.userId,
      sid: subject.sessionId,
      role: subject.role,
      iat: issuedAt,
      exp: issuedAt + ACCESS_TOKEN_TTL_SECONDS,
    };
    return jwt.sign(payload, this.#secret, { algorithm: 'HS256' });
  }

  /** `ofAnyAge`: whoever asks knows that it was good once. */
  verify(token: string, { ofAnyAge = false }: { readonly ofAnyAge?: boolean } = {}): TokenVerdict {
    try {
      const payload = jwt.verify(token, this.#secret, {
        algorithms: ['HS256'],
        ignoreExpiration: ofAnyAge,
        clockTimestamp: Math.floor(this.#clock.now().getTime() / 1000),
      });
      const parsed = claims.safeParse(payload);
      return parsed.success ? { kind: 'valid', claims: parsed.data } : { kind: 'invalid' };
    } catch (error) {
      return error instanceof jwt.TokenExpiredError ? { kind: 'expired' } : { kind: 'invalid' };
    }
  }
}
