import type { Database } from '../../platform/db/database.ts';
import { containing } from '../../platform/db/like.ts';
import { decodeCursor, encodeCursor, foreignCursor } from '../../platform/keyset.ts';
import { COLUMNS, type FileRow, toFile } from './file-row.ts';
import { endOfPrefix } from './path-range.ts';
import type { ListFilter, ListQuery, ListSort, StoredFile } from './stored-file.ts';

const FIND = {
  name: 'files_find',
  text: `SELECT ${COLUMNS} FROM files WHERE space_id = $1 AND path = $2 AND deleted_at IS NULL`,
};

const FIND_BY_ID = {
  name: 'files_find_by_id',
  text: `SELECT ${COLUMNS} FROM files WHERE space_id = $1 AND id = $2 AND deleted_at IS NULL`,
};

const FIND_MANY = {
  name: 'files_find_many',
  text: `SELECT ${COLUMNS} FROM files WHERE space_id = $1 AND path = ANY($2::text[]) AND deleted_at IS NULL`,
};

const IDS_BELOW = {
  name: 'files_ids_below',
  text: `SELECT id FROM files
    WHERE space_id = $1 AND deleted_at IS NULL AND path >= $2 AND ($3::text IS NULL OR path < $3)
    ORDER BY path LIMIT $4`,
};

/** What sorts a listing, besides the id that makes it unique, and the index that serves it. */
const SORT_COLUMN = { name: 'path', date: 'uploaded_at', size: 'size_bytes' } as const satisfies Record<
  ListSort,
  string
>;

/** How many names a page may pass in search of folders. More than a page's files, so that folders end before files do. */
const FOLDER_WALK = 1000;

export interface FilePage {
  readonly files: readonly StoredFile[];
  readonly folders: readonly string[];
  readonly nextCursor: string | null;
}

