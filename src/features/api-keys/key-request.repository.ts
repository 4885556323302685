import type { Database } from '../../platform/db/database.ts';
import { isUniqueViolation } from '../../platform/db/errors.ts';
import type { Prisma } from '../../platform/db/generated/client.ts';
import type { Tx } from '../../platform/db/unit-of-work.ts';
import { cutPageById, type Page, type PageRequest } from '../../platform/keyset.ts';
import type { Permission } from '../access/index.ts';
import { USER_COLUMNS } from '../users/index.ts';
import type { KeyRequest, KeyRequestWithUser, RequestStatus } from './key-request.ts';

export interface NewKeyRequest {
  readonly id: string;
  readonly userId: string;
  readonly requestType: KeyRequest['requestType'];
  /** The key that an upgrade is about. */
  readonly apiKeyId: string | null;
  readonly keyName: string;
  readonly requestedStorageGB: number;
  readonly requestedObjects: number;
  readonly reason: string;
  readonly permissions: readonly Permission[];
  readonly keyExpiresAt: Date | null;
  readonly createdAt: Date;
}

/** An admin's verdict, as it goes into the row. */
export interface Verdict {
  readonly status: 'APPROVED' | 'REJECTED';
  readonly reviewerId: string;
  readonly reviewerComment: string | null;
  readonly grantedStorageGB: number | null;
  readonly grantedObjects: number | null;
  readonly reviewedAt: Date;
}

const INCLUDE = { apiKey: { select: { accessKeyId: true } } } satisfies Prisma.ApiKeyRequestInclude;
const INCLUDE_USER = { ...INCLUDE, user: { select: USER_COLUMNS } } satisfies Prisma.ApiKeyRequestInclude;

type Row = Prisma.ApiKeyRequestGetPayload<{ include: typeof INCLUDE }>;

/** Requests for keys. What a user sees takes the user; what an admin sees says so in its name. */
export class KeyRequestRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** null when an upgrade of the key waits already; then the transaction can only be given up. */
  async create(tx: Tx, request: NewKeyRequest): Promise<KeyRequest | null> {
    const { requestedObjects, permissions, ...columns } = request;
    try {
      const row = await tx.apiKeyRequest.create({
        data: { ...columns, requestedObjects: BigInt(requestedObjects), permissions: [...permissions] },
        include: INCLUDE,
      });
      return toRequest(row);
    } catch (error) {
      if (isUniqueViolation(error, 'api_key')) return null;
      throw error;
    }
  }

  async findOwned(userId: string, id: string): Promise<KeyRequest | null> {
    const row = await this.#database.prisma.apiKeyRequest.findFirst({ where: { id, userId }, include: INCLUDE });
    return row && toRequest(row);
  }

  /** Newest first. */
  async pageOwned(userId: string, { limit, cursor }: PageRequest): Promise<Page<KeyRequest>> {
    const rows = await this.#database.prisma.apiKeyRequest.findMany({
      where: { userId, ...(cursor === undefined ? {} : { id: { lt: cursor } }) },
      orderBy: { id: 'desc' },
      take: limit + 1,
      include: INCLUDE,
    });
    return cutPageById(rows.map(toRequest), limit);
  }

  /** Takes back what nobody has reviewed yet; false otherwise. */
  async withdraw(tx: Tx, userId: string, id: string): Promise<boolean> {
    const { count } = await tx.apiKeyRequest.updateMany({
      where: { id, userId, status: 'PENDING' },
      data: { status: 'WITHDRAWN' },
    });
    return count === 1;
  }

  async findForAdmin(id: string): Promise<KeyRequestWithUser | null> {
    const row = await this.#database.prisma.apiKeyRequest.findUnique({ where: { id }, include: INCLUDE_USER });
    return row && { ...toRequest(row), apiKeyId: row.apiKeyId, user: row.user };
  }

  /** Of all users, newest first. */
  async pageForAdmin(
    status: RequestStatus | undefined,
    { limit, cursor }: PageRequest,
  ): Promise<Page<KeyRequestWithUser>> {
    const rows = await this.#database.prisma.apiKeyRequest.findMany({
      where: {
        ...(status === undefined ? {} : { status }),
        ...(cursor === undefined ? {} : { id: { lt: cursor } }),
      },
      orderBy: { id: 'desc' },
      take: limit + 1,
      include: INCLUDE_USER,
    });
    return cutPageById(
      rows.map((row) => ({ ...toRequest(row), apiKeyId: row.apiKeyId, user: row.user })),
      limit,
    );
  }

  async countByStatus(): Promise<Record<RequestStatus, number>> {
    const groups = await this.#database.prisma.apiKeyRequest.groupBy({ by: ['status'], _count: { _all: true } });
    const counts = { PENDING: 0, APPROVED: 0, REJECTED: 0, WITHDRAWN: 0 };
    for (const { status, _count } of groups) counts[status] = _count._all;
    return counts;
  }

  /** Puts the verdict on a request that waits for one; false when another admin or the requester was first. */
  async review(tx: Tx, id: string, verdict: Verdict): Promise<boolean> {
    const { grantedObjects, ...columns } = verdict;
    const { count } = await tx.apiKeyRequest.updateMany({
      where: { id, status: 'PENDING' },
      data: { ...columns, grantedObjects: grantedObjects === null ? null : BigInt(grantedObjects) },
    });
    return count === 1;
  }

  /** Ties an approved request to the key that was made for it. */
  async attachKey(tx: Tx, id: string, apiKeyId: string): Promise<void> {
    await tx.apiKeyRequest.update({ where: { id }, data: { apiKeyId } });
  }
}

function toRequest(row: Row): KeyRequest {
  return {
    id: row.id,
    userId: row.userId,
    requestType: row.requestType,
    keyName: row.keyName,
    accessKeyId: row.apiKey?.accessKeyId ?? null,
    requestedStorageGB: row.requestedStorageGB,
    requestedObjects: Number(row.requestedObjects),
    grantedStorageGB: row.grantedStorageGB,
    grantedObjects: row.grantedObjects === null ? null : Number(row.grantedObjects),
    reason: row.reason,
    permissions: row.permissions as Permission[],
    keyExpiresAt: row.keyExpiresAt,
    status: row.status,
    reviewerComment: row.reviewerComment,
    createdAt: row.createdAt,
    reviewedAt: row.reviewedAt,
  };
}
