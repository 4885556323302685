import type { Database } from '../../platform/db/database.ts';
import type { UploadSession } from './upload-session.ts';

const COLUMNS = `id, space_id AS "spaceId", kind, file_name AS "fileName", conflict, content_type AS "contentType",
  size_bytes AS "sizeBytes", sha256, tags, object_key AS "objectKey", staged, store_upload_id AS "storeUploadId",
  part_bytes AS "partBytes", received_sha256 AS "receivedSha256", client_metadata AS "clientMetadata", state,
  file_id AS "fileId", created_at AS "createdAt", expires_at AS "expiresAt", completed_at AS "completedAt"`;

const FIND = {
  name: 'upload_sessions_find',
  text: `SELECT ${COLUMNS} FROM upload_sessions WHERE space_id = $1 AND id = $2`,
};

const NOTE_RECEIVED = {
  name: 'upload_sessions_note_received',
  text: `UPDATE upload_sessions SET received_sha256 = $2 WHERE object_key = $1 AND state = 'OPEN'`,
};

const PURGE = {
  name: 'upload_sessions_purge',
  text: `SELECT upload_sessions_purge(make_interval(secs => $1), $2) AS purged`,
};

/** Reads the upload sessions of a space; the ledger opens and ends them with the room that they hold. */
export class UploadSessionRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async find(spaceId: string, id: string): Promise<UploadSession | null> {
    const [session] = await this.#database.query<UploadSession>(FIND, [spaceId, id]);
    return session ?? null;
  }

  /** What this server has received by a signed URL, whoever it was; its key is of one session. */
  async noteReceived(objectKey: string, sha256: string): Promise<void> {
    await this.#database.query(NOTE_RECEIVED, [objectKey, sha256]);
  }

  /** Forgets up to `limit` sessions that ended so long ago; answers how many. */
  async purge(endedForSeconds: number, limit: number): Promise<number> {
    const [row] = await this.#database.query<{ purged: number }>(PURGE, [endedForSeconds, limit]);
    return row?.purged ?? 0;
  }
}
