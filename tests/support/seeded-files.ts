import { newId } from '../../src/platform/crypto/random.ts';
import type { Database } from '../../src/platform/db/database.ts';

const SEED = {
  name: 'test_seed_files',
  text: `WITH made AS (
      INSERT INTO files (id, space_id, path, object_key, size_bytes, sha256, etag, content_type, category, extension, tags, deleted_at, trash_expires_at)
      SELECT ledger_new_id(), $1, $2 || lpad(i::text, 5, '0') || '.txt', $3 || i, 10, repeat('a', 64), 'a', 'text/plain', 'document', 'txt', '{}',
        CASE WHEN $5 THEN now() END, CASE WHEN $5 THEN now() + interval '30 days' END
      FROM generate_series(1, $4::integer) i RETURNING id, path
    ), entered AS (
      INSERT INTO usage_entries (id, space_id, delta_bytes, delta_objects, reason, file_id, path, delta_trash_bytes)
      SELECT ledger_new_id(), $1, 10, 1, 'upload', id, path, CASE WHEN $5 THEN 10 ELSE 0 END FROM made
    )
    UPDATE spaces SET used_bytes = used_bytes + 10 * $4::integer, used_objects = used_objects + $4::integer,
      trash_bytes = trash_bytes + CASE WHEN $5 THEN 10 * $4::integer ELSE 0 END,
      trash_objects = trash_objects + CASE WHEN $5 THEN $4::integer ELSE 0 END
    WHERE id = $1`,
};

/**
 * Many files of 10 bytes, named `prefix` + `00001.txt` and so on, with all that the ledger keeps of them but objects and
 * folders: quicker than to upload them.
 */
export async function seedFiles(
  database: Database,
  spaceId: string,
  { prefix, count, trashed = false }: { readonly prefix: string; readonly count: number; readonly trashed?: boolean },
): Promise<void> {
  await database.query(SEED, [spaceId, prefix, `seeded/${newId()}/`, count, trashed]);
}
