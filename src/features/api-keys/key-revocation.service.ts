import type { Clock } from '../../platform/clock/clock.ts';
import type { UnitOfWork } from '../../platform/db/unit-of-work.ts';
import type { ActingUser, AuditRepository } from '../audit/index.ts';
import type { MailService } from '../mail/index.ts';
import type { User, UserRepository } from '../users/index.ts';
import type { ApiKeyRepository } from './api-key.repository.ts';
import type { ApiKey } from './api-key.ts';

export interface KeyRevocationDependencies {
  readonly uow: UnitOfWork;
  readonly keys: ApiKeyRepository;
  readonly users: UserRepository;
  readonly audit: AuditRepository;
  readonly mail: MailService;
  readonly clock: Clock;
}

/** What revoking a key is, whoever does it. */
export class KeyRevocationService {
  readonly #deps: KeyRevocationDependencies;

  constructor(deps: KeyRevocationDependencies) {
    this.#deps = deps;
  }

  /**
   * Ends the key: its next request fails, in every process. The owner gets one mail. Harmless a second time. FORBIDDEN when
   * the admin is none any more.
   */
  async revoke(key: ApiKey, owner: Pick<User, 'id' | 'email'>, by: ActingUser & { byAdmin: boolean }): Promise<void> {
    const { uow, keys, users, audit, mail, clock } = this.#deps;
    const { accessKeyId } = key;
    await uow.run(async (tx) => {
      if (by.byAdmin) await users.holdAdmin(tx, by.userId);
      if (!(await keys.revoke(tx, owner.id, key.id, clock.now()))) return;
      await audit.append(tx, {
        action: 'key.revoke',
        actor: by.actor,
        origin: by.origin,
        accessKeyId,
        subject: { type: 'key', id: key.id },
      });
      await mail.sendKeyRevoked(tx, owner.email, { keyName: key.name, accessKeyId, byAdmin: by.byAdmin });
    });
  }
}
