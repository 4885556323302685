import { AppError } from '../../errors/app-error.ts';
import { sha256 } from '../../platform/crypto/random.ts';
import { addressKey } from '../../platform/rate-limit/address-key.ts';
import type { RateLimiter, RateLimitRule, RateLimitVerdict } from '../../platform/rate-limit/rate-limiter.ts';

/** Wrong passwords for one account from one address, before both are kept apart for a while. */
export const LOCK_OUT: RateLimitRule = { points: 10, seconds: 15 * 60 };

/**
 * Ends guessing: after 10 wrong passwords within 15 minutes an account is locked for the address that they came from,
 * in every process, and for nobody else, so that nobody can lock somebody out. An unknown account is locked alike.
 */
export class LoginGuard {
  readonly #failures: RateLimiter;

  constructor(failures: RateLimiter) {
    this.#failures = failures;
  }

  /** The account's id or, for one that does not exist, what was typed; addresses are kept only as a part of a hash. */
  keyOf(account: string, ip: string | null): string {
    return sha256(`${account}\n${addressKey(ip)}`).toString('base64url');
  }

  /**
   * Ask before a password is compared, so that guessing costs us nothing, and again when it was right: of many guesses
   * at once, those past the tenth wrong one are then worth nothing either. RATE_LIMITED.
   */
  async assertOpen(key: string): Promise<void> {
    const verdict = await this.#failures.peek(key);
    if (!verdict.allowed) throw lockedOut(verdict);
  }

  /** Counts a wrong password; true when it was the last one. RATE_LIMITED when it came too late to be told from a right one. */
  async noteFailure(key: string): Promise<boolean> {
    const verdict = await this.#failures.consume(key);
    if (!verdict.allowed) throw lockedOut(verdict);
    return verdict.remaining === 0;
  }

  /** A right password: whoever knows it has not been guessing. */
  async noteSuccess(key: string): Promise<void> {
    await this.#failures.reset(key);
  }
}

function lockedOut({ resetSeconds }: RateLimitVerdict): AppError {
  return new AppError('RATE_LIMITED', {
    message: 'Too many wrong passwords from this address; try again later or set a new password',
    retryAfterSeconds: resetSeconds,
  });
}
