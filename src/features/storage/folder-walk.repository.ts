import type { Database } from '../../platform/db/database.ts';
import { decodeCursor, encodeCursor, foreignCursor, type Page } from '../../platform/keyset.ts';
import { endOfPrefix } from './path-range.ts';

/** What stands for `/` in `path_folder_key`: sorts before every character that a name may hold. */
const DIVIDER = '\u0001';

export interface WalkQuery {
  /** Path of the folder, without a slash at its end; '' is the space itself. */
  readonly parent: string;
  /** What the folders' own names begin with; '' for all. */
  readonly prefix: string;
  readonly order: 'asc' | 'desc';
  readonly limit: number;
  readonly cursor?: string | undefined;
}

/** A folder's place among all: everything below it follows it at once, before its next neighbour. */
export function folderKey(path: string): string {
  return path.replaceAll('/', DIVIDER);
}

/** The folders of a pocket, which are no rows but beginnings that names share. */
export class FolderWalkRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * A page of the paths of folders directly in another, by name. Skips from each folder to what comes behind everything
   * in it, and passes no files: its cost is the page's, however many files lie in or beside the folders.
   * Errors: VALIDATION_FAILED (the cursor is of another list).
   */
  async children(spaceId: string, { parent, prefix, order, limit, cursor }: WalkQuery): Promise<Page<string>> {
    const base = parent === '' ? '' : `${folderKey(parent)}${DIVIDER}`;
    // The empty key is that of files directly in the space.
    const start = base + prefix === '' ? DIVIDER : base + prefix;
    const end = base + prefix === '' ? null : endOfPrefix(start);
    const after = cursor === undefined ? null : folderKey(decodeCursor(cursor, 'string')[0]);
    // From elsewhere the walk would show what lies between there and here.
    if (after !== null && !after.startsWith(base + prefix)) throw foreignCursor();
    const ascending = order === 'asc';
    const from = ascending ? (after === null ? start : `${after}\u0002`) : (after ?? end);
    const rows = await this.#database.query<{ folder: string }>(WALK[order], [
      spaceId,
      from,
      ascending ? end : start,
      Array.from(base).length,
      limit + 1,
    ]);
    const paths = rows.map(({ folder }) => folder.replaceAll(DIVIDER, '/'));
    const entries = paths.slice(0, limit);
    const last = paths.length > limit ? entries.at(-1) : undefined;
    return { entries, nextCursor: last === undefined ? null : encodeCursor([last]) };
  }
}

/** $2: where to begin, null at the very end; $3: the other end of the level; $4: length of the parent's key; $5: how many. */
const WALK = { asc: walk('asc'), desc: walk('desc') };

function walk(order: 'asc' | 'desc') {
  const ascending = order === 'asc';
  const next = (from: string) => `SELECT path_folder_key(path) AS key FROM files
    WHERE space_id = $1 AND deleted_at IS NULL AND path <> '' AND ${
      ascending
        ? `path_folder_key(path) >= ${from} AND ($3::text IS NULL OR path_folder_key(path) < $3)`
        : `(${from} IS NULL OR path_folder_key(path) < ${from}) AND path_folder_key(path) >= $3`
    } ORDER BY path_folder_key(path) ${ascending ? 'ASC' : 'DESC'} LIMIT 1`;
  const own = `left(key, $4::int) || split_part(substr(key, $4::int + 1), chr(1), 1) AS folder`;
  const goOn = ascending ? '(walk.folder || chr(2))' : 'walk.folder';
  return {
    name: `folders_walk_${order}`,
    text: `WITH RECURSIVE walk(folder, n) AS (
        SELECT ${own}, 1 FROM (${next('$2::text')}) first
        UNION ALL
        SELECT following.folder, walk.n + 1
        FROM walk, LATERAL (SELECT ${own} FROM (${next(goOn)}) found) following
        WHERE walk.n < $5
      ) SELECT folder FROM walk ORDER BY n`,
  };
}
