import { firstIdOf } from '../../platform/crypto/random.ts';
import type { Database } from '../../platform/db/database.ts';
import { cutPageById, decodeCursor, encodeCursor, type Page, type PageRequest } from '../../platform/keyset.ts';

/** One change of a space's usage: what it was, and by how much. */
export interface UsageEntry {
  readonly id: string;
  readonly at: Date;
  readonly reason: string;
  readonly deltaBytes: number;
  readonly deltaObjects: number;
  readonly deltaTrashBytes: number;
  readonly deltaVersionBytes: number;
  readonly fileId: string | null;
  /** The name that the file had then. */
  readonly path: string;
}

/** All changes of a day (UTC) added up. */
export interface UsageDay {
  /** `2026-11-21` */
  readonly day: string;
  readonly addedBytes: number;
  readonly removedBytes: number;
  readonly addedObjects: number;
  readonly removedObjects: number;
}

/** How far ids, which begin with the time, and `created_at` may lie apart. */
const TOLERANCE_MS = 5 * 60_000;
const AFTER_ALL_IDS = 'ffffffff-ffff-ffff-ffff-ffffffffffff';

const PAGE = {
  name: 'usage_history_page',
  text: `SELECT id, created_at AS at, reason, delta_bytes AS "deltaBytes", delta_objects AS "deltaObjects",
      delta_trash_bytes AS "deltaTrashBytes", delta_version_bytes AS "deltaVersionBytes", file_id AS "fileId", path
    FROM usage_entries WHERE space_id = $1 AND id < $2 AND id >= $3 AND created_at >= $4 ORDER BY id DESC LIMIT $5`,
};

const DAYS = {
  name: 'usage_history_days',
  text: `SELECT day::text, added_bytes AS "addedBytes", removed_bytes AS "removedBytes",
      added_objects AS "addedObjects", removed_objects AS "removedObjects"
    FROM usage_daily WHERE space_id = $1 AND day >= ($2::timestamptz AT TIME ZONE 'UTC')::date ORDER BY day DESC`,
};

/** Reads the byte ledger of a space. */
export class UsageHistoryRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Entries since then, newest first. Errors: VALIDATION_FAILED (cursor). */
  async page(
    spaceId: string,
    { since, limit, cursor }: PageRequest & { readonly since: Date },
  ): Promise<Page<UsageEntry>> {
    const before = cursor === undefined ? AFTER_ALL_IDS : decodeCursor(cursor, 'id')[0];
    const from = firstIdOf(since.getTime() - TOLERANCE_MS);
    const found = await this.#database.query<UsageEntry>(PAGE, [spaceId, before, from, since, limit + 1]);
    const { entries, nextCursor } = cutPageById(found, limit);
    return { entries, nextCursor: nextCursor === null ? null : encodeCursor([nextCursor]) };
  }

  /** The days since then on which something changed, newest first. */
  days(spaceId: string, since: Date): Promise<UsageDay[]> {
    return this.#database.query<UsageDay>(DAYS, [spaceId, since]);
  }
}
