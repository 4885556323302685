import { AppError } from '../../errors/app-error.ts';
import type { Clock } from '../../platform/clock/clock.ts';
import { isId, newId } from '../../platform/crypto/random.ts';
import type { UnitOfWork } from '../../platform/db/unit-of-work.ts';
import type { Page, PageRequest } from '../../platform/keyset.ts';
import { PERMISSIONS, type Permission } from '../access/index.ts';
import type { ActingUser, AuditRepository } from '../audit/index.ts';
import type { MailService } from '../mail/index.ts';
import type { UserRepository } from '../users/index.ts';
import type { ApiKeyRepository } from './api-key.repository.ts';
import { assertLiving, invalid, settled } from './key-faults.ts';
import { assertRaises } from './key-grant.ts';
import type { KeyRequestRepository, NewKeyRequest } from './key-request.repository.ts';
import type { KeyRequest } from './key-request.ts';

export interface KeyRequestDependencies {
  readonly uow: UnitOfWork;
  readonly requests: KeyRequestRepository;
  readonly keys: ApiKeyRepository;
  readonly users: UserRepository;
  readonly audit: AuditRepository;
  readonly mail: MailService;
  readonly clock: Clock;
}

export interface KeyWish {
  readonly keyName: string;
  readonly requestedStorageGB: number;
  readonly requestedObjects: number;
  readonly reason: string;
  /** All of them unless told. */
  readonly permissions: readonly Permission[] | undefined;
  readonly expiresAt: Date | undefined;
}

export interface UpgradeWish {
  readonly accessKeyId: string;
  readonly requestedStorageGB: number;
  readonly requestedObjects: number;
  readonly reason: string;
}

/** A user's own requests for keys. What is not the user's is REQUEST_NOT_FOUND, as what does not exist. */
export class KeyRequestService {
  readonly #deps: KeyRequestDependencies;

  constructor(deps: KeyRequestDependencies) {
    this.#deps = deps;
  }

  /** Asks for a key and tells the admins. VALIDATION_FAILED where the key would have expired already. */
  async create(asker: ActingUser, wish: KeyWish): Promise<KeyRequest> {
    const now = this.#deps.clock.now();
    if (wish.expiresAt && wish.expiresAt <= now) {
      throw invalid({ path: 'expiresAt', message: 'must lie in the future' });
    }
    const { expiresAt, permissions = PERMISSIONS, ...columns } = wish;
    return this.#ask(asker, {
      ...columns,
      id: newId(),
      userId: asker.userId,
      requestType: 'CREATE',
      apiKeyId: null,
      permissions,
      keyExpiresAt: expiresAt ?? null,
      createdAt: now,
    });
  }

  /**
   * Asks for more room in an own key and tells the admins. API_KEY_NOT_FOUND; VALIDATION_FAILED unless one limit is higher
   * and none lower than now; CONFLICT: revoked, expired, or an upgrade of the key waits already.
   */
  async upgrade(asker: ActingUser, wish: UpgradeWish): Promise<KeyRequest> {
    const { keys, clock } = this.#deps;
    const now = clock.now();
    const { accessKeyId, ...columns } = wish;
    const key = await keys.findOwnedByAccessKeyId(asker.userId, accessKeyId, now);
    if (!key) throw new AppError('API_KEY_NOT_FOUND');
    assertLiving(key);
    assertRaises(key.quota, wish);
    return this.#ask(asker, {
      ...columns,
      id: newId(),
      userId: asker.userId,
      requestType: 'UPGRADE',
      apiKeyId: key.id,
      keyName: key.name,
      // They stay as they are.
      permissions: [],
      keyExpiresAt: null,
      createdAt: now,
    });
  }

  list(userId: string, page: PageRequest): Promise<Page<KeyRequest>> {
    return this.#deps.requests.pageOwned(userId, page);
  }

  async get(userId: string, id: string): Promise<KeyRequest> {
    const request = isId(id) ? await this.#deps.requests.findOwned(userId, id) : null;
    if (!request) throw new AppError('REQUEST_NOT_FOUND');
    return request;
  }

  /** Takes a request back that nobody has reviewed. ALREADY_REVIEWED; CONFLICT when it was taken back before. */
  async withdraw({ userId, actor, origin }: ActingUser, id: string): Promise<KeyRequest> {
    const { uow, requests, audit } = this.#deps;
    await this.get(userId, id);
    const withdrawn = await uow.run(async (tx) => {
      if (!(await requests.withdraw(tx, userId, id))) return false;
      await audit.append(tx, { action: 'request.withdraw', actor, origin, subject: { type: 'request', id } });
      return true;
    });
    const request = await this.get(userId, id);
    if (!withdrawn) throw settled(request);
    return request;
  }

  async #ask({ userId, actor, origin }: ActingUser, wish: NewKeyRequest): Promise<KeyRequest> {
    const { uow, requests, users, audit, mail } = this.#deps;
    return uow.run(async (tx) => {
      const user = await users.holdLiving(tx, userId);
      // Since the request was let in.
      if (!user) throw new AppError('ACCOUNT_DISABLED');
      const request = await requests.create(tx, wish);
      if (!request) {
        throw new AppError('CONFLICT', { message: 'An upgrade of this key waits for review: withdraw it first' });
      }
      const { id, requestType, accessKeyId, keyName, requestedStorageGB, requestedObjects, reason } = request;
      await audit.append(tx, {
        action: 'request.create',
        actor,
        origin,
        subject: { type: 'request', id },
        ...(accessKeyId === null ? {} : { accessKeyId }),
        metadata: { requestType, keyName, requestedStorageGB, requestedObjects },
      });
      await mail.sendNewRequest(tx, await users.findAdminEmails(tx), {
        requestId: id,
        requester: user.name === null ? user.email : `${user.name} <${user.email}>`,
        requestType,
        keyName,
        storageGB: requestedStorageGB,
        objects: requestedObjects,
        permissions: request.permissions,
        expiresAt: request.keyExpiresAt,
        reason,
      });
      return request;
    });
  }
}
