import type { Database } from '../../platform/db/database.ts';
import type { SessionState, UploadSession } from './upload-session.ts';

const COLUMNS = `id, space_id AS "spaceId", kind, file_name AS "fileName", conflict, content_type AS "contentType",
  size_bytes AS "sizeBytes", sha256, tags, object_key AS "objectKey", staged, store_upload_id AS "storeUploadId",
  part_bytes AS "partBytes", received_sha256 AS "receivedSha256", client_metadata AS "clientMetadata", state,
  file_id AS "fileId", created_at AS "createdAt", expires_at AS "expiresAt", completed_at AS "completedAt"`;

const FIND = {
  name: 'upload_sessions_find',
  text: `SELECT ${COLUMNS} FROM upload_sessions WHERE space_id = $1 AND id = $2`,
};

const LIST = {
  name: 'upload_sessions_list',
  text: `SELECT ${COLUMNS} FROM upload_sessions WHERE space_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3`,
};

/** A statement of its own, by an index of its own: few may match among many. */
const LIST_STATE = {
  name: 'upload_sessions_list_state',
  text: `SELECT ${COLUMNS} FROM upload_sessions WHERE space_id = $1 AND id < $2 AND state = $4 ORDER BY id DESC LIMIT $3`,
};

/** Above every id. */
const NEWEST = 'ffffffff-ffff-ffff-ffff-ffffffffffff';

const BEGIN_PARTS = {
  name: 'upload_sessions_begin_parts',
  text: `UPDATE upload_sessions SET store_upload_id = $3
    WHERE space_id = $1 AND id = $2 AND state = 'OPEN' AND store_upload_id IS NULL RETURNING 1`,
};

const IN_OUTBOX = { name: 'upload_sessions_job_in_outbox', text: 'SELECT 1 FROM job_outbox WHERE id = $1' };

const NOTE_RECEIVED = {
  name: 'upload_sessions_note_received',
  text: `UPDATE upload_sessions SET received_sha256 = $2 WHERE object_key = $1 AND state = 'OPEN' RETURNING 1`,
};

const AWAITS = {
  name: 'upload_sessions_awaits',
  text: `SELECT 1 FROM upload_sessions WHERE object_key = $1 AND state = 'OPEN'`,
};

const BURY = { name: 'upload_sessions_bury', text: 'SELECT ledger_bury_late($1)' };

const ENDED = {
  name: 'upload_sessions_ended',
  text: `SELECT id, object_key AS "objectKey", expires_at AS "expiresAt" FROM upload_sessions
    WHERE expires_at < now() - make_interval(secs => $1) AND state <> 'OPEN'
      AND ($2::timestamptz IS NULL OR (expires_at, id) > ($2, $3::uuid))
    ORDER BY expires_at, id LIMIT $4`,
};

const PURGE = { name: 'upload_sessions_purge', text: 'SELECT upload_sessions_purge($1::uuid[]) AS purged' };

/** Which sessions, newest first. */
export interface SessionQuery {
  readonly state: SessionState | undefined;
  readonly cursor: string | undefined;
  readonly limit: number;
}

/** One that ended long ago. */
export type EndedSession = Pick<UploadSession, 'id' | 'objectKey' | 'expiresAt'>;

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

  list(spaceId: string, { state, cursor, limit }: SessionQuery): Promise<UploadSession[]> {
    const page = [spaceId, cursor ?? NEWEST, limit];
    if (state === undefined) return this.#database.query<UploadSession>(LIST, page);
    return this.#database.query<UploadSession>(LIST_STATE, [...page, state]);
  }

  /** Notes by what name the store knows an open upload, once; false where it has ended meanwhile. */
  async beginParts(spaceId: string, id: string, storeUploadId: string): Promise<boolean> {
    return (await this.#database.query(BEGIN_PARTS, [spaceId, id, storeUploadId])).length === 1;
  }

  /** Whether a job that a commit has made is on its way to the queue. */
  async hasJobInOutbox(jobId: string): Promise<boolean> {
    return (await this.#database.query(IN_OUTBOX, [jobId])).length === 1;
  }

  /** Whether an open session waits for what comes by a signed URL of this key, which is of one session. */
  async awaits(objectKey: string): Promise<boolean> {
    return (await this.#database.query(AWAITS, [objectKey])).length === 1;
  }

  /**
   * What this server has received by a signed URL, whoever it was: an object with its SHA-256, or a part (null). False where
   * its session has ended meanwhile: what was stored, and no file names, is removed.
   */
  async noteReceived(objectKey: string, sha256: string | null): Promise<boolean> {
    const isAwaited =
      sha256 === null
        ? await this.awaits(objectKey)
        : (await this.#database.query(NOTE_RECEIVED, [objectKey, sha256])).length === 1;
    if (!isAwaited) await this.#database.query(BURY, [objectKey]);
    return isAwaited;
  }

  /** Up to `limit` sessions that ended so long ago, whatever they ended as, those that ended first first. */
  listEnded(
    endedForSeconds: number,
    { after, limit }: { readonly after: EndedSession | undefined; readonly limit: number },
  ): Promise<EndedSession[]> {
    return this.#database.query<EndedSession>(ENDED, [
      endedForSeconds,
      after?.expiresAt ?? null,
      after?.id ?? null,
      limit,
    ]);
  }

  /** Forgets those of them that are there still, and buries their objects where nothing names them; answers how many. */
  async purge(ids: readonly string[]): Promise<number> {
    const [row] = await this.#database.query<{ purged: number }>(PURGE, [ids]);
    return row?.purged ?? 0;
  }
}
