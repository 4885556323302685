import type { Clock } from '../../platform/clock/clock.ts';
import { type PasswordHasher, passwordFault } from '../../platform/crypto/password-hasher.ts';
import { newId, newSecretKey } from '../../platform/crypto/random.ts';
import type { UnitOfWork } from '../../platform/db/unit-of-work.ts';
import { type AuditRepository, SYSTEM_ACTOR, SYSTEM_ORIGIN } from '../audit/index.ts';
import { emailFault, type UserRepository } from '../users/index.ts';

/** Some 119 bits. */
const GENERATED_PASSWORD_LENGTH = 20;

export interface FirstAdminDependencies {
  readonly uow: UnitOfWork;
  readonly users: UserRepository;
  readonly audit: AuditRepository;
  readonly passwordHasher: PasswordHasher;
  readonly clock: Clock;
  readonly driveQuota: { readonly bytes: number; readonly objects: number };
}

/** Sees to it that a new installation has somebody who can approve. */
export class FirstAdminService {
  readonly #deps: FirstAdminDependencies;

  constructor(deps: FirstAdminDependencies) {
    this.#deps = deps;
  }

  /**
   * Creates a verified admin when there is no admin at all; of any number of processes that start at once, one does.
   * Answers the password where it was made up here (show it once: nobody can read it again), else null. Throws a plain
   * Error when the address or password cannot be used.
   */
  async ensureFirstAdmin(admin: {
    readonly email: string;
    readonly password?: string | undefined;
  }): Promise<string | null> {
    const { uow, users, audit, passwordHasher, clock, driveQuota } = this.#deps;
    if (await users.hasAdmin(null)) return null;
    const email = admin.email.trim().normalize('NFC');
    const generated = admin.password === undefined ? newSecretKey().slice(0, GENERATED_PASSWORD_LENGTH) : null;
    const password = admin.password ?? generated ?? '';
    const fault = emailFault(email) ?? passwordFault(password);
    if (fault !== null) throw new Error(`the first admin (ADMIN_EMAIL, ADMIN_PASSWORD) cannot be created: ${fault}`);
    const passwordHash = await passwordHasher.hash(password);
    return uow.run(async (tx) => {
      await users.lockFirstAdmin(tx);
      if (await users.hasAdmin(tx)) return null;
      const now = clock.now();
      const user = await users.create(tx, {
        id: newId(),
        email,
        username: null,
        name: null,
        passwordHash,
        role: 'ADMIN',
        emailVerifiedAt: now,
        createdAt: now,
        driveQuota,
      });
      if (typeof user === 'string') {
        throw new Error(`the first admin cannot be created: ADMIN_EMAIL (${email}) is the address of another account`);
      }
      await audit.append(tx, {
        action: 'system.admin_created',
        actor: SYSTEM_ACTOR,
        origin: SYSTEM_ORIGIN,
        subject: { type: 'user', id: user.id },
      });
      return generated;
    });
  }
}
