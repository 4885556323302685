import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { migrate } from '../../src/platform/db/migrate.ts';
import { queryOnce, until } from '../support/embedded-postgres.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';

const run = promisify(execFile);
const SCRIPT = join(import.meta.dirname, '../support/migrate-process.ts');

let database: TestDatabase;
let folder: string;
let warned: object[];
let told: string[];

const log = {
  info: (_fields: object, message: string) => told.push(message),
  warn: (fields: object) => warned.push(fields),
  error: () => {},
};

beforeEach(async () => {
  database = await createTestDatabase({ migrated: false });
  folder = await mkdtemp(join(tmpdir(), 'pockity-migrate-'));
  warned = [];
  told = [];
});

afterEach(async () => {
  await database.drop();
  await rm(folder, { recursive: true, force: true });
});

async function write(name: string, sql: string): Promise<void> {
  await mkdir(join(folder, name), { recursive: true });
  await writeFile(join(folder, name, 'migration.sql'), sql);
}

const apply = () => migrate({ url: database.url, migrationsDirectory: folder, log });
const ask = (sql: string) => queryOnce(database.url, sql);

it('applies migrations in order, once, and knows what is new', async () => {
  await write('2_fill', "INSERT INTO t VALUES ('a'); INSERT INTO t VALUES ('b')");
  await write('1_create', 'CREATE TABLE t (v text)');
  expect(await apply()).toEqual({ applied: ['1_create', '2_fill'] });
  expect(await apply()).toEqual({ applied: [] });
  await write('3_more', "INSERT INTO t VALUES ('c')");
  expect(await apply()).toEqual({ applied: ['3_more'] });
  expect(await ask("SELECT string_agg(v, '' ORDER BY v) AS all FROM t")).toEqual({ all: 'abc' });
  expect(
    await ask(`SELECT count(*)::int AS n, bool_and(finished_at >= started_at AND applied_steps_count = 1
               AND logs IS NULL AND rolled_back_at IS NULL AND length(id) = 36) AS sound FROM _prisma_migrations`),
  ).toEqual({ n: 3, sound: true });
});

it('does nothing but create the table where there are no migrations', async () => {
  expect(await apply()).toEqual({ applied: [] });
  expect(await ask('SELECT count(*)::int AS n FROM _prisma_migrations')).toEqual({ n: 0 });
});

describe('a failed migration', () => {
  it('leaves nothing, names itself, line and reason, and is retried when mended', async () => {
    await write('1_good', 'CREATE TABLE a ()');
    await write('2_bad', 'CREATE TABLE b ();\n\nALTER TABLE absent ADD COLUMN c int;');
    await write('3_later', 'CREATE TABLE c ()');
    await expect(apply()).rejects.toThrow('The migration 2_bad failed: relation "absent" does not exist');
    expect(await ask("SELECT to_regclass('a') AS a, to_regclass('b') AS b, to_regclass('c') AS c")).toEqual({
      a: 'a',
      b: null,
      c: null,
    });
    await write('2_bad', 'CREATE TABLE b ();\n\nSELECT 1 FROM absent');
    await expect(apply()).rejects.toThrow('The migration 2_bad failed at line 3: relation "absent" does not exist');
    await write('2_bad', 'CREATE TABLE b ()');
    expect(await apply()).toEqual({ applied: ['2_bad', '3_later'] });
  });

  it('without a transaction keeps what it did, is recorded, and runs again from its start when mended', async () => {
    const start = '-- pockity:no-transaction\nCREATE TABLE IF NOT EXISTS t (v int);\n';
    await write('1_index', `${start}CREATE INDEX CONCURRENTLY i ON t (absent);`);
    await expect(apply()).rejects.toThrow('The migration 1_index failed: column "absent" does not exist');
    expect(await ask('SELECT finished_at, logs FROM _prisma_migrations')).toEqual({
      finished_at: null,
      logs: 'The migration 1_index failed: column "absent" does not exist',
    });
    await write('1_index', `${start}SELECT nothing;`);
    await expect(apply()).rejects.toThrow('The migration 1_index failed at line 3: column "nothing" does not exist');
    await write('1_index', `${start}CREATE INDEX CONCURRENTLY i ON t (v);`);
    expect(await apply()).toEqual({ applied: ['1_index'] });
    expect(
      await ask(
        `SELECT count(finished_at)::int AS finished, count(rolled_back_at)::int AS given_up FROM _prisma_migrations`,
      ),
    ).toEqual({ finished: 1, given_up: 2 });
    expect(await apply()).toEqual({ applied: [] });
  });
});

