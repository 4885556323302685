import type { Database } from '../../platform/db/database.ts';
import type { Prisma } from '../../platform/db/generated/client.ts';
import { escapeLike } from '../../platform/db/like.ts';
import type { Tx } from '../../platform/db/unit-of-work.ts';
import { cutPage, decodeCursor, encodeCursor, type Page, type PageRequest } from '../../platform/keyset.ts';
import { USER_COLUMNS } from '../users/index.ts';
import type { AdminKey, AdminKeyFilter, ChangedQuota, QuotaChange } from './admin-key.ts';
import { keyColumns, toApiKey, toSpaceSnapshot } from './api-key.repository.ts';

interface QuotaRow {
  readonly old_bytes: bigint;
  readonly old_objects: bigint;
  readonly new_bytes: bigint;
  readonly new_objects: bigint;
}

/** All there is to a key, for admins: the pocket's counters stand in the same row as its quota. */
function adminColumns(now: Date) {
  return {
    ...keyColumns(now),
    userId: true,
    space: true,
    user: { select: USER_COLUMNS },
  } satisfies Prisma.ApiKeySelect;
}

type Row = Prisma.ApiKeyGetPayload<{ select: ReturnType<typeof adminColumns> }>;

/** Keys of all users: for admins only. */
export class AdminKeyRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async find(id: string, now: Date): Promise<AdminKey | null> {
    const row = await this.#database.prisma.apiKey.findUnique({ where: { id }, select: adminColumns(now) });
    return row && toAdminKey(row, now);
  }

  /** Newest users first, then newest keys first; the cursor is the place of the last entry. VALIDATION_FAILED for another. */
  async page(filter: AdminKeyFilter, { limit, cursor }: PageRequest, now: Date): Promise<Page<AdminKey>> {
    const rows = await this.#database.prisma.apiKey.findMany({
      where: { AND: [...conditions(filter, now), ...(cursor === undefined ? [] : [behind(cursor)])] },
      orderBy: [{ userId: 'desc' }, { id: 'desc' }],
      take: limit + 1,
      select: adminColumns(now),
    });
    const { entries, nextCursor } = cutPage(rows, limit, ({ userId, id }) => encodeCursor([userId, id]));
    return { entries: entries.map((row) => toAdminKey(row, now)), nextCursor };
  }

  /** One statement, so that old and new are what they were; null when there is no such key or nothing changes. */
  async changeQuota(tx: Tx, id: string, { maxBytes, maxObjects }: QuotaChange): Promise<ChangedQuota | null> {
    const bytes = maxBytes === undefined ? null : BigInt(maxBytes);
    const objects = maxObjects === undefined ? null : BigInt(maxObjects);
    const [row] = await tx.$queryRaw<QuotaRow[]>`
      WITH old AS (
        SELECT s.id, s.quota_bytes, s.quota_objects FROM spaces s JOIN api_keys k ON k.space_id = s.id
        WHERE k.id = ${id}::uuid FOR NO KEY UPDATE OF s
      )
      UPDATE spaces s
      SET quota_bytes = coalesce(${bytes}::bigint, old.quota_bytes),
        quota_objects = coalesce(${objects}::bigint, old.quota_objects)
      FROM old
      WHERE s.id = old.id AND (coalesce(${bytes}::bigint, old.quota_bytes) <> old.quota_bytes
        OR coalesce(${objects}::bigint, old.quota_objects) <> old.quota_objects)
      RETURNING old.quota_bytes AS old_bytes, old.quota_objects AS old_objects,
        s.quota_bytes AS new_bytes, s.quota_objects AS new_objects`;
    if (!row) return null;
    return {
      before: { maxBytes: Number(row.old_bytes), maxObjects: Number(row.old_objects) },
      after: { maxBytes: Number(row.new_bytes), maxObjects: Number(row.new_objects) },
    };
  }
}

function conditions({ userId, status, search }: AdminKeyFilter, now: Date): Prisma.ApiKeyWhereInput[] {
  const where: Prisma.ApiKeyWhereInput[] = [];
  if (userId !== undefined) where.push({ userId });
  if (status === 'revoked') where.push({ revokedAt: { not: null } });
  if (status === 'expired') where.push({ revokedAt: null, expiresAt: { lte: now } });
  if (status === 'active') where.push({ revokedAt: null, OR: [{ expiresAt: null }, { expiresAt: { gt: now } }] });
  if (search !== undefined) {
    // Prisma puts the text into a LIKE as it is.
    const part = { contains: escapeLike(search), mode: 'insensitive' } as const;
    where.push({
      OR: [{ name: part }, { accessKeyId: part }, { user: { OR: [{ email: part }, { username: part }] } }],
    });
  }
  return where;
}

/** The first condition is what lets the index begin there; the second is exact. */
function behind(cursor: string): Prisma.ApiKeyWhereInput {
  const [userId, id] = decodeCursor(cursor, 'id', 'id');
  return { userId: { lte: userId }, OR: [{ userId: { lt: userId } }, { userId, id: { lt: id } }] };
}

function toAdminKey({ userId: _, user, space, ...key }: Row, now: Date): AdminKey {
  return { key: toApiKey({ ...key, space }, now), user, space: toSpaceSnapshot(space) };
}
