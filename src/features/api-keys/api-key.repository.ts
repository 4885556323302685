import { newId } from '../../platform/crypto/random.ts';
import type { Sealed } from '../../platform/crypto/seal.ts';
import type { Database } from '../../platform/db/database.ts';
import type { Prisma } from '../../platform/db/generated/client.ts';
import type { Tx } from '../../platform/db/unit-of-work.ts';
import type { Permission, SpaceSnapshot } from '../access/index.ts';
import type { ApiKey } from './api-key.ts';
import type { Page, PageRequest } from './key-request.ts';
import { toPage } from './page.ts';

export interface NewApiKey {
  readonly id: string;
  readonly accessKeyId: string;
  readonly userId: string;
  readonly name: string;
  readonly permissions: readonly Permission[];
  readonly expiresAt: Date | null;
  readonly createdAt: Date;
  readonly quota: { readonly bytes: number; readonly objects: number };
}

export interface NewSecret {
  readonly id: string;
  /** bcrypt */
  readonly hash: string;
  /** Sealed with the secret's id as context. */
  readonly sealed: Sealed;
}

const SELECT = {
  id: true,
  accessKeyId: true,
  name: true,
  permissions: true,
  createdAt: true,
  expiresAt: true,
  claimedAt: true,
  lastUsedAt: true,
  revokedAt: true,
  space: { select: { quotaBytes: true, quotaObjects: true } },
} satisfies Prisma.ApiKeySelect;

type Row = Prisma.ApiKeyGetPayload<{ select: typeof SELECT }>;

/** Keys, always of one owner; whether a key lets somebody in is read by the access feature. */
export class ApiKeyRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Creates the key and its pocket, which nothing else can reach. */
  async create(tx: Tx, key: NewApiKey): Promise<ApiKey> {
    const { quota, permissions, ...columns } = key;
    const row = await tx.apiKey.create({
      data: {
        id: columns.id,
        accessKeyId: columns.accessKeyId,
        name: columns.name,
        expiresAt: columns.expiresAt,
        createdAt: columns.createdAt,
        permissions: [...permissions],
        user: { connect: { id: columns.userId } },
        space: {
          create: {
            id: newId(),
            kind: 'KEY',
            ownerId: columns.userId,
            prefix: `apikeys/${columns.accessKeyId}/`,
            quotaBytes: BigInt(quota.bytes),
            quotaObjects: BigInt(quota.objects),
            createdAt: columns.createdAt,
            updatedAt: columns.createdAt,
          },
        },
      },
      select: SELECT,
    });
    return toApiKey(row, key.createdAt);
  }

  async findOwned(userId: string, id: string, now: Date): Promise<ApiKey | null> {
    const row = await this.#database.prisma.apiKey.findFirst({ where: { id, userId }, select: SELECT });
    return row && toApiKey(row, now);
  }

  /** Newest first. */
  async pageOwned(userId: string, { limit, cursor }: PageRequest, now: Date): Promise<Page<ApiKey>> {
    const rows = await this.#database.prisma.apiKey.findMany({
      where: { userId, ...(cursor === undefined ? {} : { id: { lt: cursor } }) },
      orderBy: { id: 'desc' },
      take: limit + 1,
      select: SELECT,
    });
    return toPage(
      rows.map((row) => toApiKey(row, now)),
      limit,
    );
  }

  /** The newest `limit`, each with its pocket's counters. */
  async listWithSpaces(
    userId: string,
    limit: number,
    now: Date,
  ): Promise<{ readonly key: ApiKey; readonly space: SpaceSnapshot }[]> {
    const rows = await this.#database.prisma.apiKey.findMany({
      where: { userId },
      orderBy: { id: 'desc' },
      take: limit,
      select: { ...SELECT, space: true },
    });
    return rows.map((row) => ({ key: toApiKey(row, now), space: toSnapshot(row.space) }));
  }

  /** The pocket's counters. */
  async findSpace(userId: string, id: string): Promise<SpaceSnapshot | null> {
    const row = await this.#database.prisma.space.findFirst({ where: { apiKey: { id, userId } } });
    return row && toSnapshot(row);
  }

  /** Gives an unclaimed living key its secret; false when it is claimed, revoked, expired or not the user's. */
  async claim(tx: Tx, userId: string, id: string, secret: NewSecret, now: Date): Promise<boolean> {
    const claimed = await tx.$executeRaw`
      UPDATE api_keys SET claimed_at = ${now}
      WHERE id = ${id}::uuid AND user_id = ${userId}::uuid AND claimed_at IS NULL AND revoked_at IS NULL
        AND (expires_at IS NULL OR expires_at > ${now})`;
    if (claimed !== 1) return false;
    await tx.apiKeySecret.create({
      data: {
        id: secret.id,
        apiKeyId: id,
        secretHash: secret.hash,
        sealedSecret: new Uint8Array(secret.sealed.bytes),
        sealKeyVersion: secret.sealed.keyVersion,
        createdAt: now,
      },
    });
    return true;
  }

  /** False when it was revoked before or is not the user's. */
  async revoke(tx: Tx, userId: string, id: string, now: Date): Promise<boolean> {
    const revoked = await tx.$executeRaw`
      UPDATE api_keys SET revoked_at = ${now}
      WHERE id = ${id}::uuid AND user_id = ${userId}::uuid AND revoked_at IS NULL`;
    return revoked === 1;
  }
}

function toApiKey(row: Row, now: Date): ApiKey {
  const { space, permissions, ...columns } = row;
  return {
    ...columns,
    permissions: permissions as Permission[],
    isActive: row.revokedAt === null && (row.expiresAt === null || row.expiresAt > now),
    quota: { maxBytes: Number(space.quotaBytes), maxObjects: Number(space.quotaObjects) },
  };
}

function toSnapshot(row: Prisma.SpaceGetPayload<Record<string, never>>): SpaceSnapshot {
  return {
    id: row.id,
    kind: row.kind,
    prefix: row.prefix,
    quotaBytes: Number(row.quotaBytes),
    quotaObjects: Number(row.quotaObjects),
    usedBytes: Number(row.usedBytes),
    usedObjects: Number(row.usedObjects),
    reservedBytes: Number(row.reservedBytes),
    reservedObjects: Number(row.reservedObjects),
    updatedAt: row.updatedAt,
  };
}