it('refuses a migration that was changed after it had been applied, but for its line ends', async () => {
  await write('1_a', 'CREATE TABLE a ();\n');
  await apply();
  await write('1_a', 'CREATE TABLE a ();\r\n');
  expect(await apply()).toEqual({ applied: [] });
  await write('1_a', 'CREATE TABLE a (b int);\n');
  await write('2_b', 'CREATE TABLE b ()');
  await expect(apply()).rejects.toThrow('The migration 1_a was changed after it had been applied');
  expect(await ask("SELECT to_regclass('b') AS b")).toEqual({ b: null });
});

it('warns of migrations that only a newer version knows, and goes on', async () => {
  await write('1_a', 'CREATE TABLE a ()');
  await write('9_newer', 'CREATE TABLE z ()');
  await apply();
  await rm(join(folder, '9_newer'), { recursive: true });
  await write('2_b', 'CREATE TABLE b ()');
  expect(await apply()).toEqual({ applied: ['2_b'] });
  expect(warned).toEqual([{ migrations: ['9_newer'] }]);
});

describe('several processes', () => {
  it('apply each migration once, also those that build an index concurrently', async () => {
    await write('1_a', 'CREATE TABLE a (v int); INSERT INTO a VALUES (1); SELECT pg_sleep(0.2)');
    await write('2_i', '-- pockity:no-transaction\nCREATE INDEX CONCURRENTLY i ON a (v)');
    await write('3_a', 'INSERT INTO a VALUES (2)');
    const results = await Promise.all([1, 2, 3, 4].map(() => run(process.execPath, [SCRIPT, database.url, folder])));
    const applied = results.map(({ stdout }): string[] => JSON.parse(stdout)).filter((names) => names.length > 0);
    expect(applied).toEqual([['1_a', '2_i', '3_a']]);
    expect(await ask('SELECT count(*)::int AS n FROM a')).toEqual({ n: 2 });
  });

  it("wait for Prisma's own command line", async () => {
    const prisma = new Client({ connectionString: database.url });
    await prisma.connect();
    await prisma.query('SELECT pg_advisory_lock(72707369)');
    await write('1_a', 'CREATE TABLE a ()');
    const result = apply();
    await until('it waits', () => told.includes('waiting for another process that migrates the database'));
    expect(await ask("SELECT to_regclass('a') AS a")).toEqual({ a: null });
    await prisma.end();
    expect(await result).toEqual({ applied: ['1_a'] });
  });

  it.each(['', '-- pockity:no-transaction\n'])('go on where one was killed (%j)', async (directive) => {
    await write('1_slow', `${directive}CREATE TABLE IF NOT EXISTS t (); SELECT pg_sleep(600);`);
    const killed = spawn(process.execPath, [SCRIPT, database.url, folder], { stdio: 'ignore' });
    const sleeping =
      "SELECT count(*)::int AS n FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()";
    await until('the migration runs', async () => (await ask(sleeping))['n'] === 1);
    killed.kill('SIGKILL');
    await once(killed, 'exit');
    // The server sees that its client is gone when the statement ends: here, when somebody ends it.
    await ask(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()",
    );
    await write('1_slow', `${directive}CREATE TABLE IF NOT EXISTS t (); SELECT 1;`);
    expect(await apply()).toEqual({ applied: ['1_slow'] });
    expect(await ask("SELECT to_regclass('t') AS t")).toEqual({ t: 't' });
  });
});
