import type { Database } from '../../platform/db/database.ts';
import { decodeCursor, encodeCursor, foreignCursor, type Page } from '../../platform/keyset.ts';
import { endOfPrefix } from './path-range.ts';

/** A folder of a drive. */
export interface Folder {
  readonly id: string;
  readonly spaceId: string;
  /** null: directly in the drive. */
  readonly parentId: string | null;
  /** Full path, without a slash at its end. */
  readonly path: string;
  readonly createdAt: Date;
}

export interface ChildrenQuery {
  /** null: the drive itself. */
  readonly parent: Pick<Folder, 'id' | 'path'> | null;
  /** What the children's own names begin with; '' for all. */
  readonly prefix: string;
  readonly sort: 'name' | 'date';
  readonly order: 'asc' | 'desc';
  readonly limit: number;
  readonly cursor?: string | undefined;
}

export interface FolderRow {
  readonly id: string;
  readonly space_id: string;
  readonly parent_id: string | null;
  readonly path: string;
  readonly created_at: Date;
}

/** Of a `FolderRow`. */
export const COLUMNS = 'id, space_id, parent_id, path, created_at';

const FIND = { name: 'folders_find', text: `SELECT ${COLUMNS} FROM folders WHERE space_id = $1 AND id = $2` };

const FIND_BY_PATH = {
  name: 'folders_find_by_path',
  text: `SELECT ${COLUMNS} FROM folders WHERE space_id = $1 AND path = $2`,
};

/** Reads the folders of a drive. */
export class FolderRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async find(spaceId: string, id: string): Promise<Folder | null> {
    const [row] = await this.#database.query<FolderRow>(FIND, [spaceId, id]);
    return row ? toFolder(row) : null;
  }

  async findByPath(spaceId: string, path: string): Promise<Folder | null> {
    const [row] = await this.#database.query<FolderRow>(FIND_BY_PATH, [spaceId, path]);
    return row ? toFolder(row) : null;
  }

  /**
   * A page of the folders directly in another, by keyset; `nextCursor` is null on the last one.
   * Errors: VALIDATION_FAILED (the cursor is of another list).
   */
  async children(spaceId: string, query: ChildrenQuery): Promise<Page<Folder>> {
    const { parent, sort, order, limit, cursor } = query;
    const values: unknown[] = [spaceId];
    const bind = (value: unknown) => `$${values.push(value)}`;
    const where = ['space_id = $1', parent === null ? 'parent_id IS NULL' : `parent_id = ${bind(parent.id)}`];
    const start = `${parent === null ? '' : `${parent.path}/`}${query.prefix}`;
    if (query.prefix !== '') {
      const end = endOfPrefix(start);
      where.push(`path >= ${bind(start)}`, ...(end === null ? [] : [`path < ${bind(end)}`]));
    }
    const [comparison, direction] = order === 'asc' ? ['>', 'ASC'] : ['<', 'DESC'];
    if (cursor !== undefined && sort === 'name') {
      const [path] = decodeCursor(cursor, 'string');
      if (!path.startsWith(start)) throw foreignCursor();
      where.push(`path ${comparison} ${bind(path)}`);
    } else if (cursor !== undefined) {
      const [time, id] = decodeCursor(cursor, 'time', 'id');
      where.push(`(created_at, id) ${comparison} (${bind(new Date(time))}, ${bind(id)}::uuid)`);
    }
    const by = sort === 'name' ? `path ${direction}` : `created_at ${direction}, id ${direction}`;
    const text = `SELECT ${COLUMNS} FROM folders WHERE ${where.join(' AND ')} ORDER BY ${by} LIMIT ${bind(limit + 1)}`;
    const shape = [parent && 'p', query.prefix && 'n', endOfPrefix(start) && 'e', cursor && 'k'].filter(Boolean);
    const name = `folders_children_${sort}_${order}_${shape.join('')}`;
    const rows = await this.#database.query<FolderRow>({ name, text }, values);
    const entries = rows.slice(0, limit).map(toFolder);
    const last = rows.length > limit ? entries.at(-1) : undefined;
    return { entries, nextCursor: last === undefined ? null : encodeCursor(positionOf(last, sort)) };
  }
}

function positionOf(folder: Folder, sort: 'name' | 'date'): (string | number)[] {
  return sort === 'name' ? [folder.path] : [folder.createdAt.getTime(), folder.id];
}

export function toFolder(row: FolderRow): Folder {
  return {
    id: row.id,
    spaceId: row.space_id,
    parentId: row.parent_id,
    path: row.path,
    createdAt: row.created_at,
  };
}