/** Reads the living files of a space; every method takes the space, so none can be read without its tenant. */
export class FileRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async find(spaceId: string, path: string): Promise<StoredFile | null> {
    const [row] = await this.#database.query<FileRow>(FIND, [spaceId, path]);
    return row ? toFile(row) : null;
  }

  async findById(spaceId: string, id: string): Promise<StoredFile | null> {
    const [row] = await this.#database.query<FileRow>(FIND_BY_ID, [spaceId, id]);
    return row ? toFile(row) : null;
  }

  /** Up to `limit` ids of files whose path has this prefix, by path. */
  async idsBelow(spaceId: string, prefix: string, limit: number): Promise<string[]> {
    const rows = await this.#database.query<{ id: string }>(IDS_BELOW, [spaceId, prefix, endOfPrefix(prefix), limit]);
    return rows.map(({ id }) => id);
  }

  /** A page by keyset: its cost does not depend on how far in the list it lies. */
  async list(spaceId: string, query: ListQuery): Promise<FilePage> {
    if (!query.delimited) {
      const { files, behind, more } = await this.#listFiles(spaceId, query);
      return { files, folders: [], nextCursor: more ? behind : null };
    }
    return query.sort === 'name' && !hasFileFilter(query)
      ? this.#listFolder(spaceId, query)
      : this.#listLevel(spaceId, query);
  }

  /** Up to `limit` files behind the cursor, the cursor behind them ('' before the first), and whether more follow. */
  async #listFiles(spaceId: string, query: ListQuery) {
    const column = SORT_COLUMN[query.sort];
    const values: unknown[] = [spaceId];
    const bind = (value: unknown) => `$${values.push(value)}`;
    const where = ['space_id = $1', 'deleted_at IS NULL', ...conditions(query, bind)];
    const [comparison, direction] = query.order === 'asc' ? ['>', 'ASC'] : ['<', 'DESC'];
    if (query.cursor !== undefined) {
      if (query.sort === 'name') {
        where.push(`path ${comparison} ${bind(decodeCursor(query.cursor, 'string')[0])}`);
      } else {
        const [position, id] = decodeCursor(query.cursor, query.sort === 'date' ? 'time' : 'count', 'id');
        const value = query.sort === 'date' ? bind(new Date(position)) : bind(position);
        where.push(`(${column}, id) ${comparison} (${value}, ${bind(id)}::uuid)`);
      }
    }
    const tieBreak = query.sort === 'name' ? '' : `, id ${direction}`;
    const text = `SELECT ${COLUMNS} FROM files WHERE ${where.join(' AND ')}
      ORDER BY ${column} ${direction}${tieBreak} LIMIT ${bind(query.limit + 1)}`;
    const rows = await this.#database.query<FileRow>({ name: statementName(query), text }, values);
    const files = rows.slice(0, query.limit).map(toFile);
    const last = files.at(-1);
    const behind = last ? encodeCursor(positionOf(last, query.sort)) : (query.cursor ?? '');
    return { files, behind, more: rows.length > query.limit };
  }

  /**
   * One level whose files do not come by name, or are filtered: folders by name, then files. Between folders may lie any
   * number of files, so a page looks for folders only so far; where it ends first, its files come and the next page goes
   * on with both. The cursor holds both places: the last name passed, '' when there is no folder left, and the cursor of
   * the files, '' before the first.
   */
  async #listLevel(spaceId: string, query: ListQuery): Promise<FilePage> {
    const [after, filesCursor] =
      query.cursor === undefined ? [null, ''] : decodeCursor(query.cursor, 'string', 'string');
    const { folders, goOn } =
      after === '' ? { folders: [], goOn: '' } : await this.#foldersAfter(spaceId, query, after);
    const room = query.limit - folders.length;
    const cursor = filesCursor === '' ? undefined : filesCursor;
    const { files, behind, more } = await this.#listFiles(spaceId, { ...query, cursor, limit: room });
    return { files, folders, nextCursor: more || goOn !== '' ? encodeCursor([goOn, behind]) : null };
  }

  /** Up to `limit` folders behind `after`, and behind which name to go on; '' when there are no more. */
  async #foldersAfter(spaceId: string, { prefix, limit }: ListQuery, after: string | null) {
    const walk = { prefix, order: 'asc', names: FOLDER_WALK, folders: limit + 1 } as const;
    const entries = await this.#walk(spaceId, walk, after);
    const found = entries.filter((entry) => entry.endsWith('/'));
    const folders = found.slice(0, limit);
    const goOn = (found.length > limit ? folders : entries.length === FOLDER_WALK ? entries : []).at(-1) ?? '';
    return { folders, goOn };
  }

  /** One level of names: skips from each folder to what comes after it, so its cost is the page's, not the folder's. */
  async #listFolder(spaceId: string, query: ListQuery): Promise<FilePage> {
    const after = query.cursor === undefined ? null : decodeCursor(query.cursor, 'string')[0];
    const { prefix, order, limit } = query;
    const entries = await this.#walk(spaceId, { prefix, order, names: limit + 1, folders: limit + 1 }, after);
    const page = entries.slice(0, query.limit);
    const names = page.filter((entry) => !entry.endsWith('/'));
    const rows = await this.#database.query<FileRow>(FIND_MANY, [spaceId, names]);
    const byPath = new Map(rows.map((row) => [row.path, toFile(row)]));
    const last = page.at(-1);
    return {
      files: names.flatMap((name) => byPath.get(name) ?? []),
      folders: page.filter((entry) => entry.endsWith('/')),
      nextCursor: entries.length > query.limit && last !== undefined ? encodeCursor([last]) : null,
    };
  }

  /** Names of files and folders (ending in `/`) directly below a prefix, in order, after `after`, up to these numbers. */
  async #walk(
    spaceId: string,
    { prefix, order, names, folders }: Pick<ListQuery, 'prefix' | 'order'> & { names: number; folders: number },
    after: string | null,
  ): Promise<string[]> {
    // From elsewhere the walk would show what lies between there and here.
    if (after !== null && !after.startsWith(prefix)) throw foreignCursor();
    const ascending = order === 'asc';
    const bounds = ascending
      ? { start: after === null ? prefix : pastEntry(after), within: '($3::text IS NULL OR path < $3)' }
      : { start: after ?? endOfPrefix(prefix), within: 'path >= $3' };
    const edge = ascending ? endOfPrefix(prefix) : prefix;
    const next = (from: string) => `SELECT path FROM files WHERE space_id = $1 AND deleted_at IS NULL
      AND ${ascending ? `path >= ${from}` : `(${from} IS NULL OR path < ${from})`} AND ${bounds.within}
      ORDER BY path ${ascending ? 'ASC' : 'DESC'} LIMIT 1`;
    // A folder's name and where to go on: behind everything in it, or behind the file.
    const split = `CASE WHEN strpos(substr(path, length($4::text) + 1), '/') > 0
      THEN substr(path, 1, length($4::text) + strpos(substr(path, length($4::text) + 1), '/')) ELSE path END`;
    const isFolder = `(entry LIKE '%/')::int`;
    const goOn = ascending ? `CASE WHEN entry LIKE '%/' THEN left(entry, -1) || '0' ELSE entry || chr(1) END` : 'entry';
    const text = `WITH RECURSIVE walk(entry, n, folders) AS (
        SELECT entry, 1, ${isFolder} FROM (SELECT ${split} AS entry FROM (${next('$2::text')}) found) first
        UNION ALL
        SELECT following.entry, walk.n + 1, walk.folders + ${isFolder.replace('entry', 'following.entry')}
        FROM walk, LATERAL (SELECT ${split} AS entry FROM (${next(`(${goOn})`)}) found) following
        WHERE walk.n < $5 AND walk.folders < $6
      ) SELECT entry FROM walk ORDER BY n`;
    const rows = await this.#database.query<{ entry: string }>({ name: `files_walk_${order}`, text }, [
      spaceId,
      bounds.start,
      edge,
      prefix,
      names,
      folders,
    ]);
    return rows.map(({ entry }) => entry);
  }
}

