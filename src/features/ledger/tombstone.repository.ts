import type { Database } from '../../platform/db/database.ts';

/** One object that has to go. `upload`: an interrupted transfer, which may have left more than an object. */
export interface Tombstone {
  readonly objectKey: string;
  readonly origin: 'file' | 'upload';
}

const LEASE = {
  name: 'tombstones_lease',
  // Taken by moving `due_at`: another worker passes over it, and if this one dies it falls due again.
  text: `UPDATE object_tombstones SET attempts = attempts + 1,
      due_at = now() + least(interval '1 hour', interval '1 minute' * (1 << least(attempts, 6))) * (0.75 + random() / 4)
    WHERE object_key IN (
      SELECT object_key FROM object_tombstones WHERE due_at <= now() ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED
    )
    RETURNING object_key, origin`,
};

const BURY = { name: 'tombstones_bury', text: 'DELETE FROM object_tombstones WHERE object_key = ANY($1)' };

const NOTE_FAILURE = {
  name: 'tombstones_note_failure',
  text: `UPDATE object_tombstones t SET last_error = f.reason
    FROM unnest($1::text[], $2::text[]) AS f(object_key, reason) WHERE t.object_key = f.object_key`,
};

/** The objects that no file names any more. */
export class TombstoneRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Takes up to `limit` due ones for a minute, longer at each further try. */
  async lease(limit: number): Promise<Tombstone[]> {
    const rows = await this.#database.query<{ object_key: string; origin: 'file' | 'upload' }>(LEASE, [limit]);
    return rows.map((row) => ({ objectKey: row.object_key, origin: row.origin }));
  }

  /** The store has said that these are gone. */
  async bury(objectKeys: readonly string[]): Promise<void> {
    await this.#database.query(BURY, [objectKeys]);
  }

  async noteFailures(failures: readonly { readonly key: string; readonly reason: string }[]): Promise<void> {
    await this.#database.query(NOTE_FAILURE, [failures.map(({ key }) => key), failures.map(({ reason }) => reason)]);
  }
}
