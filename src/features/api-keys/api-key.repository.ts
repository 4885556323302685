import { newId } from '../../platform/crypto/random.ts';
import type { Database } from '../../platform/db/database.ts';
import type { Prisma } from '../../platform/db/generated/client.ts';
import type { Tx } from '../../platform/db/unit-of-work.ts';
import { cutPageById, type Page, type PageRequest } from '../../platform/keyset.ts';
import type { Permission, SpaceSnapshot } from '../access/index.ts';
import type { ApiKey, KeyQuota } from './api-key.ts';

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

/** One key of one owner, as it stands at a time. */
export interface OwnedKey {
  readonly userId: string;
  readonly id: string;
  readonly now: Date;
}

const SECRET_COLUMNS = {
  id: true,
  createdAt: true,
  lastUsedAt: true,
  lastUsedIp: true,
  retiresAt: true,
} satisfies Prisma.ApiKeySecretSelect;

/** All of a key's row that may leave the database, and its pocket's quota. */
const KEY_COLUMNS = {
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

/** Those that have not retired, newest first. */
function livingSecrets(now: Date) {
  return {
    where: { OR: [{ retiresAt: null }, { retiresAt: { gt: now } }] },
    orderBy: { id: 'desc' },
    select: SECRET_COLUMNS,
  } satisfies Prisma.ApiKeySecretFindManyArgs;
}

/** The same with the living secrets. Not inside a transaction: Prisma reads the two relations at once, on two connections. */
export function keyColumns(now: Date) {
  return { ...KEY_COLUMNS, secrets: livingSecrets(now) } satisfies Prisma.ApiKeySelect;
}

type BareRow = Prisma.ApiKeyGetPayload<{ select: typeof KEY_COLUMNS }>;
type Row = Prisma.ApiKeyGetPayload<{ select: ReturnType<typeof keyColumns> }>;

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
      select: KEY_COLUMNS,
    });
    return toApiKey({ ...row, secrets: [] }, key.createdAt);
  }

  async findOwned(userId: string, id: string, now: Date): Promise<ApiKey | null> {
    const select = keyColumns(now);
    const row = await this.#database.prisma.apiKey.findFirst({ where: { id, userId }, select });
    return row && toApiKey(row, now);
  }

  async findOwnedByAccessKeyId(userId: string, accessKeyId: string, now: Date): Promise<ApiKey | null> {
    const select = keyColumns(now);
    const row = await this.#database.prisma.apiKey.findFirst({ where: { accessKeyId, userId }, select });
    return row && toApiKey(row, now);
  }

  /**
   * Reads a key and holds its row until the transaction ends: whoever else changes the key or its secrets waits. A use of
   * the key does not, but for the note of its last use.
   */
  async lockOwned(tx: Tx, { userId, id, now }: OwnedKey): Promise<ApiKey | null> {
    await tx.$executeRaw`
      SELECT 1 FROM api_keys WHERE id = ${id}::uuid AND user_id = ${userId}::uuid FOR NO KEY UPDATE`;
    const row = await tx.apiKey.findFirst({ where: { id, userId }, select: KEY_COLUMNS });
    return row && withSecrets(tx, row, now);
  }

  /** Newest first. */
  async pageOwned(userId: string, { limit, cursor }: PageRequest, now: Date): Promise<Page<ApiKey>> {
    const rows = await this.#database.prisma.apiKey.findMany({
      where: { userId, ...(cursor === undefined ? {} : { id: { lt: cursor } }) },
      orderBy: { id: 'desc' },
      take: limit + 1,
      select: keyColumns(now),
    });
    return cutPageById(
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
      select: { ...keyColumns(now), space: true },
    });
    return rows.map((row) => ({ key: toApiKey(row, now), space: toSpaceSnapshot(row.space) }));
  }

  /** The pocket's counters. */
  async findSpace(userId: string, id: string): Promise<SpaceSnapshot | null> {
    const row = await this.#database.prisma.space.findFirst({ where: { apiKey: { id, userId } } });
    return row && toSpaceSnapshot(row);
  }

  async markClaimed(tx: Tx, userId: string, id: string, now: Date): Promise<void> {
    await tx.apiKey.update({ where: { id, userId }, data: { claimedAt: now } });
  }

  /** What is undefined stays as it is. */
  async change(
    tx: Tx,
    { userId, id, now }: OwnedKey,
    {
      name,
      permissions,
    }: { readonly name: string | undefined; readonly permissions: readonly Permission[] | undefined },
  ): Promise<ApiKey> {
    const data = {
      ...(name === undefined ? {} : { name }),
      ...(permissions === undefined ? {} : { permissions: [...permissions] }),
    };
    return withSecrets(tx, await tx.apiKey.update({ where: { id, userId }, data, select: KEY_COLUMNS }), now);
  }

  /** Raises the quota up to this (a higher one stays) and sets the expiry, unless that is undefined. */
  async raise(
    tx: Tx,
    { userId, id, now }: OwnedKey,
    { quota, expiresAt }: { readonly quota: KeyQuota; readonly expiresAt: Date | null | undefined },
  ): Promise<ApiKey> {
    await tx.$executeRaw`
      UPDATE spaces s
      SET quota_bytes = greatest(s.quota_bytes, ${BigInt(quota.maxBytes)}),
        quota_objects = greatest(s.quota_objects, ${BigInt(quota.maxObjects)})
      FROM api_keys k WHERE k.id = ${id}::uuid AND k.user_id = ${userId}::uuid AND s.id = k.space_id`;
    const data = expiresAt === undefined ? {} : { expiresAt };
    return withSecrets(tx, await tx.apiKey.update({ where: { id, userId }, data, select: KEY_COLUMNS }), now);
  }

  /**
   * False when it was revoked before or is not the user's. A key that was revoked with its owner's account is revoked for
   * itself from now on: it stays so when the account comes back.
   */
  async revoke(tx: Tx, userId: string, id: string, now: Date): Promise<boolean> {
    const revoked = await tx.$executeRaw`
      UPDATE api_keys SET revoked_at = coalesce(revoked_at, ${now}), revoked_with_account = false
      WHERE id = ${id}::uuid AND user_id = ${userId}::uuid AND (revoked_at IS NULL OR revoked_with_account)`;
    return revoked === 1;
  }
}

/** The second read of the two, after the first: a transaction has one connection. */
async function withSecrets(tx: Tx, row: BareRow, now: Date): Promise<ApiKey> {
  const { where, ...living } = livingSecrets(now);
  const secrets = await tx.apiKeySecret.findMany({ ...living, where: { ...where, apiKeyId: row.id } });
  return toApiKey({ ...row, secrets }, now);
}

/** A row as the key that it is at this time. */
export function toApiKey(row: Row, now: Date): ApiKey {
  const { space, permissions, ...columns } = row;
  return {
    ...columns,
    permissions: permissions as Permission[],
    isActive: row.revokedAt === null && (row.expiresAt === null || row.expiresAt > now),
    quota: { maxBytes: Number(space.quotaBytes), maxObjects: Number(space.quotaObjects) },
  };
}

/** A pocket's row as authorizing reads it. */
export function toSpaceSnapshot(row: Prisma.SpaceGetPayload<object>): SpaceSnapshot {
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
    trashBytes: Number(row.trashBytes),
    trashObjects: Number(row.trashObjects),
    versionBytes: Number(row.versionBytes),
    versionObjects: Number(row.versionObjects),
    trashDays: row.trashDays,
    versionsKept: row.versionsKept,
    updatedAt: row.updatedAt,
  };
}
