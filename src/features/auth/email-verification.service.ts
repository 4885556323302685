import { AppError } from '../../errors/app-error.ts';
import type { Clock } from '../../platform/clock/clock.ts';
import type { Tx, UnitOfWork } from '../../platform/db/unit-of-work.ts';
import type { ActingUser, AuditActor, AuditOrigin, AuditRepository } from '../audit/index.ts';
import type { MailService } from '../mail/index.ts';
import type { User, UserRepository } from '../users/index.ts';
import type { OneTimeCodeRepository } from './one-time-code.repository.ts';
import { CODE_POLICY, type OneTimeCodeService } from './one-time-code.service.ts';

const PURPOSE = 'EMAIL_VERIFICATION';

export interface EmailVerificationDependencies {
  readonly uow: UnitOfWork;
  readonly users: UserRepository;
  readonly codes: OneTimeCodeRepository;
  readonly oneTimeCodes: OneTimeCodeService;
  readonly audit: AuditRepository;
  readonly mail: MailService;
  readonly clock: Clock;
  /** What else there is to be done, in the transaction that proves an address. */
  readonly onEmailVerified: (tx: Tx, user: ActingUser) => Promise<void>;
}

/** Whether a code is on its way, and until when it is good; null when the address is proven already. */
export interface SentCode {
  readonly sent: boolean;
  readonly expiresAt: Date | null;
}

/** Proves e-mail addresses by codes that are mailed to them. */
export class EmailVerificationService {
  readonly #deps: EmailVerificationDependencies;

  constructor(deps: EmailVerificationDependencies) {
    this.#deps = deps;
  }

  /** The first code, in the transaction of the registration. */
  async sendFirst(tx: Tx, user: User): Promise<void> {
    await this.#put(tx, user, user.createdAt);
  }

  /**
   * A code for the address that the account is about to get, in the transaction of the change and before the user's row
   * is touched (`verify` locks in the same order). Where it is too early for another mail nothing is sent; the code for
   * the old address, which proves nothing any more, then no longer counts as one that is on its way.
   */
  async sendToNewAddress(tx: Tx, user: Pick<User, 'id' | 'email'>): Promise<void> {
    const now = this.#deps.clock.now();
    if ((await this.#put(tx, user, now)) === null) await this.#deps.codes.void(tx, user.id, PURPOSE, now);
  }

  /**
   * Sends a new code. The one of the registration counts as the answer to a first request that comes within a minute
   * of it: a second mail would only make the first one's code useless. RATE_LIMITED: the last one is too young, or the
   * tries are used up.
   */
  async send(userId: string, actor: AuditActor, origin: AuditOrigin): Promise<SentCode> {
    const { uow, users, codes, audit, clock } = this.#deps;
    const user = await users.findById(userId);
    if (!user) throw new AppError('UNAUTHENTICATED');
    if (user.emailVerifiedAt !== null) return { sent: false, expiresAt: null };
    const now = clock.now();
    const expiresAt = await uow.run(async (tx) => {
      const mailed = await this.#put(tx, user, now);
      const good =
        mailed ?? (await codes.adoptFirst(tx, userId, PURPOSE, { registeredAt: user.createdAt, now }, CODE_POLICY));
      if (good === null) return null;
      await audit.append(tx, {
        action: 'user.otp_sent',
        actor,
        origin,
        subject: { type: 'user', id: userId },
        metadata: { mailed: mailed !== null },
      });
      return good;
    });
    if (expiresAt === null) throw await this.#limited(userId, now);
    return { sent: true, expiresAt };
  }

  /** The verified user. OTP_INVALID: wrong or expired; RATE_LIMITED: no try is left. */
  async verify(userId: string, code: string, actor: AuditActor, origin: AuditOrigin): Promise<User> {
    const { users, codes, oneTimeCodes, clock } = this.#deps;
    const user = await users.findById(userId);
    if (!user) throw new AppError('UNAUTHENTICATED');
    if (user.emailVerifiedAt !== null) return user;
    const now = clock.now();
    const guess = await oneTimeCodes.guess(PURPOSE, user, { code, now });
    if (guess.outcome === 'none') {
      // Another request with the right code may have been first. The code goes in the transaction that verifies, so
      // whoever finds no code here finds the user verified after it; the other way round both could be missed.
      const state = await codes.find(userId, PURPOSE);
      const current = await users.findById(userId);
      if (current && current.emailVerifiedAt !== null) return current;
      const usedUp = state !== null && state.attempts >= CODE_POLICY.maxAttempts;
      throw usedUp && state.windowStartedAt.getTime() + CODE_POLICY.windowMs > now.getTime()
        ? await this.#limited(userId, now)
        : new AppError('OTP_INVALID', { message: 'There is no code that is good now; ask for a new one' });
    }
    if (guess.outcome === 'wrong') throw new AppError('OTP_INVALID');
    return this.#markVerified(user, guess.codeHash, actor, origin);
  }

  async #markVerified(
    user: User,
    codeHash: Uint8Array<ArrayBuffer>,
    actor: AuditActor,
    origin: AuditOrigin,
  ): Promise<User> {
    const { uow, users, codes, audit, clock, onEmailVerified } = this.#deps;
    const verified = await uow.run(async (tx) => {
      if (!(await codes.consume(tx, user.id, PURPOSE, codeHash))) return null;
      const changed = await users.markEmailVerified(tx, user.id, user.email, clock.now());
      if (!changed) return null;
      await audit.append(tx, {
        action: 'user.email_verified',
        actor,
        origin,
        subject: { type: 'user', id: user.id },
      });
      await onEmailVerified(tx, { userId: user.id, actor, origin });
      return changed;
    });
    if (verified) return verified;
    // Another request was first: with the same code, which is fine, or with a new code or address.
    const current = await users.findById(user.id);
    if (!current?.emailVerifiedAt) throw new AppError('OTP_INVALID');
    return current;
  }

  async #put(tx: Tx, user: Pick<User, 'id' | 'email'>, now: Date): Promise<Date | null> {
    const { oneTimeCodes, mail } = this.#deps;
    const issued = await oneTimeCodes.issue(tx, { purpose: PURPOSE, user }, now);
    if (issued === null) return null;
    await mail.sendOtp(tx, user.email, issued);
    return issued.expiresAt;
  }

  async #limited(userId: string, now: Date): Promise<AppError> {
    const state = await this.#deps.codes.find(userId, PURPOSE);
    const usedUp = state !== null && state.attempts >= CODE_POLICY.maxAttempts;
    const until = usedUp
      ? state.windowStartedAt.getTime() + CODE_POLICY.windowMs
      : (state?.sentAt ?? now).getTime() + CODE_POLICY.resendAfterMs;
    return new AppError('RATE_LIMITED', {
      message: usedUp
        ? 'Too many wrong codes; ask for a new one later'
        : 'A code was sent a moment ago; look for it first',
      retryAfterSeconds: Math.max(1, Math.ceil((until - now.getTime()) / 1000)),
    });
  }
}
