// `npm run bench:listing`: what pages of 100 cost in a space of 1,000,000 files, on an embedded PostgreSQL of its own with
// other spaces beside it, and what the indexes for that cost an upload. Medians of seven; writes results/listing.md.
// BENCH_ROWS: fewer files. BENCH_ONLY: only cases whose name holds this.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import {
  AnalyticsRepository,
  FileListingRepository,
  FolderRepository,
  FolderWalkRepository,
  LevelListing,
  UsageHistoryRepository,
} from '../src/features/storage/index.ts';
import { Database } from '../src/platform/db/database.ts';
import { startEmbeddedPostgres } from '../src/platform/db/embedded-postgres.ts';
import { migrate } from '../src/platform/db/migrate.ts';
import { encodeCursor } from '../src/platform/keyset.ts';
import { silentLogger } from '../src/platform/logging/logger.ts';
import { fillListing, SPACES } from './listing-data.ts';
import { measureUploads } from './listing-uploads.ts';

type Query = Parameters<FileListingRepository['list']>[1];
type Sort = Query['sort'];

const ROWS = Number(process.env['BENCH_ROWS'] ?? 1_000_000);
const ONLY = process.env['BENCH_ONLY'] ?? '';
const ROUNDS = 7;
const LIMIT = 100;
/** So many of the filters are measured in both orders. */
const BOTH_WAYS = 4;
const COLUMN = { name: 'path', date: 'uploaded_at', size: 'size_bytes' } as const;

const log = silentLogger();
const folder = await mkdtemp(join(tmpdir(), 'pockity-bench-listing-'));
const postgres = await startEmbeddedPostgres({
  directory: join(folder, 'postgres'),
  password: 'bench',
  log,
  settings: { shared_buffers: '1GB', max_wal_size: '4GB' },
});
const lines: string[] = [];
try {
  await migrate({ url: postgres.url, migrationsDirectory: join(import.meta.dirname, '../prisma/migrations'), log });
  const database = new Database({ url: postgres.url, maxConnections: 2, log });
  const client = new pg.Client({ connectionString: postgres.url });
  await client.connect();
  const startedAt = performance.now();
  await fillListing(client, ROWS);
  console.log(`${ROWS} files written in ${((performance.now() - startedAt) / 1000).toFixed(0)} s`);
  await measurePages(database, client);
  await measureReads(database);
  if (ONLY === '') await save();
  if (ONLY === '') {
    say('', '## What the indexes cost an upload', '', ...(await measureUploads(database, client)));
    await save();
  }
  await client.end();
  await database.close();
} finally {
  await postgres.release();
  await rm(folder, { recursive: true, force: true });
}

async function save(): Promise<void> {
  await writeFile(join(import.meta.dirname, 'results/listing.md'), `${lines.join('\n')}\n`);
}

function say(...text: string[]): void {
  lines.push(...text);
  console.log(text.join('\n'));
}

async function measurePages(database: Database, client: pg.Client): Promise<void> {
  const listing = new FileListingRepository(database);
  const levels = new LevelListing({
    files: listing,
    folders: new FolderRepository(database),
    walk: new FolderWalkRepository(database),
  });
  const filters: [string, Partial<Query>][] = [
    ['plain', {}],
    ['prefix of half', { prefix: 'deep/' }],
    ['prefix of 100', { prefix: 'deep/a7/b7/' }],
    ['folder of half, its files', { folder: 'flat', prefix: 'flat/' }],
    ['search, frequent', { search: 'FILE' }],
    ['search, 1 %', { search: 'report' }],
    ['search, rare', { search: 'needle' }],
    ['search, none', { search: 'nosuchthing' }],
    ['search of 2 characters, rare', { search: 'zq' }],
    ['search of 2 characters, none', { search: 'qx' }],
    ['category, half', { category: 'image' }],
    ['category, rare', { category: 'archive' }],
    ['category, none here, many elsewhere', { category: 'video' }],
    ['tag, half', { tag: 'common' }],
    ['tag, 3 %', { tag: 'three' }],
    ['tag, 1 %', { tag: 'one' }],
    ['tag, 0.3 %', { tag: 'third' }],
    ['tag, rare', { tag: 'project=apollo' }],
    ['tag key, rare', { tag: 'project' }],
    ['tag, none', { tag: 'nosuchtag' }],
    ['tag, a fifth, only the newest', { tag: 'late' }],
    ['all of them, rare', { prefix: 'deep/', search: 'file', category: 'image', tag: 'third' }],
    ['folder of half, tag of 1 %', { folder: 'flat', prefix: 'flat/', tag: 'one' }],
  ];
  say(
    '# Last listing bench run',
    '',
    `${new Date().toISOString().slice(0, 10)}, Node ${process.version}, ${ROWS} files in the space, ${ROWS / 5} in others, pages of ${LIMIT}, ms, medians of ${ROUNDS}, wire and parsing included.`,
    '',
    '| list | first | middle | last | last / first |',
    '|---|---|---|---|---|',
  );
  for (const [n, [name, filter]] of filters.entries()) {
    for (const sort of ['name', 'date', 'size'] as const) {
      for (const order of n < BOTH_WAYS ? (['asc', 'desc'] as const) : (['desc'] as const)) {
        const query: Query = { prefix: '', ...filter, sort, order, limit: LIMIT };
        await row(`${name}, by ${sort} ${order}`, await cursorsOf(client, query), (cursor) =>
          listing.list(SPACES.pocket, { ...query, cursor }).then(({ files }) => files.length),
        );
      }
    }
  }
  for (const [name, space, prefix] of [
    ['level of a pocket, 500 folders, 1000 files', { id: SPACES.pocket, kind: 'KEY' }, ''],
    ['level of a drive, 100,000 folders', { id: SPACES.drive, kind: 'DRIVE' }, 'many/'],
  ] as const) {
    for (const sort of ['name', 'date', 'size'] as const) {
      for (const order of ['asc', 'desc'] as const) {
        const query: Query = { prefix, sort, order, limit: LIMIT };
        const cursors: (string | undefined)[] = [undefined];
        for (let cursor: string | undefined; ; ) {
          const page = await levels.listNames(space, { ...query, limit: 200, cursor });
          if (page.nextCursor === null) break;
          cursor = page.nextCursor;
          cursors.push(cursor);
        }
        const chosen = [undefined, cursors[Math.floor(cursors.length / 2)], cursors.at(-1)];
        await row(`${name}, by ${sort} ${order}`, chosen, (cursor) =>
          levels.listNames(space, { ...query, cursor }).then((page) => page.files.length + page.folders.length),
        );
      }
    }
  }
}

