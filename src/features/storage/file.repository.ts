import { BatchLoader } from '../../platform/db/batch-loader.ts';
import type { Database } from '../../platform/db/database.ts';
import type { Tx } from '../../platform/db/unit-of-work.ts';
import { endOfPrefix } from './path-range.ts';
import type { FilePlace, StoredFile } from './stored-file.ts';

/** A row with `FILE_COLUMNS`. */
export interface FileRow {
  readonly id: string;
  readonly path: string;
  readonly object_key: string;
  readonly size_bytes: number;
  readonly sha256: string | null;
  readonly etag: string;
  readonly content_type: string;
  readonly category: string;
  readonly extension: string;
  readonly tags: string[];
  readonly status: StoredFile['status'];
  readonly has_thumbnails: boolean;
  readonly uploaded_at: Date;
  readonly modified_at: Date;
}

/** What `toFile` needs. */
export const FILE_COLUMNS = `id, path, object_key, size_bytes, sha256, etag, content_type, category, extension, tags, status,
  has_thumbnails, uploaded_at, modified_at`;

/** Of a UUID as text. */
const ID_LENGTH = 36;

const FIND = {
  name: 'files_find',
  text: `SELECT file.* FROM unnest($1::uuid[], $2::text[]) AS wanted(space_id, name)
    CROSS JOIN LATERAL (
      SELECT space_id, ${FILE_COLUMNS} FROM files WHERE space_id = wanted.space_id AND path = wanted.name AND deleted_at IS NULL LIMIT 1
    ) file`,
};

const FIND_BY_ID = {
  name: 'files_find_by_id',
  text: `SELECT ${FILE_COLUMNS} FROM files WHERE space_id = $1 AND id = $2 AND deleted_at IS NULL`,
};

/** Reads the living files of a space; every method takes the space, so none can be read without its tenant. */
export class FileRepository {
  readonly #database: Database;
  readonly #byPath: BatchLoader<StoredFile>;

  constructor(database: Database) {
    this.#database = database;
    this.#byPath = new BatchLoader((places) => this.#findAll(places));
  }

  /** Look-ups that meet share a statement. */
  find(spaceId: string, path: string): Promise<StoredFile | null> {
    return this.#byPath.load(`${spaceId}/${path}`);
  }

  async #findAll(places: readonly string[]): Promise<Map<string, StoredFile>> {
    const spaceIds = places.map((place) => place.slice(0, ID_LENGTH));
    const paths = places.map((place) => place.slice(ID_LENGTH + 1));
    const rows = await this.#database.query<FileRow & { space_id: string }>(FIND, [spaceIds, paths]);
    return new Map(rows.map((row) => [`${row.space_id}/${row.path}`, toFile(row)]));
  }

  async findById(spaceId: string, id: string): Promise<StoredFile | null> {
    const [row] = await this.#database.query<FileRow>(FIND_BY_ID, [spaceId, id]);
    return row ? toFile(row) : null;
  }

  /** Locks the space and answers up to `limit` files below a prefix, by path; they stay as they are until `tx` ends. */
  async lockBelow(
    tx: Tx,
    spaceId: string,
    { prefix, limit }: { readonly prefix: string; readonly limit: number },
  ): Promise<FilePlace[]> {
    await tx.$queryRaw`SELECT 1 FROM spaces WHERE id = ${spaceId}::uuid FOR NO KEY UPDATE`;
    return tx.$queryRaw`
      SELECT id, path FROM files
      WHERE space_id = ${spaceId}::uuid AND deleted_at IS NULL AND path >= ${prefix}
        AND (${endOfPrefix(prefix)}::text IS NULL OR path < ${endOfPrefix(prefix)})
      ORDER BY path LIMIT ${limit}::integer`;
  }
}

/** A file of its row. */
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
    hasThumbnails: row.has_thumbnails,
    uploadedAt: row.uploaded_at,
    modifiedAt: row.modified_at,
  };
}
