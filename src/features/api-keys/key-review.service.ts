import { AppError } from '../../errors/app-error.ts';
import type { Clock } from '../../platform/clock/clock.ts';
import { isId, newAccessKeyId, newId } from '../../platform/crypto/random.ts';
import type { Tx, UnitOfWork } from '../../platform/db/unit-of-work.ts';
import type { Page, PageRequest } from '../../platform/keyset.ts';
import type { ActingUser, AuditRepository } from '../audit/index.ts';
import type { MailService } from '../mail/index.ts';
import type { UserRepository } from '../users/index.ts';
import type { ApiKeyRepository } from './api-key.repository.ts';
import { type ApiKey, bytesOfGB } from './api-key.ts';
import { assertLiving, settled } from './key-faults.ts';
import { assertFuture, type Grant, type GrantWish, grantOf, raisedLimits } from './key-grant.ts';
import type { KeyRequestRepository } from './key-request.repository.ts';
import type { KeyRequestWithUser, RequestStatus } from './key-request.ts';

export interface KeyReviewDependencies {
  readonly uow: UnitOfWork;
  readonly requests: KeyRequestRepository;
  readonly keys: ApiKeyRepository;
  readonly users: UserRepository;
  readonly audit: AuditRepository;
  readonly mail: MailService;
  readonly clock: Clock;
}

interface Approval extends GrantWish {
  readonly approved: true;
  readonly comment: string | null;
  /** Undefined: as was asked for, or for an upgrade as it is; null: never. */
  readonly expiresAt: Date | null | undefined;
}

export type Decision = { readonly approved: false; readonly comment: string | null } | Approval;

export interface Review {
  readonly request: KeyRequestWithUser;
  /** The key that an approval made or gave more room; null for a rejection. */
  readonly apiKey: ApiKey | null;
}

/** What admins do with requests for keys. */
export class KeyReviewService {
  readonly #deps: KeyReviewDependencies;

  constructor(deps: KeyReviewDependencies) {
    this.#deps = deps;
  }

  list(status: RequestStatus | undefined, page: PageRequest): Promise<Page<KeyRequestWithUser>> {
    return this.#deps.requests.pageForAdmin(status, page);
  }

  countByStatus(): Promise<Record<RequestStatus, number>> {
    return this.#deps.requests.countByStatus();
  }

  /**
   * Approves (with a key and its pocket, or more room in one) or rejects, once: of two admins at the same moment one does.
   * REQUEST_NOT_FOUND, ALREADY_REVIEWED, CONFLICT (withdrawn; the key to upgrade is revoked or expired),
   * VALIDATION_FAILED (more than was asked for, less than the key has).
   */
  async review(id: string, decision: Decision, reviewer: ActingUser): Promise<Review> {
    const { uow, users } = this.#deps;
    const request = await this.#get(id);
    if (request.status !== 'PENDING') throw settled(request);
    const apiKey = await uow.run(async (tx) => {
      await users.holdAdmin(tx, reviewer.userId);
      return decision.approved
        ? this.#approve(tx, request, decision, reviewer)
        : this.#reject(tx, request, decision.comment, reviewer);
    });
    const reviewed = await this.#get(id);
    if (apiKey === 'settled') throw settled(reviewed);
    return { request: reviewed, apiKey };
  }

