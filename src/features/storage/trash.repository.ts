import type { Database } from '../../platform/db/database.ts';
import { cutPage, decodeCursor, encodeCursor, type Page } from '../../platform/keyset.ts';
import { FILE_COLUMNS, type FileRow, toFile } from './file.repository.ts';
import { endOfPrefix } from './path-range.ts';
import type { TrashedFile, TrashQuery } from './trashed-file.ts';

interface TrashRow extends FileRow {
  readonly deleted_at: Date;
  readonly trash_expires_at: Date;
}

const FIND = {
  name: 'trash_find',
  text: `SELECT ${FILE_COLUMNS}, deleted_at, trash_expires_at FROM files
    WHERE space_id = $1 AND id = ANY($2::uuid[]) AND deleted_at IS NOT NULL ORDER BY deleted_at DESC, id DESC`,
};

const NEWEST_BELOW = {
  name: 'trash_newest_below',
  text: `SELECT DISTINCT ON (path) id, path FROM files
    WHERE space_id = $1 AND deleted_at IS NOT NULL AND path >= $2 AND ($3::text IS NULL OR path < $3)
    ORDER BY path, deleted_at DESC, id DESC LIMIT $4`,
};

const LIST = {
  name: 'trash_list',
  text: `SELECT ${FILE_COLUMNS}, deleted_at, trash_expires_at FROM files
    WHERE space_id = $1 AND deleted_at IS NOT NULL AND path >= $2 AND ($3::text IS NULL OR path < $3)
    ORDER BY deleted_at DESC, id DESC LIMIT $4`,
};

const LIST_ON = {
  name: 'trash_list_on',
  text: LIST.text.replace('ORDER BY', 'AND (deleted_at, id) < ($5, $6::uuid) ORDER BY'),
};

const STATE = {
  name: 'trash_state',
  text: 'SELECT trash_objects, now()::timestamptz(3)::text AS now FROM spaces WHERE id = $1',
};

/** Reads what lies in a space's trash. */
export class TrashRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Newest first, by keyset. */
  async list(spaceId: string, { prefix, limit, cursor }: TrashQuery): Promise<Page<TrashedFile>> {
    const values = [spaceId, prefix, endOfPrefix(prefix), limit + 1];
    let rows: TrashRow[];
    if (cursor === undefined) {
      rows = await this.#database.query<TrashRow>(LIST, values);
    } else {
      const [time, id] = decodeCursor(cursor, 'time', 'id');
      rows = await this.#database.query<TrashRow>(LIST_ON, [...values, new Date(time), id]);
    }
    return cutPage(rows.map(toTrashed), limit, ({ deletedAt, id }) => encodeCursor([deletedAt.getTime(), id]));
  }

  /** Those of these ids that are there, last deleted first. */
  async find(spaceId: string, ids: readonly string[]): Promise<TrashedFile[]> {
    return (await this.#database.query<TrashRow>(FIND, [spaceId, ids])).map(toTrashed);
  }

  /** Of each name below a prefix the file that was deleted last, up to `limit`, by path. */
  newestBelow(
    spaceId: string,
    { prefix, limit }: { readonly prefix: string; readonly limit: number },
  ): Promise<{ readonly id: string; readonly path: string }[]> {
    return this.#database.query(NEWEST_BELOW, [spaceId, prefix, endOfPrefix(prefix), limit]);
  }

  /** How many files are in it, and PostgreSQL's time, as deletions are stamped with. */
  async state(spaceId: string): Promise<{ readonly files: number; readonly now: string }> {
    const [row] = await this.#database.query<{ trash_objects: number; now: string }>(STATE, [spaceId]);
    return { files: row?.trash_objects ?? 0, now: row?.now ?? 'infinity' };
  }
}

function toTrashed(row: TrashRow): TrashedFile {
  return { ...toFile(row), deletedAt: row.deleted_at, expiresAt: row.trash_expires_at };
}
