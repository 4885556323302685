import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { Client, DatabaseError } from 'pg';
import type { DbLog } from './db-log.ts';
import { type MigrationFile, matchesChecksum, readMigrationFiles } from './migration-files.ts';
import { splitSqlStatements } from './sql-statements.ts';

/** What to bring up to date, and with what. */
export interface MigrateOptions {
  /** `postgresql://...` of the database itself, not of a pooler in transaction mode: the lock belongs to a session. */
  readonly url: string;
  /** Usually `prisma/migrations`; absent or empty means nothing to do. */
  readonly migrationsDirectory: string;
  readonly log: DbLog;
}

/** The names of the migrations that this call applied, in order; empty when the database was up to date. */
export interface MigrateResult {
  readonly applied: string[];
}

/** Prisma's own advisory lock: its command line and we keep out of each other's way. */
const PRISMA_LOCK_KEY = 72707369;
const LOCK_POLL_MS = 50;
/** How often, and with what pause, a migration that did not get its tables is tried again. */
const LOCK_ATTEMPTS = 60;
const LOCK_RETRY_MS = 500;

/** As Prisma creates it, to the letter. */
const CREATE_TABLE = `CREATE TABLE _prisma_migrations (
    id                      VARCHAR(36) PRIMARY KEY NOT NULL,
    checksum                VARCHAR(64) NOT NULL,
    finished_at             TIMESTAMPTZ,
    migration_name          VARCHAR(255) NOT NULL,
    logs                    TEXT,
    rolled_back_at          TIMESTAMPTZ,
    started_at              TIMESTAMPTZ NOT NULL DEFAULT now(),
    applied_steps_count     INTEGER NOT NULL DEFAULT 0
)`;

/**
 * Applies the migrations that the database lacks, in order, and keeps Prisma's table `_prisma_migrations` of them, so that
 * `prisma migrate status` agrees. Any number of processes may call it at once: one works, the others wait for it.
 * Each migration is one transaction with its own entry. One whose first line is `-- pockity:no-transaction` is run
 * statement by statement; it must bear being run again from its start, because a failure leaves what came before it.
 * Migrations that the database knows and this code doesn't (a newer version ran, as in a rolling restart) are only warned of.
 * @throws Error that names the migration: it failed (with line and the database's message, which is also the cause), or it
 * was changed after it had been applied. A call after it has been mended goes on with it
 */
export async function migrate(options: MigrateOptions): Promise<MigrateResult> {
  const files = await readMigrationFiles(options.migrationsDirectory);
  const client = new Client({ connectionString: options.url, application_name: 'pockity migrate' });
  // A connection that breaks between two queries fails the next one; without a listener it would end the process.
  client.on('error', () => {});
  await client.connect();
  try {
    // A role's own limits are meant for requests.
    await client.query('SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0');
    await takeLock(client, options.log);
    return { applied: await applyMissing(client, files, options.log) };
  } finally {
    await client.end();
  }
}

/** Asks again and again instead of waiting inside PostgreSQL, where a waiter would hold up a CREATE INDEX CONCURRENTLY. */
async function takeLock(client: Client, log: DbLog): Promise<void> {
  for (let waited = false; ; waited = true) {
    const { rows } = await client.query<{ locked: boolean }>('SELECT pg_try_advisory_lock($1) AS locked', [
      PRISMA_LOCK_KEY,
    ]);
    if (rows[0]?.locked === true) return;
    if (!waited) log.info({}, 'waiting for another process that migrates the database');
    await delay(LOCK_POLL_MS);
  }
}

async function applyMissing(client: Client, files: readonly MigrationFile[], log: DbLog): Promise<string[]> {
  const checksums = await readApplied(client);
  const changed = files.find((file) => !matchesChecksum(file, checksums.get(file.name) ?? file.checksum));
  if (changed !== undefined) {
    throw new Error(
      `The migration ${changed.name} was changed after it had been applied to this database: ` +
        'restore its file, and put the change into a new migration',
    );
  }
  const known = new Set(files.map((file) => file.name));
  const unknown = [...checksums.keys()].filter((name) => !known.has(name));
  if (unknown.length > 0) log.warn({ migrations: unknown }, 'the database has migrations of a newer version');

  const missing = files.filter((file) => !checksums.has(file.name));
  for (const file of missing) {
    const startedAt = performance.now();
    await apply(client, file, log);
    log.info({ migration: file.name, durationMs: Math.round(performance.now() - startedAt) }, 'migration applied');
  }
  return missing.map((file) => file.name);
}

