import type { Database } from '../../platform/db/database.ts';
import type { Permission, SpaceSnapshot } from './principal.ts';

interface SpaceColumns {
  readonly space_id: string;
  readonly space_kind: 'KEY' | 'DRIVE';
  readonly space_prefix: string;
  readonly quota_bytes: number;
  readonly quota_objects: number;
  readonly used_bytes: number;
  readonly used_objects: number;
  readonly reserved_bytes: number;
  readonly reserved_objects: number;
  readonly space_updated_at: Date;
}

interface KeyRow extends SpaceColumns {
  readonly api_key_id: string;
  readonly user_id: string;
  readonly permissions: Permission[];
  readonly revoked: boolean;
  readonly expired: boolean;
  readonly owner_disabled: boolean;
  readonly secret_id: string | null;
  readonly secret_hash: string | null;
}

interface SessionRow extends SpaceColumns {
  readonly role: 'USER' | 'ADMIN';
  readonly email_verified: boolean;
  readonly disabled: boolean;
  readonly ended: boolean;
}

/** A key with its one or two live secrets, its owner's state and its space: all that authorizing needs, in one read. */
export interface KeyState {
  readonly apiKeyId: string;
  readonly userId: string;
  readonly permissions: readonly Permission[];
  readonly revoked: boolean;
  readonly expired: boolean;
  readonly ownerDisabled: boolean;
  readonly secrets: readonly { readonly id: string; readonly hash: string }[];
  readonly space: SpaceSnapshot;
}

export interface SessionState {
  readonly role: 'USER' | 'ADMIN';
  readonly emailVerified: boolean;
  readonly disabled: boolean;
  readonly ended: boolean;
  readonly space: SpaceSnapshot;
}

const SPACE_COLUMNS = `sp.id AS space_id, sp.kind AS space_kind, sp.prefix AS space_prefix, sp.quota_bytes, sp.quota_objects,
  sp.used_bytes, sp.used_objects, sp.reserved_bytes, sp.reserved_objects, sp.updated_at AS space_updated_at`;

const FIND_KEY = {
  name: 'access_find_key',
  text: `SELECT k.id AS api_key_id, k.user_id, k.permissions, k.revoked_at IS NOT NULL AS revoked,
      coalesce(k.expires_at <= now(), false) AS expired, u.disabled_at IS NOT NULL AS owner_disabled,
      s.id AS secret_id, s.secret_hash, ${SPACE_COLUMNS}
    FROM api_keys k
    JOIN users u ON u.id = k.user_id
    JOIN spaces sp ON sp.id = k.space_id
    LEFT JOIN api_key_secrets s ON s.api_key_id = k.id AND (s.retires_at IS NULL OR s.retires_at > now())
    WHERE k.access_key_id = $1`,
};

const FIND_SESSION = {
  name: 'access_find_session',
  text: `SELECT u.role, u.email_verified_at IS NOT NULL AS email_verified, u.disabled_at IS NOT NULL AS disabled,
      (s.revoked_at IS NOT NULL OR s.expires_at <= now()) AS ended, ${SPACE_COLUMNS}
    FROM sessions s
    JOIN users u ON u.id = s.user_id
    JOIN spaces sp ON sp.owner_id = u.id AND sp.kind = 'DRIVE'
    WHERE s.id = $1 AND s.user_id = $2`,
};

const TOUCH_SECRET = {
  name: 'access_touch_secret',
  text: `WITH touched AS (
      UPDATE api_key_secrets SET last_used_at = now(), last_used_ip = $2
      WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')
      RETURNING api_key_id
    )
    UPDATE api_keys SET last_used_at = now() FROM touched WHERE api_keys.id = touched.api_key_id`,
};

/** Reads, at every request, the rows that decide whether it may go on. */
export class AccessRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async findKey(accessKeyId: string): Promise<KeyState | null> {
    const rows = await this.#database.query<KeyRow>(FIND_KEY, [accessKeyId]);
    const row = rows[0];
    if (!row) return null;
    return {
      apiKeyId: row.api_key_id,
      userId: row.user_id,
      permissions: row.permissions,
      revoked: row.revoked,
      expired: row.expired,
      ownerDisabled: row.owner_disabled,
      secrets: rows.flatMap((r) => (r.secret_id && r.secret_hash ? [{ id: r.secret_id, hash: r.secret_hash }] : [])),
      space: toSnapshot(row),
    };
  }

  async findSession(sessionId: string, userId: string): Promise<SessionState | null> {
    const [row] = await this.#database.query<SessionRow>(FIND_SESSION, [sessionId, userId]);
    if (!row) return null;
    const { role, email_verified: emailVerified, disabled, ended } = row;
    return { role, emailVerified, disabled, ended, space: toSnapshot(row) };
  }

  /** Notes that a secret proved itself; rows change at most once a minute. */
  async touchSecret(secretId: string, ip: string | null): Promise<void> {
    await this.#database.query(TOUCH_SECRET, [secretId, ip]);
  }
}

function toSnapshot(row: SpaceColumns): SpaceSnapshot {
  return {
    id: row.space_id,
    kind: row.space_kind,
    prefix: row.space_prefix,
    quotaBytes: row.quota_bytes,
    quotaObjects: row.quota_objects,
    usedBytes: row.used_bytes,
    usedObjects: row.used_objects,
    reservedBytes: row.reserved_bytes,
    reservedObjects: row.reserved_objects,
    updatedAt: row.space_updated_at,
  };
}
