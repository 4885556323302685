import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, escapeIdentifier } from 'pg';
import { inject } from 'vitest';
import type { TestProject } from 'vitest/node';
import type { DbLog } from '../../src/platform/db/db-log.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/platform/db/embedded-postgres.ts';
import { migrate } from '../../src/platform/db/migrate.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** The test server's database `postgres`, as superuser. */
    postgresUrl: string;
  }
}

/** A database of one's own on the run's server. */
export interface TestDatabase {
  readonly url: string;
  /** Ends whatever connections are left and removes the database. */
  drop(): Promise<void>;
}

const TEMPLATE = 'pockity_template';
const MIGRATIONS = join(import.meta.dirname, '../../prisma/migrations');
const FOLDER_PREFIX = 'pockity-test-postgres-';

/** Nothing here outlives the run, so nothing needs to reach the disk. */
const TEST_SETTINGS = {
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  autovacuum: 'off',
  max_connections: '300',
};

const warnings: DbLog = {
  info: () => {},
  warn: (fields, message) => process.stderr.write(`${message} ${JSON.stringify(fields)}\n`),
  error: (fields, message) => process.stderr.write(`${message} ${JSON.stringify(fields)}\n`),
};

let server: EmbeddedPostgres | null = null;
let folder: string | null = null;

/** Vitest's globalSetup: one server for the whole run, with a migrated template database. */
export async function setup(project: TestProject): Promise<void> {
  await removeAbandoned();
  folder = await mkdtemp(join(tmpdir(), `${FOLDER_PREFIX}${process.pid}-`));
  server = await startEmbeddedPostgres({
    directory: join(folder, 'postgres'),
    password: randomUUID(),
    log: warnings,
    database: TEMPLATE,
    settings: TEST_SETTINGS,
  });
  await migrate({ url: server.url, migrationsDirectory: MIGRATIONS, log: warnings });
  project.provide('postgresUrl', onDatabase(server.url, 'postgres'));
}

/** Vitest's globalSetup, at the end of the run. */
export async function teardown(): Promise<void> {
  await server?.release();
  if (folder !== null) await rm(folder, { recursive: true, force: true });
}

/**
 * Gives a new database on the run's server, migrated unless told otherwise; some 30 ms. Needs `tests/support/postgres.ts`
 * in vitest's globalSetup.
 */
export async function createTestDatabase(options: { readonly migrated?: boolean } = {}): Promise<TestDatabase> {
  const adminUrl = inject('postgresUrl');
  if (adminUrl === undefined) throw new Error('tests/support/postgres.ts is not in the globalSetup of this project');
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  const template = options.migrated === false ? 'template0' : TEMPLATE;
  await runOn(adminUrl, `CREATE DATABASE ${escapeIdentifier(name)} TEMPLATE ${escapeIdentifier(template)}`);
  return {
    url: onDatabase(adminUrl, name),
    drop: () => runOn(adminUrl, `DROP DATABASE IF EXISTS ${escapeIdentifier(name)} WITH (FORCE)`),
  };
}

function onDatabase(url: string, database: string): string {
  const result = new URL(url);
  result.pathname = `/${database}`;
  return result.href;
}

async function runOn(url: string, sql: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

/** A run that was killed left its server behind; a server whose data directory is gone ends itself within a minute. */
async function removeAbandoned(): Promise<void> {
  const names = (await readdir(tmpdir())).filter((name) => name.startsWith(FOLDER_PREFIX));
  const abandoned = names.filter((name) => !isAlive(Number.parseInt(name.slice(FOLDER_PREFIX.length), 10)));
  await Promise.allSettled(abandoned.map((name) => rm(join(tmpdir(), name), { recursive: true, force: true })));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
