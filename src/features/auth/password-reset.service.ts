import { AppError } from '../../errors/app-error.ts';
import type { Clock } from '../../platform/clock/clock.ts';
import type { PasswordHasher } from '../../platform/crypto/password-hasher.ts';
import type { Sealer } from '../../platform/crypto/seal.ts';
import type { UnitOfWork } from '../../platform/db/unit-of-work.ts';
import type { JobSender } from '../../platform/queue/job-queue.ts';
import { type AuditOrigin, type AuditRepository, actorOf } from '../audit/index.ts';
import type { MailService } from '../mail/index.ts';
import type { UserRepository, UserWithPassword } from '../users/index.ts';
import { resetRequestJob } from './auth.jobs.ts';
import { type LoginGuard, nameOf } from './login-guard.ts';
import type { OneTimeCodeRepository } from './one-time-code.repository.ts';
import type { OneTimeCodeService } from './one-time-code.service.ts';
import { sealResetRequest } from './sealed-reset-request.ts';
import type { SessionRepository } from './session.repository.ts';

const PURPOSE = 'PASSWORD_RESET';

export interface PasswordResetDependencies {
  readonly uow: UnitOfWork;
  readonly users: UserRepository;
  readonly sessions: SessionRepository;
  readonly codes: OneTimeCodeRepository;
  readonly oneTimeCodes: OneTimeCodeService;
  readonly audit: AuditRepository;
  readonly mail: MailService;
  readonly passwordHasher: PasswordHasher;
  readonly guard: LoginGuard;
  readonly queue: JobSender;
  readonly sealer: Sealer;
  readonly clock: Clock;
}

/** Another password for somebody who reads the account's mail. Nothing here tells who has an account. */
export class PasswordResetService {
  readonly #deps: PasswordResetDependencies;

  constructor(deps: PasswordResetDependencies) {
    this.#deps = deps;
  }

  /** Only notes the wish: whether there is such an account is looked up later, where nobody can take the time. */
  async request(email: string, origin: AuditOrigin): Promise<void> {
    const { uow, queue, sealer, clock } = this.#deps;
    const request = sealResetRequest(sealer, { email, origin, requestedAt: clock.now() });
    await uow.run((tx) => queue.enqueue(tx, resetRequestJob, request));
  }

  /**
   * Sets the new password and ends every session. OTP_INVALID, after one time, for an unknown account and for a code that
   * is wrong, expired, used or has no try left; DEPENDENCY_UNAVAILABLE (too many at once).
   */
  async reset(
    proof: { readonly email: string; readonly code: string },
    newPassword: string,
    origin: AuditOrigin,
  ): Promise<void> {
    const { users, oneTimeCodes, passwordHasher, clock } = this.#deps;
    const found = await users.findForLogin({ email: proof.email });
    const guess = await oneTimeCodes.guess(PURPOSE, found?.user ?? null, { code: proof.code, now: clock.now() });
    if (!found || guess.outcome !== 'right') throw new AppError('OTP_INVALID');
    const newHash = await passwordHasher.hash(newPassword);
    await this.#set(found, { newHash, codeHash: guess.codeHash }, origin);
    // Whoever had forgotten it has guessed before.
    const { guard } = this.#deps;
    const { email, username } = found.user;
    const logins = [{ email }, ...(username === null ? [] : [{ username }])];
    for (const login of logins) await guard.noteSuccess(guard.keyOf(nameOf(login), origin.ip));
  }

  async #set(
    { user, passwordHash }: UserWithPassword,
    { newHash, codeHash }: { readonly newHash: string; readonly codeHash: Uint8Array<ArrayBuffer> },
    origin: AuditOrigin,
  ): Promise<void> {
    const { uow, users, sessions, codes, audit, mail, clock } = this.#deps;
    await uow.run(async (tx) => {
      const now = clock.now();
      const done =
        (await codes.consume(tx, user.id, PURPOSE, codeHash)) &&
        (await users.changePassword(tx, user.id, { oldHash: passwordHash, newHash, at: now }));
      // Another request was first, or the account was disabled. Throwing leaves everything as it was.
      if (!done) throw new AppError('OTP_INVALID');
      const sessionsEnded = await sessions.revokeAll(tx, user.id, now);
      await audit.append(tx, {
        action: 'user.password_reset',
        actor: actorOf({ kind: 'user', userId: user.id, role: user.role }),
        origin,
        subject: { type: 'user', id: user.id },
        metadata: { sessionsEnded },
      });
      await mail.sendPasswordChanged(tx, user.email, origin.ip);
    });
  }
}
