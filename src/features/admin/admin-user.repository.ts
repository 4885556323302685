import type { Database } from '../../platform/db/database.ts';
import { containing } from '../../platform/db/like.ts';
import type { Tx } from '../../platform/db/unit-of-work.ts';
import { comparisonKey, USER_COLUMNS, type User } from '../users/index.ts';
import type { AdminUser, DriveQuota, LoginAttempt, UserFilter, UserPageRequest, UserStatus } from './admin-user.ts';

interface UserRow {
  readonly id: string;
  readonly email: string;
  readonly username: string | null;
  readonly name: string | null;
  readonly role: User['role'];
  readonly email_verified_at: Date | null;
  readonly disabled_at: Date | null;
  readonly deletion_requested_at: Date | null;
  readonly deletion_due_at: Date | null;
  readonly deletion_by_admin: boolean;
  readonly created_at: Date;
  readonly updated_at: Date;
  readonly last_login_at: Date | null;
  readonly login_count: number;
  readonly status: UserStatus;
  readonly key_count: number;
  readonly active_key_count: number;
  readonly pending_request_count: number;
  readonly drive_used_bytes: number;
  readonly drive_used_objects: number;
  readonly drive_reserved_bytes: number;
  readonly drive_quota_bytes: number;
  readonly drive_quota_objects: number;
  readonly keys_used_bytes: number;
  readonly keys_used_objects: number;
  readonly keys_reserved_bytes: number;
}

const STATUS = `CASE WHEN deletion_due_at IS NOT NULL THEN 'deleting' WHEN disabled_at IS NOT NULL THEN 'disabled'
      WHEN email_verified_at IS NULL THEN 'unverified' ELSE 'active' END`;

/**
 * The accounts of `chosen` with all that is counted of each, newest first; `now` is a parameter. A user's pockets are
 * reached by the user's keys, which are indexed, so that a page costs what is on it and not what there is.
 */
function withCounts(chosen: string, now: string): string {
  return `WITH chosen AS MATERIALIZED (${chosen})
    SELECT u.id, u.email, u.username, u.name, u.role::text AS role, u.email_verified_at, u.disabled_at,
      u.deletion_requested_at, u.deletion_due_at, u.deletion_by_admin, u.created_at, u.updated_at, u.last_login_at,
      u.login_count, ${STATUS} AS status,
      k.key_count, k.active_key_count, k.keys_used_bytes, k.keys_used_objects, k.keys_reserved_bytes,
      (SELECT count(*) FROM api_key_requests r WHERE r.user_id = u.id AND r.status = 'PENDING') AS pending_request_count,
      coalesce(d.used_bytes, 0) AS drive_used_bytes, coalesce(d.used_objects, 0) AS drive_used_objects,
      coalesce(d.reserved_bytes, 0) AS drive_reserved_bytes,
      coalesce(d.quota_bytes, 0) AS drive_quota_bytes, coalesce(d.quota_objects, 0) AS drive_quota_objects
    FROM chosen u
    LEFT JOIN spaces d ON d.owner_id = u.id AND d.kind = 'DRIVE'
    CROSS JOIN LATERAL (
      SELECT count(*) AS key_count,
        count(*) FILTER (WHERE a.revoked_at IS NULL AND (a.expires_at IS NULL OR a.expires_at > ${now}::timestamptz))
          AS active_key_count,
        coalesce(sum(s.used_bytes), 0)::int8 AS keys_used_bytes,
        coalesce(sum(s.used_objects), 0)::int8 AS keys_used_objects,
        coalesce(sum(s.reserved_bytes), 0)::int8 AS keys_reserved_bytes
      FROM api_keys a JOIN spaces s ON s.id = a.space_id WHERE a.user_id = u.id
    ) k
    ORDER BY u.id DESC`;
}

/** One text for all filters, as a prepared statement must have; without a cursor $1 is an id behind all others. */
const PAGE = {
  name: 'admin_users_page',
  text: withCounts(
    `SELECT * FROM users
      WHERE id < $1
        AND ($2::text IS NULL OR email_key LIKE $2 OR username_key LIKE $2 OR lower(normalize(name)) LIKE lower($3::text)
          OR id::text LIKE $4::text)
        AND ($5::text IS NULL OR ${STATUS} = $5)
        AND ($6::text IS NULL OR role::text = $6)
        AND ($7::timestamptz IS NULL OR coalesce(last_login_at, created_at) < $7)
      ORDER BY id DESC LIMIT $8`,
    '$9',
  ),
};

const FIND = { name: 'admin_users_find', text: withCounts('SELECT * FROM users WHERE id = $1', '$2') };

const COUNTS = {
  name: 'admin_users_counts',
  text: `SELECT ${STATUS} AS status, count(*) AS n FROM users GROUP BY 1`,
};

const LOGINS = {
  name: 'admin_users_logins',
  text: `SELECT created_at AS at, ip, user_agent AS "userAgent", action = 'user.login' AS succeeded
    FROM audit_logs
    WHERE subject_id = $1 AND subject_type = 'user' AND action IN ('user.login', 'user.login_failed')
    ORDER BY id DESC LIMIT $2`,
};

const SESSIONS = {
  name: 'admin_users_sessions',
  text: `SELECT count(*) AS n FROM sessions WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > $2`,
};