  async #approve(
    tx: Tx,
    request: KeyRequestWithUser,
    decision: Approval,
    reviewer: ActingUser,
  ): Promise<ApiKey | 'settled'> {
    const { requests, audit, mail, clock } = this.#deps;
    if (!(await this.#deps.users.holdLiving(tx, request.userId))) {
      throw new AppError('CONFLICT', { message: 'The account that asked is disabled or about to be deleted' });
    }
    const grant = grantOf(request, decision);
    const first = await requests.review(tx, request.id, {
      status: 'APPROVED',
      reviewerId: reviewer.userId,
      reviewerComment: decision.comment,
      grantedStorageGB: grant.storageGB,
      grantedObjects: grant.objects,
      reviewedAt: clock.now(),
    });
    if (!first) return 'settled';
    const { key, limits } =
      request.requestType === 'CREATE'
        ? await this.#makeKey(tx, request, grant, decision.expiresAt)
        : await this.#raiseKey(tx, request, grant, decision.expiresAt);
    await audit.append(tx, {
      action: 'request.approve',
      actor: reviewer.actor,
      origin: reviewer.origin,
      accessKeyId: key.accessKeyId,
      subject: { type: 'request', id: request.id },
      metadata: {
        requestType: request.requestType,
        grantedStorageGB: grant.storageGB,
        grantedObjects: grant.objects,
        requesterId: request.userId,
      },
    });
    await mail.sendApproved(tx, request.user.email, {
      requestType: request.requestType,
      keyName: request.keyName,
      ...limits,
      permissions: key.permissions,
      expiresAt: key.expiresAt,
      apiKeyId: key.id,
      accessKeyId: key.accessKeyId,
      comment: decision.comment,
    });
    return key;
  }

  async #makeKey(tx: Tx, request: KeyRequestWithUser, grant: Grant, expiry: Date | null | undefined) {
    const { requests, keys, clock } = this.#deps;
    const now = clock.now();
    const expiresAt = expiry === undefined ? request.keyExpiresAt : expiry;
    assertFuture(expiresAt, now);
    const key = await keys.create(tx, {
      id: newId(),
      accessKeyId: newAccessKeyId(),
      userId: request.userId,
      name: request.keyName,
      permissions: request.permissions,
      expiresAt,
      createdAt: now,
      quota: { bytes: bytesOfGB(grant.storageGB), objects: grant.objects },
    });
    await requests.attachKey(tx, request.id, key.id);
    return { key, limits: grant };
  }

  /** Holds the key's row: it cannot be revoked in between. */
  async #raiseKey(tx: Tx, request: KeyRequestWithUser, grant: Grant, expiresAt: Date | null | undefined) {
    const { keys, clock } = this.#deps;
    const now = clock.now();
    assertFuture(expiresAt, now);
    const owned = request.apiKeyId === null ? null : { userId: request.userId, id: request.apiKeyId, now };
    const present = owned && (await keys.lockOwned(tx, owned));
    if (!owned || !present) throw new AppError('CONFLICT', { message: 'The API key is gone' });
    assertLiving(present);
    const limits = raisedLimits(present.quota, request, grant);
    const quota = { maxBytes: bytesOfGB(grant.storageGB), maxObjects: grant.objects };
    return { key: await keys.raise(tx, owned, { quota, expiresAt }), limits };
  }

  async #reject(
    tx: Tx,
    request: KeyRequestWithUser,
    comment: string | null,
    { userId: reviewerId, actor, origin }: ActingUser,
  ): Promise<null | 'settled'> {
    const { requests, audit, mail, clock } = this.#deps;
    const first = await requests.review(tx, request.id, {
      status: 'REJECTED',
      reviewerId,
      reviewerComment: comment,
      grantedStorageGB: null,
      grantedObjects: null,
      reviewedAt: clock.now(),
    });
    if (!first) return 'settled';
    await audit.append(tx, {
      action: 'request.reject',
      actor,
      origin,
      subject: { type: 'request', id: request.id },
      metadata: { requestType: request.requestType, requesterId: request.userId },
    });
    await mail.sendRejected(tx, request.user.email, {
      requestType: request.requestType,
      keyName: request.keyName,
      storageGB: request.requestedStorageGB,
      objects: request.requestedObjects,
      comment,
    });
    return null;
  }

  async #get(id: string): Promise<KeyRequestWithUser> {
    const request = isId(id) ? await this.#deps.requests.findForAdmin(id) : null;
    if (!request) throw new AppError('REQUEST_NOT_FOUND');
    return request;
  }
}
