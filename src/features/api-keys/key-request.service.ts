import { AppError } from '../../errors/app-error.ts';
import type { Clock } from '../../platform/clock/clock.ts';
import { isId, newId } from '../../platform/crypto/random.ts';
import type { UnitOfWork } from '../../platform/db/unit-of-work.ts';
import { PERMISSIONS, type Permission } from '../access/index.ts';
import type { AuditActor, AuditOrigin, AuditRepository } from '../audit/index.ts';
import type { MailService } from '../mail/index.ts';
import type { UserRepository } from '../users/index.ts';
import type { KeyRequestRepository } from './key-request.repository.ts';
import type { KeyRequest, Page, PageRequest } from './key-request.ts';

export interface KeyRequestDependencies {
  readonly uow: UnitOfWork;
  readonly requests: KeyRequestRepository;
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

/** A user's own requests for keys. What is not the user's is REQUEST_NOT_FOUND, as what does not exist. */
export class KeyRequestService {
  readonly #deps: KeyRequestDependencies;

  constructor(deps: KeyRequestDependencies) {
    this.#deps = deps;
  }

  /** Asks for a key and tells the admins. VALIDATION_FAILED where the key would have expired already. */
  async create(userId: string, wish: KeyWish, actor: AuditActor, origin: AuditOrigin): Promise<KeyRequest> {
    const { uow, requests, users, audit, mail, clock } = this.#deps;
    const now = clock.now();
    if (wish.expiresAt && wish.expiresAt <= now) throw invalid('expiresAt', 'must lie in the future');
    const user = await users.findById(userId);
    if (!user) throw new AppError('USER_NOT_FOUND');
    const { expiresAt, permissions = PERMISSIONS, ...columns } = wish;
    return uow.run(async (tx) => {
      const request = await requests.create(tx, {
        ...columns,
        id: newId(),
        userId,
        permissions,
        keyExpiresAt: expiresAt ?? null,
        createdAt: now,
      });
      await audit.append(tx, {
        action: 'request.create',
        actor,
        origin,
        subject: { type: 'request', id: request.id },
        metadata: {
          keyName: request.keyName,
          requestedStorageGB: request.requestedStorageGB,
          requestedObjects: request.requestedObjects,
        },
      });
      await mail.sendNewRequest(tx, await users.findAdminEmails(tx), {
        requestId: request.id,
        requester: user.name === null ? user.email : `${user.name} <${user.email}>`,
        requestType: request.requestType,
        keyName: request.keyName,
        storageGB: request.requestedStorageGB,
        objects: request.requestedObjects,
        reason: request.reason,
      });
      return request;
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
  async withdraw(userId: string, id: string, actor: AuditActor, origin: AuditOrigin): Promise<KeyRequest> {
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
}

/** Why a request can no longer be reviewed or withdrawn. */
export function settled(request: KeyRequest): AppError {
  return request.status === 'WITHDRAWN'
    ? new AppError('CONFLICT', { message: 'The request was withdrawn' })
    : new AppError('ALREADY_REVIEWED', { details: { status: request.status } });
}

/** One faulty field that only the state of things shows to be faulty. */
export function invalid(path: string, message: string): AppError {
  return new AppError('VALIDATION_FAILED', { details: [{ path, message }] });
}
