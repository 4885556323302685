import type { Request, Response } from 'express';
import { AppError } from '../errors/app-error.ts';
import type { Principal } from '../features/access/index.ts';
import { addressKey, ipAddressOf } from '../platform/rate-limit/address-key.ts';
import type { RateLimiter, RateLimitVerdict } from '../platform/rate-limit/rate-limiter.ts';

/** The limits of DESIGN.md; null: none. */
export interface RateLimiters {
  /** On what could be guessed at, for each address. */
  readonly auth: RateLimiter | null;
  /** On uploads, for each key or user. */
  readonly upload: RateLimiter | null;
  /** On everything else, for each key, user, or address that proves nothing. */
  readonly api: RateLimiter | null;
}

/** Counts one request of this principal, or of the sender's address; says what is left, and refuses with RATE_LIMITED. */
export async function countRequest(
  limiter: RateLimiter | null,
  principal: Principal | null,
  { req, res }: { readonly req: Request; readonly res: Response },
): Promise<void> {
  if (!limiter) return;
  const verdict = await limiter.consume(
    principal ? keyOfPrincipal(principal) : `ip:${addressKey(ipAddressOf(req.ip))}`,
  );
  setHeaders(res, verdict);
  if (verdict.allowed) return;
  throw new AppError('RATE_LIMITED', {
    details: { limit: verdict.rule.points, windowSeconds: verdict.rule.seconds },
    retryAfterSeconds: verdict.resetSeconds,
  });
}

/** draft-ietf-httpapi-ratelimit-headers, in the form of its drafts 3 to 6 that clients know. */
function setHeaders(res: Response, { rule, remaining, resetSeconds }: RateLimitVerdict): void {
  res.setHeader('RateLimit-Limit', rule.points);
  res.setHeader('RateLimit-Remaining', remaining);
  res.setHeader('RateLimit-Reset', resetSeconds);
  res.setHeader('RateLimit-Policy', `${rule.points};w=${rule.seconds}`);
}

function keyOfPrincipal(principal: Principal): string {
  return principal.kind === 'key' ? `key:${principal.apiKeyId}` : `user:${principal.userId}`;
}