/** The beginnings of the first, a middle and the last page; the same of fewer pages where there are no three. */
async function cursorsOf(client: pg.Client, query: Query): Promise<(string | undefined)[]> {
  const { sort, order } = query;
  const { where, values } = plainly(query);
  const by = sort === 'name' ? `path ${order}` : `${COLUMN[sort]} ${order}, id ${order}`;
  const counted = await client.query<{ n: string }>(`SELECT count(*) AS n FROM files WHERE ${where}`, values);
  const total = Number(counted.rows[0]?.n ?? 0);
  if (total <= 2 * LIMIT) return [undefined];
  const at = async (offset: number) => {
    const text = `SELECT id, path, uploaded_at, size_bytes FROM files WHERE ${where} ORDER BY ${by} OFFSET ${offset} LIMIT 1`;
    const { rows } = await client.query<{ id: string; path: string; uploaded_at: Date; size_bytes: string }>(
      text,
      values,
    );
    const [found] = rows;
    if (!found) throw new Error('the list has ended');
    const position = {
      name: [found.path],
      date: [found.uploaded_at.getTime(), found.id],
      size: [Number(found.size_bytes), found.id],
    };
    return encodeCursor(position[sort satisfies Sort]);
  };
  return [undefined, await at(Math.floor(total / 2)), await at(total - LIMIT - 1)];
}

/** The filter as its definition has it, for no index. */
function plainly({ prefix, folder, search, category, tag }: Query) {
  const where = [
    'space_id = $1 AND deleted_at IS NULL AND starts_with(path, $2)',
    '($3::text IS NULL OR path_parent(path) = $3) AND ($4::text IS NULL OR strpos(lower(path), $4) > 0)',
    "($5::text IS NULL OR category = $5) AND ($6::text IS NULL OR $6 = ANY (tags) OR array_to_string(tags, ',') LIKE '%' || $6 || '=%')",
  ].join(' AND ');
  return {
    where,
    values: [SPACES.pocket, prefix, folder ?? null, search?.toLowerCase() ?? null, category ?? null, tag ?? null],
  };
}

async function row(
  name: string,
  cursors: readonly (string | undefined)[],
  page: (cursor: string | undefined) => Promise<number>,
): Promise<void> {
  if (!name.includes(ONLY)) return;
  const medians: number[] = [];
  let entries = 0;
  for (const cursor of cursors) {
    entries = Math.max(entries, await page(cursor));
    medians.push(await median(() => page(cursor)));
  }
  const [first = 0, middle, last] = medians;
  const shown = [first, middle, last].map((ms) => ms?.toFixed(1) ?? '');
  say(`| ${name} (${entries}) | ${shown.join(' | ')} | ${last === undefined ? '' : (last / first).toFixed(2)} |`);
}

async function median(work: () => Promise<unknown>): Promise<number> {
  const durations: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const startedAt = performance.now();
    await work();
    durations.push(performance.now() - startedAt);
  }
  return durations.toSorted((a, b) => a - b)[Math.floor(ROUNDS / 2)] ?? 0;
}

async function measureReads(database: Database): Promise<void> {
  const analytics = new AnalyticsRepository(database);
  const history = new UsageHistoryRepository(database);
  const since = new Date(Date.now() - 30 * 24 * 3600 * 1000);
  say('', '## Analytics and usage history', '', '| read | 10 files | all files | ratio |', '|---|---|---|---|');
  const reads: [string, (spaceId: string) => Promise<unknown>][] = [
    ['analytics', (spaceId) => analytics.read(spaceId, since)],
    ['usage history, first page', (spaceId) => history.page(spaceId, { since, limit: LIMIT, cursor: undefined })],
    ['usage history, days', (spaceId) => history.days(spaceId, since)],
  ];
  for (const [name, read] of reads) {
    for (let n = 0; n < 10; n += 1) await Promise.all([read(SPACES.small), read(SPACES.pocket)]);
    const small = await median(() => read(SPACES.small));
    const large = await median(() => read(SPACES.pocket));
    say(`| ${name} | ${small.toFixed(2)} | ${large.toFixed(2)} | ${(large / small).toFixed(2)} |`);
  }
}
