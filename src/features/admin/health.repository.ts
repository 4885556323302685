import type { Database, Statement } from '../../platform/db/database.ts';
import type { DatabaseDetails, Statistics } from './health.ts';

const DATABASE = {
  name: 'admin_health_database',
  text: `SELECT
      (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()) AS connections,
      current_setting('max_connections')::int8 AS max_connections,
      count(*) FILTER (WHERE finished_at IS NOT NULL) AS applied,
      count(*) FILTER (WHERE finished_at IS NULL) AS unfinished,
      max(migration_name COLLATE "C") FILTER (WHERE finished_at IS NOT NULL) AS latest
    FROM _prisma_migrations WHERE rolled_back_at IS NULL`,
};

// Sums are float8: exact below 2^53, and a number beyond.
const USERS = {
  name: 'admin_statistics_users',
  text: `SELECT count(*) AS total,
      count(email_verified_at) AS verified,
      count(*) - count(email_verified_at) AS unverified,
      count(disabled_at) AS disabled,
      count(*) FILTER (WHERE role = 'ADMIN') AS admins,
      count(deletion_due_at) AS "deletionPending",
      count(*) FILTER (WHERE created_at > $1::timestamptz - interval '30 days') AS "registeredLast30Days"
    FROM users`,
};

const API_KEYS = {
  name: 'admin_statistics_api_keys',
  text: `SELECT count(*) AS total,
      count(*) FILTER (WHERE living) AS active,
      count(revoked_at) AS revoked,
      count(*) FILTER (WHERE revoked_at IS NULL AND NOT living) AS expired,
      count(*) FILTER (WHERE living AND claimed_at IS NULL) AS unclaimed
    FROM (
      SELECT revoked_at, claimed_at, revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $1::timestamptz) AS living
      FROM api_keys
    ) k`,
};

const REQUESTS = {
  name: 'admin_statistics_requests',
  text: `SELECT count(*) AS total,
      count(*) FILTER (WHERE status = 'PENDING') AS pending,
      count(*) FILTER (WHERE status = 'APPROVED') AS approved,
      count(*) FILTER (WHERE status = 'REJECTED') AS rejected,
      count(*) FILTER (WHERE status = 'WITHDRAWN') AS withdrawn
    FROM api_key_requests`,
};

const STORAGE = {
  name: 'admin_statistics_storage',
  text: `SELECT count(*) AS spaces,
      coalesce(sum(used_objects), 0)::float8 AS objects,
      coalesce(sum(used_bytes), 0)::float8 AS "bytesUsed",
      coalesce(sum(reserved_bytes), 0)::float8 AS "bytesReserved",
      coalesce(sum(quota_bytes), 0)::float8 AS "quotaBytes"
    FROM spaces`,
};

interface DatabaseRow {
  readonly connections: number;
  readonly max_connections: number;
  readonly applied: number;
  readonly unfinished: number;
  readonly latest: string | null;
}

/** What admins see of the whole: nothing here belongs to one tenant. */
export class HealthRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** One statement; throws when the database does not answer. */
  async database(): Promise<DatabaseDetails> {
    const { connections, max_connections, ...migrations } = await this.#one<DatabaseRow>(DATABASE, []);
    return { connections, maxConnections: max_connections, migrations };
  }

  /** One statement a block. */
  async statistics(now: Date): Promise<Statistics> {
    const [users, apiKeys, requests, storage] = await Promise.all([
      this.#one<Statistics['users']>(USERS, [now]),
      this.#one<Statistics['apiKeys']>(API_KEYS, [now]),
      this.#one<Statistics['requests']>(REQUESTS, []),
      this.#one<Statistics['storage']>(STORAGE, []),
    ]);
    return { users, apiKeys, requests, storage };
  }

  async #one<Row extends object>(statement: Statement, values: readonly unknown[]): Promise<Row> {
    const [row] = await this.#database.query<Row>(statement, values);
    if (!row) throw new Error(`${statement.name} gave no row`);
    return row;
  }
}
