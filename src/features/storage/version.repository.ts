import type { Database } from '../../platform/db/database.ts';
import type { FileVersion } from './file-version.ts';

const COLUMNS = `id, object_key AS "objectKey", size_bytes AS "sizeBytes", sha256, etag, content_type AS "contentType", category,
  status, uploaded_at AS "uploadedAt", created_at AS "replacedAt"`;

const LIST = {
  name: 'versions_list',
  text: `SELECT ${COLUMNS} FROM file_versions WHERE space_id = $1 AND file_id = $2 ORDER BY id DESC`,
};

const FIND = {
  name: 'versions_find',
  text: `SELECT ${COLUMNS} FROM file_versions WHERE space_id = $1 AND file_id = $2 AND id = $3`,
};

/** Reads the older contents of a space's files; a file has at most 100. */
export class VersionRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Newest first. */
  list(spaceId: string, fileId: string): Promise<FileVersion[]> {
    return this.#database.query<FileVersion>(LIST, [spaceId, fileId]);
  }

  async find(spaceId: string, fileId: string, id: string): Promise<FileVersion | null> {
    const [version] = await this.#database.query<FileVersion>(FIND, [spaceId, fileId, id]);
    return version ?? null;
  }
}
