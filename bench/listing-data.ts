import type pg from 'pg';

/** The spaces of `listing.ts`. */
export const SPACES = {
  pocket: '019aa2f4-0000-7000-8000-000000000001',
  drive: '019aa2f4-0000-7000-8000-000000000002',
  small: '019aa2f4-0000-7000-8000-000000000003',
  /** Uploads are measured in it. */
  uploads: '019aa2f4-0000-7000-8000-000000000004',
} as const;

const OWNER = '019aa2f4-0000-7000-8000-00000000000f';

/** Columns besides the path, by the row's number n of $2; `late` is of the newest fifth, the rest is spread evenly. */
const COLUMNS = `n, h::uuid AS id, md5('k' || n || $3)::text AS object_key, (n::bigint * 7919) % 10000019 AS size_bytes,
  CASE WHEN n % 2 = 0 THEN 'image' WHEN n % 20001 = 1 THEN 'archive' ELSE 'document' END AS category,
  array_remove(ARRAY[
    CASE WHEN n % 2 = 1 THEN 'common' END, CASE WHEN n % 33 = 1 THEN 'three' END, CASE WHEN n % 100 = 7 THEN 'one' END,
    CASE WHEN n % 333 = 5 THEN 'third' END, CASE WHEN n % 20000 = 9 THEN 'project=apollo' END, CASE WHEN n > $2 * 0.8 THEN 'late' END
  ], NULL) AS tags,
  now() - ($2 - n) * interval '30 seconds' AS at`;

const NAME = `CASE WHEN n % 100 = 3 THEN 'report' WHEN n % 30000 = 11 THEN 'needle' WHEN n % 40000 = 13 THEN 'zq' ELSE 'file' END || '-' || lpad(n::text, 7, '0') || '.jpg'`;
const PATH = `CASE WHEN n % 1000 = 0 THEN '' WHEN n % 1000 = 1 THEN 'top' || n % 500000 / 1000 || '/' WHEN n % 2 = 0 THEN 'flat/'
  ELSE 'deep/a' || n % 100 || '/b' || n / 100 % 50 || '/' END || ${NAME}`;

const INSERT = `INSERT INTO files (id, space_id, path, object_key, size_bytes, sha256, etag, content_type, category, extension, tags, uploaded_at)`;
const REST = `repeat('a', 64), 'e', 'image/jpeg'`;

/** 1,000,000 files (or so many) in a pocket, a fifth of that in 20 others, 100,000 folders in a drive, 10 files in the small one. */
export async function fillListing(client: pg.Client, rows: number): Promise<void> {
  const run = (text: string, values: unknown[] = []) => client.query(text, values);
  await run(`INSERT INTO users (id, email, email_key, password_hash) VALUES ($1, 'a@b.c', 'a@b.c', 'none')`, [OWNER]);
  const spaces = [...Object.values(SPACES), ...Array.from({ length: 20 }, (_, i) => otherSpace(i))];
  await run(
    `INSERT INTO spaces (id, kind, owner_id, prefix, quota_bytes, quota_objects)
    SELECT id, CASE WHEN id = $3 THEN 'DRIVE' ELSE 'KEY' END::"SpaceKind", $2, 'apikeys/' || id || '/', 1e15, 1e9 FROM unnest($1::uuid[]) id`,
    [spaces, OWNER, SPACES.drive],
  );
  await run('ALTER TABLE files DISABLE TRIGGER USER');
  await run('ALTER TABLE usage_entries DISABLE TRIGGER USER');
  for (const [spaceId, count] of [
    [SPACES.pocket, rows],
    [SPACES.small, 10],
  ] as const) {
    await run(
      `${INSERT} SELECT id, $1::uuid, ${PATH}, object_key, size_bytes, ${REST}, category, 'jpg', tags, at
      FROM (SELECT ${COLUMNS} FROM (SELECT n, md5(n || $3) AS h FROM generate_series(1, $2::int) n) numbers) made`,
      [spaceId, count, spaceId],
    );
    await run(
      `INSERT INTO usage_entries (id, space_id, delta_bytes, delta_objects, reason, file_id, path, created_at)
      SELECT (lpad(to_hex((extract(epoch FROM uploaded_at) * 1000)::bigint), 12, '0') || '7' || substr(md5(id::text), 1, 19))::uuid, space_id, size_bytes, 1, 'upload', id, path, uploaded_at FROM files WHERE space_id = $1`,
      [spaceId],
    );
  }
  for (let i = 0; i < 20; i += 1) {
    await run(
      `${INSERT} SELECT id, $1::uuid, 'clips/' || h || '.mp4', object_key, size_bytes, ${REST}, 'video', 'mp4', tags, at
      FROM (SELECT h, ${COLUMNS} FROM (SELECT n, md5(n || $3) AS h FROM generate_series(1, $2::int) n) numbers) made`,
      [otherSpace(i), rows / 100, otherSpace(i)],
    );
  }
  await run(`INSERT INTO folders (id, space_id, path) VALUES ($1, $2, 'many')`, [OWNER, SPACES.drive]);
  await run(
    `INSERT INTO folders (id, space_id, parent_id, path, created_at)
    SELECT md5('f' || n)::uuid, $1, $2, 'many/folder-' || n, now() - n * interval '1 minute' FROM generate_series(1, 100000) n`,
    [SPACES.drive, OWNER],
  );
  await run(
    `INSERT INTO space_categories SELECT space_id, category, count(*), sum(size_bytes) FROM files GROUP BY 1, 2`,
  );
  await run(
    `INSERT INTO usage_daily SELECT space_id, (created_at AT TIME ZONE 'UTC')::date, sum(delta_bytes), 0, sum(delta_objects), 0 FROM usage_entries GROUP BY 1, 2`,
  );
  await run('ALTER TABLE files ENABLE TRIGGER USER');
  await run('ALTER TABLE usage_entries ENABLE TRIGGER USER');
  for (const table of ['files', 'folders', 'usage_entries', 'usage_daily', 'space_categories', 'spaces']) {
    await run(`VACUUM ANALYZE ${table}`);
  }
}

function otherSpace(i: number): string {
  return `019aa2f4-0000-7000-8000-0000000001${String(i).padStart(2, '0')}`;
}
