import type { Database } from '../../platform/db/database.ts';
import type { Tx } from '../../platform/db/unit-of-work.ts';

/** One object that has to go. `upload`: an interrupted transfer, which may have left more than an object. */
export interface Tombstone {
  readonly objectKey: string;
  readonly origin: 'file' | 'upload';
  /** When it falls due again, to the microsecond: whoever buries the key anew meanwhile sets another time. */
  readonly due: string;
}

const LEASE = {
  name: 'tombstones_lease',
  // Taken by moving `due_at`: another worker passes over it, and if this one dies it falls due again.
  text: `UPDATE object_tombstones SET attempts = attempts + 1,
      due_at = now() + least(interval '1 hour', interval '1 minute' * (1 << least(attempts, 6))) * (0.75 + random() / 4)
    WHERE object_key IN (
      SELECT object_key FROM object_tombstones WHERE due_at <= now() ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED
    )
    RETURNING object_key, origin, due_at::text AS due`,
};

const BURY = {
  name: 'tombstones_bury',
  // One that was set anew since it was leased may be of an object that came after the removal.
  text: `DELETE FROM object_tombstones t USING unnest($1::text[], $2::text[]) AS d(object_key, due)
    WHERE t.object_key = d.object_key AND t.due_at = d.due::timestamptz`,
};

const NOTE_FAILURE = {
  name: 'tombstones_note_failure',
  text: `UPDATE object_tombstones t SET last_error = f.reason
    FROM unnest($1::text[], $2::text[]) AS f(object_key, reason) WHERE t.object_key = f.object_key`,
};

const INTEND = {
  name: 'tombstones_intend',
  text: `INSERT INTO object_tombstones (object_key, origin, due_at) VALUES ($1, 'upload', now() + make_interval(secs => $2))
    ON CONFLICT (object_key) DO UPDATE SET due_at = excluded.due_at`,
};

/** The objects that no file names any more. */
export class TombstoneRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Before an object is stored outside the upload ledger: it is removed after that time, whatever has become of the
   * process, unless `fulfil` came first. Also for an object that is not wanted after all, with a time of 0.
   */
  async intend(objectKey: string, dueInSeconds: number): Promise<void> {
    await this.#database.query(INTEND, [objectKey, dueInSeconds]);
  }

  /** In the transaction that names the object: it stays. False when its removal has begun. */
  async fulfil(tx: Tx, objectKey: string): Promise<boolean> {
    // `attempts` is raised by whoever takes a tombstone up, before the object is touched.
    const { count } = await tx.objectTombstone.deleteMany({ where: { objectKey, attempts: 0 } });
    return count === 1;
  }

  /** In the transaction after which nothing names the object. */
  async add(tx: Tx, objectKey: string): Promise<void> {
    await tx.$executeRaw`
      INSERT INTO object_tombstones (object_key, origin, due_at) VALUES (${objectKey}, 'file', now())`;
  }

  /** Takes up to `limit` due ones for a minute, longer at each further try. */
  async lease(limit: number): Promise<Tombstone[]> {
    const rows = await this.#database.query<{ object_key: string; origin: 'file' | 'upload'; due: string }>(LEASE, [
      limit,
    ]);
    return rows.map(({ object_key: objectKey, origin, due }) => ({ objectKey, origin, due }));
  }

  /** The store has said that these, as they were leased, are gone. */
  async bury(gone: readonly Tombstone[]): Promise<void> {
    await this.#database.query(BURY, [gone.map(({ objectKey }) => objectKey), gone.map(({ due }) => due)]);
  }

  async noteFailures(failures: readonly { readonly key: string; readonly reason: string }[]): Promise<void> {
    await this.#database.query(NOTE_FAILURE, [failures.map(({ key }) => key), failures.map(({ reason }) => reason)]);
  }
}
