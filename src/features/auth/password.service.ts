import { AppError } from '../../errors/app-error.ts';
import type { Clock } from '../../platform/clock/clock.ts';
import type { PasswordHasher } from '../../platform/crypto/password-hasher.ts';
import type { UnitOfWork } from '../../platform/db/unit-of-work.ts';
import type { AuditRepository, Doer } from '../audit/index.ts';
import type { MailService } from '../mail/index.ts';
import type { UserRepository } from '../users/index.ts';
import type { OneTimeCodeRepository } from './one-time-code.repository.ts';
import type { PasswordCheckService } from './password-check.service.ts';
import type { SessionRepository } from './session.repository.ts';

export interface PasswordDependencies {
  readonly uow: UnitOfWork;
  readonly users: UserRepository;
  readonly sessions: SessionRepository;
  readonly codes: OneTimeCodeRepository;
  readonly audit: AuditRepository;
  readonly mail: MailService;
  readonly passwordCheck: PasswordCheckService;
  readonly passwordHasher: PasswordHasher;
  readonly clock: Clock;
}

/** Another password for somebody who knows the present one. */
export class PasswordService {
  readonly #deps: PasswordDependencies;

  constructor(deps: PasswordDependencies) {
    this.#deps = deps;
  }

  /**
   * Sets the new password, ends every session but the one that asks and answers how many. INVALID_CREDENTIALS: the current
   * password is wrong; CONFLICT: it was changed by another request; DEPENDENCY_UNAVAILABLE (too many at once).
   */
  async change(
    session: { readonly userId: string; readonly sessionId: string },
    passwords: { readonly current: string; readonly next: string },
    by: Doer,
  ): Promise<number> {
    const { uow, users, sessions, codes, audit, mail, passwordCheck, passwordHasher, clock } = this.#deps;
    const { userId, sessionId } = session;
    const { user, passwordHash } = await passwordCheck.check(userId, passwords.current, by.origin);
    const newHash = await passwordHasher.hash(passwords.next);
    return uow.run(async (tx) => {
      const now = clock.now();
      // The code first, as resetting does: in one order they cannot hold each other up for ever.
      await codes.void(tx, userId, 'PASSWORD_RESET', now);
      if (!(await users.changePassword(tx, userId, { oldHash: passwordHash, newHash, at: now }))) {
        throw new AppError('CONFLICT', { message: 'The password was changed by another request' });
      }
      const sessionsEnded = await sessions.revokeAll(tx, userId, now, sessionId);
      await audit.append(tx, {
        action: 'user.password_changed',
        ...by,
        subject: { type: 'user', id: userId },
        metadata: { sessionsEnded },
      });
      await mail.sendPasswordChanged(tx, user.email, by.origin.ip);
      return sessionsEnded;
    });
  }
}
