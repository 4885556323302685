import { AppError } from '../../errors/app-error.ts';
import type { Clock } from '../../platform/clock/clock.ts';
import type { PasswordHasher } from '../../platform/crypto/password-hasher.ts';
import { isId, newId, newSecretKey } from '../../platform/crypto/random.ts';
import type { Sealer } from '../../platform/crypto/seal.ts';
import type { UnitOfWork } from '../../platform/db/unit-of-work.ts';
import type { SpaceSnapshot } from '../access/index.ts';
import type { AuditActor, AuditOrigin, AuditRepository } from '../audit/index.ts';
import type { ApiKeyRepository } from './api-key.repository.ts';
import type { ApiKey, ClaimedSecret } from './api-key.ts';
import type { Page, PageRequest } from './key-request.ts';

export interface ApiKeyDependencies {
  readonly uow: UnitOfWork;
  readonly keys: ApiKeyRepository;
  readonly audit: AuditRepository;
  readonly secretHasher: PasswordHasher;
  readonly sealer: Sealer;
  readonly clock: Clock;
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
   * Makes the key's secret and gives it out, once: of any number of requests one gets it. ALREADY_CLAIMED; CONFLICT for a
   * key that is revoked or has expired.
   */
  async claim(userId: string, id: string, actor: AuditActor, origin: AuditOrigin): Promise<ClaimedSecret> {
    const { uow, keys, audit, secretHasher, sealer, clock } = this.#deps;
    const key = await this.get(userId, id);
    assertClaimable(key);
    const secretKey = newSecretKey();
    const secretId = newId();
    const secret = {
      id: secretId,
      hash: await secretHasher.hash(secretKey),
      sealed: sealer.seal(secretKey, secretId),
    };
    const claimed = await uow.run(async (tx) => {
      if (!(await keys.claim(tx, userId, id, secret, clock.now()))) return false;
      await audit.append(tx, {
        action: 'key.claim',
        actor,
        origin,
        accessKeyId: key.accessKeyId,
        subject: { type: 'key', id },
      });
      return true;
    });
    if (!claimed) {
      assertClaimable(await this.get(userId, id));
      throw new AppError('CONFLICT');
    }
    return { accessKeyId: key.accessKeyId, secretKey };
  }

  /** Ends the key: its next request fails, in every process. Harmless a second time. */
  async revoke(userId: string, id: string, actor: AuditActor, origin: AuditOrigin): Promise<ApiKey> {
    const { uow, keys, audit, clock } = this.#deps;
    const key = await this.get(userId, id);
    await uow.run(async (tx) => {
      if (!(await keys.revoke(tx, userId, id, clock.now()))) return;
      await audit.append(tx, {
        action: 'key.revoke',
        actor,
        origin,
        accessKeyId: key.accessKeyId,
        subject: { type: 'key', id },
      });
    });
    return this.get(userId, id);
  }
}

function assertClaimable(key: ApiKey): void {
  if (key.claimedAt !== null) throw new AppError('ALREADY_CLAIMED');
  if (key.revokedAt !== null) throw new AppError('CONFLICT', { message: 'The API key is revoked' });
  if (!key.isActive) throw new AppError('CONFLICT', { message: 'The API key has expired' });
}
