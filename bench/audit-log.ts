// `node bench/audit-log.ts`: what pages of an audit log of 1,000,000 entries cost, on an embedded PostgreSQL of its own.
// Medians of nine; the first line of each plan's walk with BENCH_PLANS=1. Generic plans, as a busy process runs them.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { AuditLogRepository } from '../src/features/audit/index.ts';
import { Database, type Statement } from '../src/platform/db/database.ts';
import { startEmbeddedPostgres } from '../src/platform/db/embedded-postgres.ts';
import { migrate } from '../src/platform/db/migrate.ts';
import { silentLogger } from '../src/platform/logging/logger.ts';

type Filter = Parameters<AuditLogRepository['page']>[0];

const ROWS = Number(process.env['BENCH_ROWS'] ?? 1_000_000);
const ROUNDS = 9;
const DAY_MS = 24 * 3600 * 1000;
const SPAN_DAYS = 365;
const SUBJECT = '019aa2f4-7d1c-7e5a-9a55-0c6f1b1f6a01';
const ACTOR = '019aa3f0-5f5e-7c3a-9d55-0c8a3f1b2c4d';

const log = silentLogger();
const folder = await mkdtemp(join(tmpdir(), 'pockity-bench-audit-'));
const postgres = await startEmbeddedPostgres({ directory: join(folder, 'postgres'), password: 'bench', log });
try {
  await migrate({ url: postgres.url, migrationsDirectory: join(import.meta.dirname, '../prisma/migrations'), log });
  const url = new URL(postgres.url);
  url.searchParams.set('options', '-c plan_cache_mode=force_generic_plan');
  const database = new Database({ url: url.href, maxConnections: 2, log });
  const client = new pg.Client({ connectionString: postgres.url });
  await client.connect();
  await fill(client);
  await run(database, client);
  await client.end();
  await database.close();
} finally {
  await postgres.release();
  await rm(folder, { recursive: true, force: true });
}

/** A year of entries: half downloads, the oldest twentieth registrations, which nothing newer is. */
async function fill(client: pg.Client): Promise<void> {
  const startedAt = performance.now();
  await client.query(
    `INSERT INTO audit_logs (id, action, actor_type, actor_id, access_key_id, subject_type, subject_id, ip, user_agent, request_id, metadata, created_at)
    SELECT (substr(t, 1, 8) || '-' || substr(t, 9) || '-7' || substr(h, 1, 3) || '-8' || substr(h, 4, 3) || '-' || substr(h, 7, 12))::uuid,
      CASE WHEN n <= $1 / 20 THEN 'user.register' WHEN n % 2 = 0 THEN 'file.download' WHEN n % 10 = 1 THEN 'user.login' ELSE 'file.upload' END,
      'key', CASE WHEN n % 3 = 0 THEN $3::uuid ELSE md5((n % 5000)::text)::uuid END, 'AKIA' || n % 20000, 'file',
      CASE WHEN n % 100000 = 7 THEN $4 ELSE md5((n % 300000)::text)::uuid::text END, '203.0.113.' || n % 250,
      'Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0', h::text,
      jsonb_build_object('fileName', 'photos/2026/holiday/' || n || '.jpg', 'sizeBytes', n, 'replaced', false), at
    FROM (
      SELECT n, at, md5(n::text) AS h, lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') AS t
      FROM generate_series(1, $1::int) n, LATERAL (SELECT now() - ($1 - n) * ($2 * interval '1 day' / $1) AS at) a
    ) rows`,
    [ROWS, SPAN_DAYS, ACTOR, SUBJECT],
  );
  await client.query('VACUUM ANALYZE audit_logs');
  console.log(`${ROWS} entries written in ${((performance.now() - startedAt) / 1000).toFixed(0)} s`);
}

