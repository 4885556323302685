import { AppError } from '../../errors/app-error.ts';
import { type PasswordHasher, passwordFault } from '../../platform/crypto/password-hasher.ts';
import type { AuditOrigin } from '../audit/index.ts';
import type { User, UserRepository } from '../users/index.ts';

export interface PasswordCheckDependencies {
  readonly users: UserRepository;
  readonly passwordHasher: PasswordHasher;
}

/** Asks somebody who is logged in for the password once more, before what cannot be taken back. */
export class PasswordCheckService {
  readonly #deps: PasswordCheckDependencies;

  constructor(deps: PasswordCheckDependencies) {
    this.#deps = deps;
  }

  /** The user, whose password this is. Errors: INVALID_CREDENTIALS, DEPENDENCY_UNAVAILABLE (too many at once). */
  async check(userId: string, password: string, _origin: AuditOrigin): Promise<{ user: User; passwordHash: string }> {
    const found = await this.#deps.users.findWithPassword(userId);
    const hash = passwordFault(password) === null ? (found?.passwordHash ?? null) : null;
    if (!(await this.#deps.passwordHasher.verify(password, hash)) || !found) {
      throw new AppError('INVALID_CREDENTIALS', { message: 'The password is wrong' });
    }
    return found;
  }
}
