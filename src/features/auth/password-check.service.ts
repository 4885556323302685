import { AppError } from '../../errors/app-error.ts';
import { type PasswordHasher, passwordFault } from '../../platform/crypto/password-hasher.ts';
import type { UnitOfWork } from '../../platform/db/unit-of-work.ts';
import { ANONYMOUS_ACTOR, type AuditOrigin, type AuditRepository } from '../audit/index.ts';
import type { User, UserRepository, UserWithPassword } from '../users/index.ts';
import type { LoginGuard } from './login-guard.ts';

export interface PasswordCheckDependencies {
  readonly uow: UnitOfWork;
  readonly users: UserRepository;
  readonly audit: AuditRepository;
  readonly passwordHasher: PasswordHasher;
  readonly guard: LoginGuard;
}

/** A password that somebody gives for an account: that of `found`, or of one that there is not. */
export interface PasswordClaim {
  readonly found: UserWithPassword | null;
  /** How the account was named: the guesses are counted by that, whether there is such an account or not. */
  readonly name: string;
  readonly password: string;
  readonly origin: AuditOrigin;
}

/** The one place where passwords are compared, with an end to guessing. */
export class PasswordCheckService {
  readonly #deps: PasswordCheckDependencies;

  constructor(deps: PasswordCheckDependencies) {
    this.#deps = deps;
  }

  /**
   * The account whose password it is. INVALID_CREDENTIALS for a wrong password and an unknown account alike, in one time;
   * RATE_LIMITED after ten wrong ones from this address, whatever the password; DEPENDENCY_UNAVAILABLE (too many at once).
   */
  async prove({ found, name, password, origin }: PasswordClaim): Promise<UserWithPassword> {
    const { passwordHasher, guard } = this.#deps;
    const key = guard.keyOf(name, origin.ip);
    await guard.assertOpen(key);
    // A password that could not have been set is compared as well: bcrypt would see only a part of it.
    const hash = passwordFault(password) === null ? (found?.passwordHash ?? null) : null;
    if ((await passwordHasher.verify(password, hash)) && found) {
      await guard.assertOpen(key);
      await guard.noteSuccess(key);
      return found;
    }
    const lockedOut = await guard.noteFailure(key);
    await this.noteRefusal(found?.user ?? null, { reason: found ? 'password' : 'account', lockedOut }, origin);
    throw new AppError('INVALID_CREDENTIALS', { message: 'The login or the password is wrong' });
  }

  /** Asks somebody who is logged in for the password once more, before what cannot be taken back. Errors as `prove`. */
  async check(userId: string, password: string, origin: AuditOrigin): Promise<UserWithPassword> {
    const found = await this.#deps.users.findWithPassword(userId);
    return this.prove({ found, name: `id:${userId}`, password, origin });
  }

  /** What was typed is not recorded: people type passwords into the wrong field. */
  async noteRefusal(
    user: User | null,
    metadata: Readonly<Record<string, string | boolean>>,
    origin: AuditOrigin,
  ): Promise<void> {
    const { uow, audit } = this.#deps;
    await uow.run((tx) =>
      audit.append(tx, {
        action: 'user.login_failed',
        actor: ANONYMOUS_ACTOR,
        origin,
        metadata,
        ...(user ? { subject: { type: 'user', id: user.id } as const } : {}),
      }),
    );
  }
}