const BEHIND_ALL_IDS = 'ffffffff-ffff-ffff-ffff-ffffffffffff';
const DAY_MS = 24 * 3600 * 1000;
/** Fewer characters of an id are the time when many accounts were made. */
const PART_OF_ID = /^[0-9a-f-]{8,36}$/;

/** Accounts as admins see and change them: the only ones who reach those of others. */
export class AdminUserRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Up to `limit` accounts behind the cursor, newest first, by one statement. */
  async list({ limit, cursor = BEHIND_ALL_IDS, ...filter }: UserPageRequest, now: Date): Promise<AdminUser[]> {
    const { status = null, role = null, inactiveDays } = filter;
    const inactiveSince = inactiveDays === undefined ? null : new Date(now.getTime() - inactiveDays * DAY_MS);
    const values = [cursor, ...patternsOf(filter), status, role, inactiveSince, limit, now];
    const rows = await this.#database.query<UserRow>(PAGE, values);
    return rows.map(toAdminUser);
  }

  async countByStatus(): Promise<Record<UserStatus, number>> {
    const rows = await this.#database.query<{ status: UserStatus; n: number }>(COUNTS, []);
    const counts = { active: 0, disabled: 0, unverified: 0, deleting: 0 };
    for (const { status, n } of rows) counts[status] = n;
    return counts;
  }

  async find(id: string, now: Date): Promise<AdminUser | null> {
    const [row] = await this.#database.query<UserRow>(FIND, [id, now]);
    return row ? toAdminUser(row) : null;
  }

  /** Newest first. */
  recentLogins(userId: string, limit: number): Promise<LoginAttempt[]> {
    return this.#database.query<LoginAttempt>(LOGINS, [userId, limit]);
  }

  async countSessions(userId: string, now: Date): Promise<number> {
    const [row] = await this.#database.query<{ n: number }>(SESSIONS, [userId, now]);
    return row?.n ?? 0;
  }

  /** The account as it is now and, whatever others do, stays until the transaction ends. */
  async lock(tx: Tx, id: string): Promise<User | null> {
    // Not FOR UPDATE: what only refers to the account (a new session, a request) need not wait.
    await tx.$queryRaw`SELECT 1 FROM users WHERE id = ${id}::uuid FOR NO KEY UPDATE`;
    return tx.user.findUnique({ where: { id }, select: USER_COLUMNS });
  }

  async setDisabledAt(tx: Tx, id: string, disabledAt: Date | null, now: Date): Promise<void> {
    await tx.user.update({ where: { id }, data: { disabledAt, updatedAt: now }, select: { id: true } });
  }

  async setRole(tx: Tx, id: string, role: User['role'], now: Date): Promise<void> {
    await tx.user.update({ where: { id }, data: { role, updatedAt: now }, select: { id: true } });
  }

  /** Of the user's drive, which no upload passes until the transaction ends; null when there is none. */
  async lockDriveQuota(tx: Tx, userId: string): Promise<DriveQuota | null> {
    const [row] = await tx.$queryRaw<{ quota_bytes: bigint; quota_objects: bigint }[]>`
      SELECT quota_bytes, quota_objects FROM spaces WHERE owner_id = ${userId}::uuid AND kind = 'DRIVE' FOR NO KEY UPDATE`;
    return row ? { maxBytes: Number(row.quota_bytes), maxObjects: Number(row.quota_objects) } : null;
  }

  async setDriveQuota(tx: Tx, userId: string, quota: DriveQuota): Promise<void> {
    await tx.$executeRaw`
      UPDATE spaces SET quota_bytes = ${BigInt(quota.maxBytes)}, quota_objects = ${BigInt(quota.maxObjects)}
      WHERE owner_id = ${userId}::uuid AND kind = 'DRIVE'`;
  }
}

/** LIKE patterns for the comparison keys, for the name, and for the id where the text may be a part of one. */
function patternsOf({ search }: UserFilter): (string | null)[] {
  if (search === undefined) return [null, null, null];
  const key = comparisonKey(search);
  return [containing(key), containing(search.trim().normalize('NFC')), PART_OF_ID.test(key) ? `${key}%` : null];
}

function toAdminUser(row: UserRow): AdminUser {
  return {
    id: row.id,
    email: row.email,
    username: row.username,
    name: row.name,
    role: row.role,
    emailVerifiedAt: row.email_verified_at,
    disabledAt: row.disabled_at,
    deletionRequestedAt: row.deletion_requested_at,
    deletionDueAt: row.deletion_due_at,
    deletionByAdmin: row.deletion_by_admin,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    status: row.status,
    lastLoginAt: row.last_login_at,
    loginCount: row.login_count,
    apiKeyCount: row.key_count,
    activeKeyCount: row.active_key_count,
    pendingRequestCount: row.pending_request_count,
    drive: {
      bytesUsed: row.drive_used_bytes,
      objects: row.drive_used_objects,
      quota: { maxBytes: row.drive_quota_bytes, maxObjects: row.drive_quota_objects },
    },
    usage: {
      bytesUsed: row.drive_used_bytes + row.keys_used_bytes,
      objects: row.drive_used_objects + row.keys_used_objects,
      bytesReserved: row.drive_reserved_bytes + row.keys_reserved_bytes,
    },
  };
}