/** Names and checksums of the migrations that are wholly applied; creates the table where there is none. */
async function readApplied(client: Client): Promise<Map<string, string>> {
  const { rows: tables } = await client.query<{ found: boolean }>(
    "SELECT to_regclass('_prisma_migrations') IS NOT NULL AS found",
  );
  if (tables[0]?.found !== true) await client.query(CREATE_TABLE);
  const { rows } = await client.query<{ migration_name: string; checksum: string }>(
    `SELECT migration_name, checksum FROM _prisma_migrations
     WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL ORDER BY started_at`,
  );
  return new Map(rows.map((row) => [row.migration_name, row.checksum]));
}

async function apply(client: Client, file: MigrationFile, log: DbLog): Promise<void> {
  // Left by a process that died, or by a failure before the file was mended; Prisma refuses to go on until it is settled.
  await client.query(
    `UPDATE _prisma_migrations SET rolled_back_at = now()
     WHERE migration_name = $1 AND finished_at IS NULL AND rolled_back_at IS NULL`,
    [file.name],
  );
  if (file.transactional) await applyInTransaction(client, file, log);
  else await applyStatements(client, file);
}

/** A migration that names a short `lock_timeout` gives way to requests under way, and is tried again. */
async function applyInTransaction(client: Client, file: MigrationFile, log: DbLog): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await client.query('BEGIN');
      const id = await insertEntry(client, file);
      await client.query(file.sql);
      await finishEntry(client, id);
      await client.query('COMMIT');
      return;
    } catch (cause) {
      // The connection may be what failed; the transaction is rolled back either way.
      await client.query('ROLLBACK').catch(() => {});
      if (!isInTheWay(cause) || attempt === LOCK_ATTEMPTS) throw failureOf(file, cause, file.sql);
      log.info({ migration: file.name, attempt }, 'tables are in use; the migration is tried again');
      await delay(LOCK_RETRY_MS * (0.5 + Math.random()));
    }
  }
}

/** lock_not_available, deadlock_detected: others were at work on the same tables. */
function isInTheWay(cause: unknown): boolean {
  return cause instanceof DatabaseError && (cause.code === '55P03' || cause.code === '40P01');
}

async function applyStatements(client: Client, file: MigrationFile): Promise<void> {
  const id = await insertEntry(client, file);
  for (const statement of splitSqlStatements(file.sql)) {
    try {
      await client.query(statement);
    } catch (cause) {
      const failure = failureOf(file, cause, statement);
      await client
        .query('UPDATE _prisma_migrations SET logs = $2 WHERE id = $1', [id, failure.message])
        .catch(() => {});
      throw failure;
    }
  }
  await finishEntry(client, id);
}

async function insertEntry(client: Client, file: MigrationFile): Promise<string> {
  const id = randomUUID();
  await client.query(
    'INSERT INTO _prisma_migrations (id, checksum, migration_name, started_at) VALUES ($1, $2, $3, clock_timestamp())',
    [id, file.checksum, file.name],
  );
  return id;
}

async function finishEntry(client: Client, id: string): Promise<void> {
  await client.query(
    'UPDATE _prisma_migrations SET finished_at = clock_timestamp(), applied_steps_count = 1 WHERE id = $1',
    [id],
  );
}

function failureOf(file: MigrationFile, cause: unknown, sql: string): Error {
  const message = cause instanceof Error ? cause.message : String(cause);
  return new Error(`The migration ${file.name} failed${placeOf(file, cause, sql)}: ${message}`, { cause });
}

/** PostgreSQL counts characters, from 1, from the start of what it was sent. */
function placeOf(file: MigrationFile, cause: unknown, sql: string): string {
  if (!(cause instanceof DatabaseError) || cause.position === undefined) return '';
  const offset = file.sql.indexOf(sql) + Number(cause.position) - 1;
  return ` at line ${file.sql.slice(0, offset).split('\n').length}`;
}
