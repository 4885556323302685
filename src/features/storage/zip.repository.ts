import type { Database } from '../../platform/db/database.ts';
import type { ContentStatus, FileRef } from '../ledger/index.ts';
import { endOfPrefix } from './path-range.ts';

/** What an archive needs to know of a file. */
export interface ZipFile {
  readonly id: string;
  readonly path: string;
  readonly objectKey: string;
  readonly status: ContentStatus;
  readonly sizeBytes: number;
  readonly modifiedAt: Date;
}

interface ZipFileRow {
  readonly id: string;
  readonly path: string;
  readonly object_key: string;
  readonly status: ContentStatus;
  readonly size_bytes: number;
  readonly modified_at: Date;
}

const COLUMNS = 'id, path, object_key, status, size_bytes, modified_at';

const BELOW = {
  name: 'zip_files_below',
  text: `SELECT ${COLUMNS} FROM files
    WHERE space_id = $1 AND deleted_at IS NULL AND path >= $2 AND path < $3
    ORDER BY path LIMIT $4`,
};

const PASSES = {
  name: 'zip_files_pass',
  text: `SELECT 1 FROM files
    WHERE space_id = $1 AND deleted_at IS NULL AND path >= $2 AND path < $3
    ORDER BY path OFFSET $4 LIMIT 1`,
};

const MOVING = { name: 'zip_files_moving', text: 'SELECT ledger_moving($1, $2) AS moving' };

const BY_PATH = {
  name: 'zip_files_by_path',
  text: `SELECT ${COLUMNS} FROM files WHERE space_id = $1 AND path = ANY($2::text[]) AND deleted_at IS NULL`,
};

const BY_ID = {
  name: 'zip_files_by_id',
  text: `SELECT ${COLUMNS} FROM files WHERE space_id = $1 AND id = ANY($2::uuid[]) AND deleted_at IS NULL`,
};

/** Reads the living files of a space for archives; every method takes the space. */
export class ZipRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** The next `limit` files with this prefix behind the path `after`, by path. */
  async below(
    spaceId: string,
    prefix: string,
    { after, limit }: { readonly after: string | null; readonly limit: number },
  ): Promise<ZipFile[]> {
    // chr(1) sorts before every character that a name may hold.
    const values = [spaceId, after === null ? prefix : `${after}\u0001`, endOf(prefix), limit];
    return (await this.#database.query<ZipFileRow>(BELOW, values)).map(toFile);
  }

  /** Whether more files than this have the prefix. */
  async morePass(spaceId: string, prefix: string, count: number): Promise<boolean> {
    const rows = await this.#database.query(PASSES, [spaceId, prefix, endOf(prefix), count]);
    return rows.length > 0;
  }

  /** Whether files are on their way to or from below a prefix, with a folder that is being moved. */
  async isMoving(spaceId: string, prefix: string): Promise<boolean> {
    const [row] = await this.#database.query<{ moving: boolean }>(MOVING, [spaceId, prefix]);
    return row?.moving ?? false;
  }

  /** What is there of up to 1000 files, in no order. Ids must have the form of ids. */
  async findMany(spaceId: string, refs: readonly FileRef[]): Promise<ZipFile[]> {
    const paths = refs.flatMap((ref) => ('path' in ref ? [ref.path] : []));
    const ids = refs.flatMap((ref) => ('id' in ref ? [ref.id] : []));
    const found: ZipFileRow[] = [];
    if (paths.length > 0) found.push(...(await this.#database.query<ZipFileRow>(BY_PATH, [spaceId, paths])));
    if (ids.length > 0) found.push(...(await this.#database.query<ZipFileRow>(BY_ID, [spaceId, ids])));
    return found.map(toFile);
  }
}

/** Always a bound, as a condition that may be absent is none to an index: behind all paths, which have up to 1024 bytes. */
function endOf(prefix: string): string {
  return endOfPrefix(prefix) ?? '\u{10ffff}'.repeat(257);
}

function toFile(row: ZipFileRow): ZipFile {
  return {
    id: row.id,
    path: row.path,
    objectKey: row.object_key,
    status: row.status,
    sizeBytes: row.size_bytes,
    modifiedAt: row.modified_at,
  };
}
