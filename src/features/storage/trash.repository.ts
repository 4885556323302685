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
    WHERE space_id = $1 AND deleted_at IS NOT NULL AND path >= $2 AND path < $3
    ORDER BY path, deleted_at DESC, id DESC LIMIT $4`,
};

const NEWEST_FIRST = 'ORDER BY deleted_at DESC, id DESC LIMIT $2';
const COLUMNS = `${FILE_COLUMNS}, deleted_at, trash_expires_at`;

/** The whole trash walks one index. */
const LIST = {
  name: 'trash_list',
  text: `SELECT ${COLUMNS} FROM files WHERE space_id = $1 AND deleted_at IS NOT NULL ${NEWEST_FIRST}`,
};

const LIST_ON = {
  name: 'trash_list_on',
  text: LIST.text.replace('ORDER BY', 'AND (deleted_at, id) < ($3, $4::uuid) ORDER BY'),
};

/** What lies below a prefix is found by path and sorted: to look for it in the order of the list could mean all of it. */
const LIST_BELOW = {
  name: 'trash_list_below',
  text: `WITH found AS MATERIALIZED (
      SELECT id, deleted_at FROM files WHERE space_id = $1 AND deleted_at IS NOT NULL AND path >= $3 AND path < $4
    ), page AS MATERIALIZED (
      SELECT id FROM found WHERE $5::timestamptz IS NULL OR (deleted_at, id) < ($5, $6::uuid) ${NEWEST_FIRST}
    )
    SELECT ${COLUMNS} FROM files WHERE id IN (SELECT id FROM page) ORDER BY deleted_at DESC, id DESC`,
};

/** Behind every path. */
const END = '\u{10ffff}'.repeat(257);

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
    const position = cursor === undefined ? null : decodeCursor(cursor, 'time', 'id');
    const after = position === null ? [null, null] : [new Date(position[0]), position[1]];
    const statement = prefix !== '' ? LIST_BELOW : position === null ? LIST : LIST_ON;
    const range = prefix !== '' ? [prefix, endOfPrefix(prefix) ?? END, ...after] : position === null ? [] : after;
    const rows = await this.#database.query<TrashRow>(statement, [spaceId, limit + 1, ...range]);
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
    return this.#database.query(NEWEST_BELOW, [spaceId, prefix, endOfPrefix(prefix) ?? END, limit]);
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
