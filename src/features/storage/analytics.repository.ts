import type { Database } from '../../platform/db/database.ts';
import { FILE_COLUMNS, type FileRow, toFile } from './file.repository.ts';
import type { StoredFile } from './stored-file.ts';

/** What the living files of a space come to, from rollups and ends of indexes: as cheap with a million files as with ten. */
export interface SpaceAnalytics {
  readonly categories: readonly { readonly category: string; readonly files: number; readonly bytes: number }[];
  readonly largest: StoredFile | null;
  /** Newest first. */
  readonly recent: readonly StoredFile[];
  /** By how much usage, all of it, has grown since the day asked for; negative where it shrank. */
  readonly grownBytes: number;
  readonly spaceCreatedAt: Date;
}

const RECENT_FILES = 10;

const CATEGORIES = {
  name: 'analytics_categories',
  text: `SELECT category, files, bytes FROM space_categories WHERE space_id = $1 AND files > 0 ORDER BY category`,
};

const GROWTH = {
  name: 'analytics_growth',
  text: `SELECT created_at AS "createdAt", (
      SELECT coalesce(sum(added_bytes - removed_bytes), 0)::bigint FROM usage_daily
      WHERE space_id = $1 AND day >= ($2::timestamptz AT TIME ZONE 'UTC')::date
    ) AS "grownBytes" FROM spaces WHERE id = $1`,
};

const LARGEST = {
  name: 'analytics_largest',
  text: `SELECT ${FILE_COLUMNS} FROM files WHERE space_id = $1 AND deleted_at IS NULL AND path <> '' ORDER BY size_bytes DESC, id DESC LIMIT 1`,
};

const RECENT = {
  name: 'analytics_recent',
  text: `SELECT ${FILE_COLUMNS} FROM files WHERE space_id = $1 AND deleted_at IS NULL AND path <> '' ORDER BY uploaded_at DESC, id DESC LIMIT ${RECENT_FILES}`,
};

/** Reads the rollups of a space. */
export class AnalyticsRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Growth is that of the day (UTC) of `since` and all later ones. */
  async read(spaceId: string, since: Date): Promise<SpaceAnalytics> {
    const [categories, [growth], [largest], recent] = await Promise.all([
      this.#database.query<SpaceAnalytics['categories'][number]>(CATEGORIES, [spaceId]),
      this.#database.query<{ createdAt: Date; grownBytes: number }>(GROWTH, [spaceId, since]),
      this.#database.query<FileRow>(LARGEST, [spaceId]),
      this.#database.query<FileRow>(RECENT, [spaceId]),
    ]);
    return {
      categories,
      largest: largest ? toFile(largest) : null,
      recent: recent.map(toFile),
      grownBytes: growth?.grownBytes ?? 0,
      spaceCreatedAt: growth?.createdAt ?? since,
    };
  }
}
