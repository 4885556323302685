import { AppError } from '../../errors/app-error.ts';
import type { Clock } from '../../platform/clock/clock.ts';
import { isId } from '../../platform/crypto/random.ts';
import type { UnitOfWork } from '../../platform/db/unit-of-work.ts';
import type { Page, PageRequest } from '../../platform/keyset.ts';
import type { ActingUser, AuditRepository } from '../audit/index.ts';
import type { UserRepository } from '../users/index.ts';
import type { AdminKeyRepository } from './admin-key.repository.ts';
import type { AdminKey, AdminKeyFilter, QuotaChange } from './admin-key.ts';

import type { KeyRevocationService } from './key-revocation.service.ts';

export interface AdminKeyDependencies {
  readonly uow: UnitOfWork;
  readonly keys: AdminKeyRepository;
  readonly users: UserRepository;
  readonly revocation: KeyRevocationService;
  readonly audit: AuditRepository;
  readonly clock: Clock;
}

/** What admins do with everybody's keys. */
export class AdminKeyService {
  readonly #deps: AdminKeyDependencies;

  constructor(deps: AdminKeyDependencies) {
    this.#deps = deps;
  }

  list(filter: AdminKeyFilter, page: PageRequest): Promise<Page<AdminKey>> {
    return this.#deps.keys.page(filter, page, this.#deps.clock.now());
  }

  /**
   * Sets one or both limits of a key's pocket, in bytes and objects. Below what is used is allowed: then it takes no new
   * byte, and everything else goes on. API_KEY_NOT_FOUND.
   */
  async changeQuota(admin: ActingUser, id: string, change: QuotaChange): Promise<AdminKey> {
    const { uow, keys, users, audit } = this.#deps;
    const { key } = await this.#get(id);
    await uow.run(async (tx) => {
      await users.holdAdmin(tx, admin.userId);
      const changed = await keys.changeQuota(tx, key.id, change);
      if (!changed) return;
      const { before, after } = changed;
      await audit.append(tx, {
        action: 'admin.key_quota_change',
        actor: admin.actor,
        origin: admin.origin,
        accessKeyId: key.accessKeyId,
        subject: { type: 'key', id: key.id },
        metadata: {
          oldMaxBytes: before.maxBytes,
          newMaxBytes: after.maxBytes,
          oldMaxObjects: before.maxObjects,
          newMaxObjects: after.maxObjects,
        },
      });
    });
    return this.#get(id);
  }

  /** Ends a key, as its owner could; the owner is told by mail. Harmless a second time. API_KEY_NOT_FOUND. */
  async revoke(admin: ActingUser, id: string): Promise<AdminKey> {
    const { key, user } = await this.#get(id);
    await this.#deps.revocation.revoke(key, user, { ...admin, byAdmin: true });
    return this.#get(id);
  }

  async #get(id: string): Promise<AdminKey> {
    const key = isId(id) ? await this.#deps.keys.find(id, this.#deps.clock.now()) : null;
    if (!key) throw new AppError('API_KEY_NOT_FOUND');
    return key;
  }
}
