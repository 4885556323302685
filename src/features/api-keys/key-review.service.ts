import { AppError } from '../../errors/app-error.ts';
import type { Clock } from '../../platform/clock/clock.ts';
import { isId, newAccessKeyId, newId } from '../../platform/crypto/random.ts';
import type { Tx, UnitOfWork } from '../../platform/db/unit-of-work.ts';
import type { AuditActor, AuditOrigin, AuditRepository } from '../audit/index.ts';
import type { MailService } from '../mail/index.ts';
import type { ApiKeyRepository } from './api-key.repository.ts';
import { type ApiKey, bytesOfGB } from './api-key.ts';
import type { KeyRequestRepository } from './key-request.repository.ts';
import { invalid, settled } from './key-request.service.ts';
import type { KeyRequest, KeyRequestWithUser, Page, PageRequest, RequestStatus } from './key-request.ts';

export interface KeyReviewDependencies {
  readonly uow: UnitOfWork;
  readonly requests: KeyRequestRepository;
  readonly keys: ApiKeyRepository;
  readonly audit: AuditRepository;
  readonly mail: MailService;
  readonly clock: Clock;
}

export type Decision =
  | { readonly approved: false; readonly comment: string | null }
  | {
      readonly approved: true;
      readonly comment: string | null;
      /** At most what was asked for; undefined: all of it. */
      readonly grantedStorageGB: number | undefined;
      readonly grantedObjects: number | undefined;
      /** Undefined: as was asked for; null: never. */
      readonly expiresAt: Date | null | undefined;
    };

type Approval = Extract<Decision, { approved: true }>;

interface Grant {
  readonly storageGB: number;
  readonly objects: number;
  readonly expiresAt: Date | null;
}

export interface Review {
  readonly request: KeyRequestWithUser;
  /** The key that an approval made. */
  readonly apiKey: ApiKey | null;
}

/** An admin who reviews: id, and who and from where for the audit log. */
export interface Reviewer {
  readonly userId: string;
  readonly actor: AuditActor;
  readonly origin: AuditOrigin;
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
   * Approves (with a key and its pocket) or rejects, once: of two admins at the same moment one does.
   * REQUEST_NOT_FOUND, ALREADY_REVIEWED, CONFLICT (withdrawn), VALIDATION_FAILED (more than was asked for).
   */
  async review(id: string, decision: Decision, reviewer: Reviewer): Promise<Review> {
    const { uow } = this.#deps;
    const request = await this.#get(id);
    if (request.status !== 'PENDING') throw settled(request);
    const apiKey = await uow.run((tx) =>
      decision.approved
        ? this.#approve(tx, request, decision, reviewer)
        : this.#reject(tx, request, decision.comment, reviewer),
    );
    const reviewed = await this.#get(id);
    if (apiKey === 'settled') throw settled(reviewed);
    return { request: reviewed, apiKey };
  }

  async #approve(
    tx: Tx,
    request: KeyRequestWithUser,
    decision: Approval,
    { userId: reviewerId, actor, origin }: Reviewer,
  ): Promise<ApiKey | 'settled'> {
    const { requests, keys, audit, mail, clock } = this.#deps;
    const now = clock.now();
    const grant = grantOf(request, decision, now);
    const first = await requests.review(tx, request.id, {
      status: 'APPROVED',
      reviewerId,
      reviewerComment: decision.comment,
      grantedStorageGB: grant.storageGB,
      grantedObjects: grant.objects,
      reviewedAt: now,
    });
    if (!first) return 'settled';
    const key = await keys.create(tx, {
      id: newId(),
      accessKeyId: newAccessKeyId(),
      userId: request.userId,
      name: request.keyName,
      permissions: request.permissions,
      expiresAt: grant.expiresAt,
      createdAt: now,
      quota: { bytes: bytesOfGB(grant.storageGB), objects: grant.objects },
    });
    await requests.attachKey(tx, request.id, key.id);
    await audit.append(tx, {
      action: 'request.approve',
      actor,
      origin,
      accessKeyId: key.accessKeyId,
      subject: { type: 'request', id: request.id },
      metadata: { grantedStorageGB: grant.storageGB, grantedObjects: grant.objects, requesterId: request.userId },
    });
    await mail.sendApproved(tx, request.user.email, {
      requestType: request.requestType,
      keyName: request.keyName,
      storageGB: grant.storageGB,
      objects: grant.objects,
      apiKeyId: key.id,
      accessKeyId: key.accessKeyId,
      comment: decision.comment,
    });
    return key;
  }

  async #reject(
    tx: Tx,
    request: KeyRequestWithUser,
    comment: string | null,
    { userId: reviewerId, actor, origin }: Reviewer,
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
      metadata: { requesterId: request.userId },
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

function grantOf(request: KeyRequest, decision: Approval, now: Date): Grant {
  if (request.requestType !== 'CREATE') {
    throw new AppError('CONFLICT', { message: 'This server cannot approve upgrades' });
  }
  const {
    grantedStorageGB: storageGB = request.requestedStorageGB,
    grantedObjects: objects = request.requestedObjects,
  } = decision;
  if (storageGB > request.requestedStorageGB) {
    throw invalid('grantedStorageGB', `must be at most what was asked for (${request.requestedStorageGB})`);
  }
  if (objects > request.requestedObjects) {
    throw invalid('grantedObjects', `must be at most what was asked for (${request.requestedObjects})`);
  }
  const expiresAt = decision.expiresAt === undefined ? request.keyExpiresAt : decision.expiresAt;
  if (expiresAt !== null && expiresAt <= now) {
    throw invalid('expiresAt', 'must lie in the future (the one that was asked for may have passed)');
  }
  return { storageGB, objects, expiresAt };
}
