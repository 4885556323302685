import { AppError } from '../../errors/app-error.ts';
import { sha256 } from '../../platform/crypto/random.ts';
import { addressKey } from '../../platform/rate-limit/address-key.ts';
import type { RateLimiter, RateLimitRule, RateLimitVerdict } from '../../platform/rate-limit/rate-limiter.ts';
import { comparisonKey } from '../users/index.ts';

/** Wrong passwords for one account from one address, before both are kept apart for a while. */
export const LOCK_OUT: RateLimitRule = { points: 10, seconds: 15 * 60 };

/** How a login names an account, by e-mail address or username; what `LoginGuard` counts by. */
export function nameOf(login: { readonly email: string } | { readonly username: string }): string {
  return 'email' in login ? `email:${comparisonKey(login.email)}` : `username:${comparisonKey(login.username)}`;
}

/**
 * Ends guessing: after 10 wrong passwords within 15 minutes an account is locked for the address that they came from,
 * in every process, and for nobody else, so that nobody can lock somebody out. An unknown account is locked alike.
 */
export class LoginGuard {
  readonly #failures: RateLimiter;
  readonly #advice: string;

  /** `advice`: what else there is to do than to wait. */
  constructor(failures: RateLimiter, advice = ' or set a new password') {
    this.#failures = failures;
    this.#advice = advice;
  }

  /**
   * By how the account was named, not by which one it is: else that two names share one count would tell that they are one
   * account, and that they do not, that there is none. Names and addresses are kept only as a part of a hash.
   */
  keyOf(name: string, ip: string | null): string {
    return sha256(`${name}\n${addressKey(ip)}`).toString('base64url');
  }

  /**
   * Ask before a password is compared, so that guessing costs us nothing, and again when it was right: of many guesses
   * at once, those past the tenth wrong one are then worth nothing either. RATE_LIMITED.
   */
  async assertOpen(key: string): Promise<void> {
    const verdict = await this.#failures.peek(key);
    if (!verdict.allowed) throw this.#lockedOut(verdict);
  }

  /** Counts a wrong password; true when it was the last one. RATE_LIMITED when it came too late to be told from a right one. */
  async noteFailure(key: string): Promise<boolean> {
    const verdict = await this.#failures.consume(key);
    if (!verdict.allowed) throw this.#lockedOut(verdict);
    return verdict.remaining === 0;
  }

  /** A right password: whoever knows it has not been guessing. */
  async noteSuccess(key: string): Promise<void> {
    await this.#failures.reset(key);
  }

  #lockedOut({ resetSeconds }: RateLimitVerdict): AppError {
    return new AppError('RATE_LIMITED', {
      message: `Too many wrong passwords from this address; try again later${this.#advice}`,
      retryAfterSeconds: resetSeconds,
    });
  }
}