/** '0' is the character after '/', and chr(1) sorts before every character that a name may hold. */
function pastEntry(entry: string): string {
  return entry.endsWith('/') ? `${entry.slice(0, -1)}0` : `${entry}\u0001`;
}

function hasFileFilter(filter: ListFilter): boolean {
  return filter.search !== undefined || filter.category !== undefined || filter.tag !== undefined;
}

function conditions(filter: ListFilter, bind: (value: unknown) => string): string[] {
  const found: string[] = [];
  if (filter.prefix !== '') {
    found.push(`path >= ${bind(filter.prefix)}`);
    const end = endOfPrefix(filter.prefix);
    if (end !== null) found.push(`path < ${bind(end)}`);
  }
  if (filter.delimited) found.push(`strpos(substr(path, length(${bind(filter.prefix)}::text) + 1), '/') = 0`);
  if (filter.search !== undefined) found.push(`path ILIKE ${bind(containing(filter.search))}`);
  if (filter.category !== undefined) found.push(`category = ${bind(filter.category)}`);
  if (filter.tag !== undefined) found.push(`tags @> ARRAY[${bind(filter.tag)}]`);
  return found;
}

/** One name for each shape of the statement, as prepared statements must have. */
function statementName(query: ListQuery): string {
  const parts = [
    query.prefix === '' ? '' : endOfPrefix(query.prefix) === null ? 'q' : 'p',
    query.delimited ? 'd' : '',
    query.search === undefined ? '' : 's',
    query.category === undefined ? '' : 'c',
    query.tag === undefined ? '' : 't',
    query.cursor === undefined ? '' : 'k',
  ];
  return `files_list_${query.sort}_${query.order}_${parts.join('')}`;
}

function positionOf(file: StoredFile, sort: ListSort): (string | number)[] {
  if (sort === 'name') return [file.path];
  return [sort === 'date' ? file.uploadedAt.getTime() : file.sizeBytes, file.id];
}
