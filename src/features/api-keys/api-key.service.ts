import { AppError } from '../../errors/app-error.ts';
import type { Clock } from '../../platform/clock/clock.ts';
import { isId } from '../../platform/crypto/random.ts';
import type { UnitOfWork } from '../../platform/db/unit-of-work.ts';
import type { Page, PageRequest } from '../../platform/keyset.ts';
import type { Permission, SpaceSnapshot } from '../access/index.ts';
import type { ActingUser, AuditRepository } from '../audit/index.ts';
import type { UserRepository } from '../users/index.ts';
import type { ApiKeyRepository } from './api-key.repository.ts';
import type { ApiKey } from './api-key.ts';
import { invalid } from './key-faults.ts';

import type { KeyRevocationService } from './key-revocation.service.ts';

export interface ApiKeyDependencies {
  readonly uow: UnitOfWork;
  readonly keys: ApiKeyRepository;
  readonly users: UserRepository;
  readonly revocation: KeyRevocationService;
  readonly audit: AuditRepository;
  readonly clock: Clock;
}

/** What is undefined stays as it is. */
export interface KeyChange {
  readonly name: string | undefined;
  /** Some of the present ones, at least one. */
  readonly permissions: readonly Permission[] | undefined;
}

/** A user's own keys. What is not the user's is API_KEY_NOT_FOUND, as what does not exist. */
export class ApiKeyService {
  readonly #deps: ApiKeyDependencies;

  constructor(deps: ApiKeyDependencies) {
    this.#deps = deps;
  }

  list(userId: string, page: PageRequest): Promise<Page<ApiKey>> {
    return this.#deps.keys.pageOwned(userId, page, this.#deps.clock.now());
  }

  /** The newest `limit` keys, each with its pocket's counters. */
  listWithSpaces(userId: string, limit: number): Promise<{ readonly key: ApiKey; readonly space: SpaceSnapshot }[]> {
    return this.#deps.keys.listWithSpaces(userId, limit, this.#deps.clock.now());
  }

  async get(userId: string, id: string): Promise<ApiKey> {
    const key = isId(id) ? await this.#deps.keys.findOwned(userId, id, this.#deps.clock.now()) : null;
    if (!key) throw new AppError('API_KEY_NOT_FOUND');
    return key;
  }

  /** The counters of the key's pocket. */
  async getSpace(userId: string, id: string): Promise<SpaceSnapshot> {
    const space = isId(id) ? await this.#deps.keys.findSpace(userId, id) : null;
    if (!space) throw new AppError('API_KEY_NOT_FOUND');
    return space;
  }

  /**
   * Renames a key, or takes permissions from it; it never gets one back, also not by two changes at once.
   * VALIDATION_FAILED names those that it has not; CONFLICT for a revoked key.
   */
  async change(owner: ActingUser, id: string, change: KeyChange): Promise<ApiKey> {
    const { uow, keys, audit, clock } = this.#deps;
    if (!isId(id)) throw new AppError('API_KEY_NOT_FOUND');
    const owned = { userId: owner.userId, id, now: clock.now() };
    return uow.run(async (tx) => {
      const before = await keys.lockOwned(tx, owned);
      if (!before) throw new AppError('API_KEY_NOT_FOUND');
      if (before.revokedAt !== null) throw new AppError('CONFLICT', { message: 'The API key is revoked' });
      assertFewer(before.permissions, change.permissions);
      const metadata = differences(before, change);
      if (Object.keys(metadata).length === 0) return before;
      await audit.append(tx, {
        action: 'key.change',
        actor: owner.actor,
        origin: owner.origin,
        accessKeyId: before.accessKeyId,
        subject: { type: 'key', id: before.id },
        metadata,
      });
      return keys.change(tx, owned, change);
    });
  }

  /** Ends the key: its next request fails, in every process. The owner gets one mail. Harmless a second time. */
  async revoke(owner: ActingUser, id: string): Promise<ApiKey> {
    const { users, revocation } = this.#deps;
    const key = await this.get(owner.userId, id);
    const user = await users.findById(owner.userId);
    if (!user) throw new AppError('API_KEY_NOT_FOUND');
    await revocation.revoke(key, user, { ...owner, byAdmin: false });
    return this.get(owner.userId, id);
  }
}

function assertFewer(present: readonly Permission[], wanted: readonly Permission[] | undefined): void {
  const tooMany = wanted?.filter((permission) => !present.includes(permission)) ?? [];
  if (tooMany.length === 0) return;
  const message = `can only become fewer: the key has no permission to ${tooMany.join(', ')}`;
  throw invalid({ path: 'permissions', message });
}

/** What really changes, old and new, for the audit log. */
function differences(before: ApiKey, { name, permissions }: KeyChange): Record<string, string> {
  const renamed = name !== undefined && name !== before.name;
  const narrowed = permissions !== undefined && permissions.length < before.permissions.length;
  return {
    ...(renamed ? { oldName: before.name, newName: name } : {}),
    ...(narrowed ? { oldPermissions: before.permissions.join(','), newPermissions: permissions.join(',') } : {}),
  };
}
