import type { Database } from '../../platform/db/database.ts';
import { containing } from '../../platform/db/like.ts';
import { decodeCursor, encodeCursor } from '../../platform/keyset.ts';
import { folderKey } from './folder-walk.repository.ts';
import { endOfPrefix } from './path-range.ts';
import type { ListQuery, ListSort, StoredFile } from './stored-file.ts';

export interface FileRow {
  readonly id: string;
  readonly path: string;
  readonly object_key: string;
  readonly size_bytes: number;
  readonly sha256: string;
  readonly etag: string;
  readonly content_type: string;
  readonly category: string;
  readonly extension: string;
  readonly tags: string[];
  readonly status: StoredFile['status'];
  readonly uploaded_at: Date;
  readonly modified_at: Date;
}

/** Of a `FileRow`. */
export const COLUMNS = `id, path, object_key, size_bytes, sha256, etag, content_type, category, extension, tags, status, uploaded_at, modified_at`;

const FIND = {
  name: 'files_find',
  text: `SELECT ${COLUMNS} FROM files WHERE space_id = $1 AND path = $2 AND deleted_at IS NULL`,
};

const FIND_BY_ID = {
  name: 'files_find_by_id',
  text: `SELECT ${COLUMNS} FROM files WHERE space_id = $1 AND id = $2 AND deleted_at IS NULL`,
};

const PATHS_BELOW = {
  name: 'files_paths_below',
  text: `SELECT path FROM files
    WHERE space_id = $1 AND deleted_at IS NULL AND path >= $2 AND ($3::text IS NULL OR path < $3) AND uploaded_at <= $4
    ORDER BY path LIMIT $5`,
};

/** What sorts a listing, besides the id that makes it unique, and the index that serves it. */
const SORT_COLUMN = { name: 'path', date: 'uploaded_at', size: 'size_bytes' } as const satisfies Record<
  ListSort,
  string
>;

/** What to list: all below the prefix, or only what lies directly in a folder. */
export interface FileQuery extends ListQuery {
  /** Path without a slash at its end; '' is the space itself. */
  readonly folder?: string | undefined;
}

export interface FilePage {
  readonly files: readonly StoredFile[];
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

  /** Up to `limit` paths with this prefix, of files that were there at `before`, by path. */
  async pathsBelow(spaceId: string, prefix: string, before: Date, limit: number): Promise<string[]> {
    const values = [spaceId, prefix, endOfPrefix(prefix), before, limit];
    const rows = await this.#database.query<{ path: string }>(PATHS_BELOW, values);
    return rows.map(({ path }) => path);
  }

  /**
   * A page by keyset: its cost does not depend on how far in the list it lies.
   * Errors: VALIDATION_FAILED (the cursor is of another list).
   */
  async list(spaceId: string, query: FileQuery): Promise<FilePage> {
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
    const more = rows.length > query.limit && last !== undefined;
    return { files, nextCursor: more ? encodeCursor(positionOf(last, query.sort)) : null };
  }
}

function conditions(filter: FileQuery, bind: (value: unknown) => string): string[] {
  const found: string[] = [];
  // A folder says it already, and would be thought to find fewer than it does.
  if (filter.prefix !== '' && filter.prefix !== `${filter.folder}/`) {
    found.push(`path >= ${bind(filter.prefix)}`);
    const end = endOfPrefix(filter.prefix);
    if (end !== null) found.push(`path < ${bind(end)}`);
  }
  if (filter.folder !== undefined) found.push(`path_folder_key(path) = ${bind(folderKey(filter.folder))}`);
  if (filter.search !== undefined) found.push(`path ILIKE ${bind(containing(filter.search))}`);
  if (filter.category !== undefined) found.push(`category = ${bind(filter.category)}`);
  if (filter.tag !== undefined) found.push(`tags @> ARRAY[${bind(filter.tag)}]`);
  return found;
}

/** One name for each shape of the statement, as prepared statements must have. */
function statementName(query: FileQuery): string {
  const parts = [
    query.prefix === '' || query.prefix === `${query.folder}/` ? '' : endOfPrefix(query.prefix) === null ? 'q' : 'p',
    query.folder === undefined ? '' : 'f',
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

export function toFile(row: FileRow): StoredFile {
  return {
    id: row.id,
    path: row.path,
    objectKey: row.object_key,
    sizeBytes: row.size_bytes,
    sha256: row.sha256,
    etag: row.etag,
    contentType: row.content_type,
    category: row.category,
    extension: row.extension,
    tags: row.tags,
    status: row.status,
    uploadedAt: row.uploaded_at,
    modifiedAt: row.modified_at,
  };
}
