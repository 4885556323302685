import { randomUUID } from 'node:crypto';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Database } from '../../src/platform/db/database.ts';
import { migrate } from '../../src/platform/db/migrate.ts';
import { silentLogger } from '../../src/platform/logging/logger.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { auditSpace } from '../support/spaces.ts';

const ALL = join(import.meta.dirname, '../../prisma/migrations');
/** What the version before drives knew. */
const BEFORE = [
  '20261121000000_init',
  '20261121000100_ledger',
  '20261121000200_accounts',
  '20261121000300_account_indexes',
];
const log = silentLogger();
const WRITERS = 8;
const AUDIT = JSON.stringify({ actor_type: 'system', actor_id: null, access_key_id: null });

let database: TestDatabase;
let folder: string;

beforeAll(async () => {
  database = await createTestDatabase({ migrated: false });
  folder = await mkdtemp(join(tmpdir(), 'pockity-migrate-load-'));
  for (const name of BEFORE) await cp(join(ALL, name), join(folder, name), { recursive: true });
  await migrate({ url: database.url, migrationsDirectory: folder, log });
});

afterAll(async () => {
  await database.drop();
  await rm(folder, { recursive: true, force: true });
});

/** A process of the version before, as far as the ledger can tell: uploads, replaces and deletes over and over. */
async function write(spaces: readonly string[], until: AbortSignal): Promise<{ rounds: number; slowestMs: number }> {
  const client = new Client({ connectionString: database.url });
  await client.connect();
  await client.query("SET statement_timeout = '15s'");
  let [rounds, slowestMs] = [0, 0];
  try {
    for (; !until.aborted; rounds += 1) {
      const startedAt = performance.now();
      const spaceId = spaces[rounds % spaces.length];
      const [upload, key] = [randomUUID(), randomUUID()];
      const path = `photos/${rounds % 7}/${rounds % 50}.jpg`;
      const item = { id: upload, path, conflict: 'replace', object_key: key, content_type: 'image/jpeg', bytes: 10 };
      await client.query('SELECT * FROM ledger_reserve($1, $2, 40)', [spaceId, JSON.stringify([item])]);
      const file = {
        ...{
          upload_id: upload,
          object_key: key,
          file_id: randomUUID(),
          usage_id: randomUUID(),
          audit_id: randomUUID(),
        },
        ...{ stem: path, suffix: '', size_bytes: 10, sha256: 'a'.repeat(64), etag: 'e', content_type: 'image/jpeg' },
        ...{ category: rounds % 3 === 0 ? 'image' : 'other', extension: 'jpg', tags: null, action: 'file.upload' },
        actor_type: 'system',
      };
      const { rows } = await client.query('SELECT outcome FROM ledger_commit($1, $2)', [
        spaceId,
        JSON.stringify([file]),
      ]);
      expect(rows).toEqual([{ outcome: 'committed' }]);
      if (rounds % 5 === 0) {
        const gone = JSON.stringify([{ path, usage_id: randomUUID(), audit_id: randomUUID() }]);
        await client.query('SELECT * FROM ledger_delete($1, $2, $3)', [spaceId, gone, AUDIT]);
      }
      slowestMs = Math.max(slowestMs, performance.now() - startedAt);
    }
  } finally {
    await client.end();
  }
  return { rounds, slowestMs };
}

it('is applied while processes of the version before go on writing, and counts what they wrote', async () => {
  const admin = new Client({ connectionString: database.url });
  await admin.connect();
  const owners = Array.from({ length: 6 }, () => randomUUID());
  const spaces = Array.from({ length: 6 }, () => randomUUID());
  for (const [i, id] of spaces.entries()) {
    await admin.query('INSERT INTO users (id, email, email_key, password_hash) VALUES ($1, $2, $2, $3)', [
      owners[i],
      `${owners[i]}@example.com`,
      'none',
    ]);
    await admin.query(
      `INSERT INTO spaces (id, kind, owner_id, prefix, quota_bytes, quota_objects) VALUES ($1, $2, $3, $4, 1e12, 1e6)`,
      [id, i % 2 === 0 ? 'DRIVE' : 'KEY', owners[i], `spaces/${id}/`],
    );
  }
  await admin.end();
  const end = new AbortController();
  // Some on spaces of their own, some all on one.
  const writers = Array.from({ length: WRITERS }, (_, i) =>
    write(i < 3 ? spaces.slice(0, 1) : [...spaces.slice(i % 6), ...spaces.slice(0, i % 6)], end.signal),
  );
  await new Promise((resolve) => setTimeout(resolve, 500));
  const { applied } = await migrate({ url: database.url, migrationsDirectory: ALL, log });
  expect(applied).toEqual(expect.arrayContaining(['20261121000400_files', '20261121000500_files_ledger']));
  await new Promise((resolve) => setTimeout(resolve, 300));
  end.abort();
  const done = await Promise.all(writers);
  expect(Math.min(...done.map(({ rounds }) => rounds))).toBeGreaterThan(0);
  expect(Math.max(...done.map(({ slowestMs }) => slowestMs))).toBeLessThan(10_000);
  const connection = new Database({ url: database.url, maxConnections: 2, log });
  for (const id of spaces) expect((await auditSpace(connection, id)).faults).toEqual([]);
  await connection.close();
});
