import { expect } from 'vitest';
import type { ClaimedKey } from './client-accounts.ts';
import { eventually } from './client-eventually.ts';
import type { ServerPlace } from './server-place.ts';

/** What a space's rows, counters and byte ledger say, each for itself. */
export interface SpaceBooks {
  readonly usedBytes: number;
  readonly usedObjects: number;
  readonly reservedBytes: number;
  readonly reservedObjects: number;
  readonly fileBytes: number;
  readonly files: number;
  readonly ledgerBytes: number;
  readonly ledgerObjects: number;
  readonly uploads: number;
  /** Pictures beside the files, which count for nothing. */
  readonly thumbnails: number;
  readonly thumbnailBytes: number;
}

/** Reads the books of a key's space out of the database. */
export async function readBooks(place: ServerPlace, { accessKeyId }: ClaimedKey): Promise<SpaceBooks> {
  const [row] = await place.query<Record<keyof SpaceBooks, string>>(
    `SELECT s.used_bytes AS "usedBytes", s.used_objects AS "usedObjects",
        s.reserved_bytes AS "reservedBytes", s.reserved_objects AS "reservedObjects",
        (SELECT coalesce(sum(size_bytes), 0) FROM files f WHERE f.space_id = s.id AND f.deleted_at IS NULL) AS "fileBytes",
        (SELECT count(*) FROM files f WHERE f.space_id = s.id AND f.deleted_at IS NULL) AS "files",
        (SELECT coalesce(sum(delta_bytes), 0) FROM usage_entries e WHERE e.space_id = s.id) AS "ledgerBytes",
        (SELECT coalesce(sum(delta_objects), 0) FROM usage_entries e WHERE e.space_id = s.id) AS "ledgerObjects",
        (SELECT count(*) FROM uploads u WHERE u.space_id = s.id) AS "uploads",
        (SELECT count(*) FROM file_media m, jsonb_each(m.thumbnails) t WHERE m.space_id = s.id) AS "thumbnails",
        (SELECT coalesce(sum((t.value->>'sizeBytes')::bigint), 0) FROM file_media m, jsonb_each(m.thumbnails) t
         WHERE m.space_id = s.id) AS "thumbnailBytes"
      FROM spaces s WHERE s.prefix = $1`,
    [`apikeys/${accessKeyId}/`],
  );
  if (!row) throw new Error(`no space of ${accessKeyId}`);
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [name, Number(value)])) as unknown as SpaceBooks;
}

/**
 * Waits until nothing of failed or interrupted uploads is left of a key: no reservation, no temporary file, no object
 * without a file; then asserts that counters, rows, byte ledger and the disk agree.
 */
export async function expectClean(place: ServerPlace, key: ClaimedKey, withinMs = 30_000): Promise<SpaceBooks> {
  const prefix = `apikeys/${key.accessKeyId}/`;
  await eventually(
    'nothing is left of what failed',
    async () => {
      const { reservedBytes, reservedObjects, uploads, files, thumbnails } = await readBooks(place, key);
      expect({ reservedBytes, reservedObjects, uploads }).toEqual({ reservedBytes: 0, reservedObjects: 0, uploads: 0 });
      expect(await place.temporaries()).toEqual([]);
      expect(await place.objects(prefix)).toHaveLength(files + thumbnails);
      return true;
    },
    { withinMs, everyMs: 100 },
  );
  const books = await readBooks(place, key);
  const objects = await place.objects(prefix);
  expect(books).toMatchObject({
    fileBytes: books.usedBytes,
    files: books.usedObjects,
    ledgerBytes: books.usedBytes,
    ledgerObjects: books.usedObjects,
  });
  expect(objects.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)).toBe(books.usedBytes + books.thumbnailBytes);
  return books;
}

/**
 * Has the jobs do at their next turns what they would do within two minutes: end the leases of dead uploads, and remove
 * the objects of those, which otherwise wait for a minute lest their writers be still at it.
 */
export async function hastenJobs(place: ServerPlace): Promise<void> {
  await place.query(`UPDATE uploads SET lease_expires_at = now() - interval '1 second'`);
  await eventually(
    'the dead uploads are released',
    async () => (await place.query('SELECT 1 FROM uploads')).length === 0,
    { withinMs: 30_000, everyMs: 100 },
  );
  await place.query('UPDATE object_tombstones SET due_at = now() WHERE due_at > now()');
}