async function run(database: Database, client: pg.Client): Promise<void> {
  const statements: { statement: Statement; values: readonly unknown[] }[] = [];
  const spy = {
    query: (statement: Statement, values: readonly unknown[]) => {
      statements.push({ statement, values });
      return database.query(statement, values);
    },
  };
  const logs = new AuditLogRepository(spy as unknown as Database);
  const {
    rows: [last],
  } = await client.query<{ id: string }>('SELECT id FROM audit_logs ORDER BY id OFFSET 40 LIMIT 1');
  const ago = (days: number) => new Date(Date.now() - days * DAY_MS);
  const cases: [string, Filter, (string | undefined)?][] = [
    ['first page', {}],
    ['last page', {}, last?.id],
    ['one action, frequent', { actions: ['file.download'] }],
    ['one action, only among the oldest', { actions: ['user.register'] }],
    ['one action, none', { actions: ['user.erase'] }],
    ['four actions, last page', { actions: ['file.upload', 'user.register', 'user.login', 'user.erase'] }, last?.id],
    ['subject', { subjectId: SUBJECT }],
    ['actor of a third of all', { actorId: ACTOR }],
    ['key', { accessKeyId: 'AKIA77' }],
    ['an hour half a year ago', { from: ago(180), to: ago(180 - 1 / 24) }],
    ['one action, a day 300 days ago', { actions: ['file.upload'], from: ago(300), to: ago(299) }],
    ['one action, half a year', { actions: ['file.upload'], from: ago(300), to: ago(100) }],
    ['actor and a frequent action', { actorId: ACTOR, actions: ['file.download'] }],
    ['actor and an action it has only among the oldest (one window)', { actorId: ACTOR, actions: ['user.register'] }],
    ['frequent search', { search: 'holiday' }],
    ['rare search (one window of 50,000)', { search: 'holiday/77.jpg' }],
    ['rare search in one action (one window)', { search: 'HOLIDAY/77.jpg', actions: ['file.download'] }],
    ['rare search in a day 300 days ago', { search: 'no such thing', from: ago(300), to: ago(299) }],
  ];
  for (const [name, filter, cursor] of cases) {
    statements.length = 0;
    const { times, found } = await measure(logs, filter, cursor);
    console.log(`${times.median.toFixed(1).padStart(7)} ms (most ${times.most.toFixed(1)})  ${found} found  ${name}`);
    if (process.env['BENCH_PLANS']) await showPlans(client, statements.slice(-2));
  }
  const startedAt = performance.now();
  let cursor: string | undefined;
  let pages = 0;
  do {
    cursor = (await logs.page({ search: 'holiday/77.jpg' }, { limit: 50, cursor })).nextCursor ?? undefined;
    pages += 1;
  } while (cursor !== undefined);
  console.log(`${((performance.now() - startedAt) / 1000).toFixed(1)} s  rare search through all, ${pages} pages`);
}

async function measure(logs: AuditLogRepository, filter: Filter, cursor: string | undefined) {
  const durations: number[] = [];
  let found = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    const startedAt = performance.now();
    found = (await logs.page(filter, { limit: 50, cursor })).entries.length;
    durations.push(performance.now() - startedAt);
  }
  const sorted = durations.toSorted((a, b) => a - b);
  return { found, times: { median: sorted[Math.floor(ROUNDS / 2)] ?? 0, most: sorted.at(-1) ?? 0 } };
}

async function showPlans(
  client: pg.Client,
  statements: readonly { readonly statement: Statement; readonly values: readonly unknown[] }[],
): Promise<void> {
  await client.query('SET plan_cache_mode = force_generic_plan');
  for (const { statement, values } of statements) {
    await client.query(`PREPARE shown AS ${statement.text}`);
    const literals = values.map((value) => {
      if (value === null) return 'NULL';
      if (Array.isArray(value)) return pg.escapeLiteral(`{${value.map((each) => JSON.stringify(each)).join(',')}}`);
      return pg.escapeLiteral(value instanceof Date ? value.toISOString() : String(value));
    });
    const { rows } = await client.query<{ 'QUERY PLAN': string }>(
      `EXPLAIN (ANALYZE, BUFFERS, COSTS off) EXECUTE shown(${literals.join(', ')})`,
    );
    console.log([statement.name, ...rows.map((row) => row['QUERY PLAN'])].join('\n    '));
    await client.query('DEALLOCATE shown');
  }
}
