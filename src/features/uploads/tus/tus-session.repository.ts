import type { Database } from '../../../platform/db/database.ts';
import type { ConflictPolicy } from '../../ledger/index.ts';
import type { TusSession, UploadLockId } from './tus-session.ts';

interface SessionRow {
  readonly id: string;
  readonly space_id: string;
  readonly state: 'OPEN' | 'COMPLETED' | 'ENDED';
  readonly expired: boolean;
  readonly file_name: string;
  readonly conflict: ConflictPolicy;
  readonly content_type: string;
  readonly size_bytes: number;
  readonly tags: string[] | null;
  readonly object_key: string;
  readonly store_upload_id: string | null;
  readonly client_metadata: string | null;
  readonly file_id: string | null;
  readonly expires_at: Date;
}

const COLUMNS = `id, space_id, state, expires_at <= now() AS expired, file_name, conflict, content_type, size_bytes, tags,
  object_key, store_upload_id, client_metadata, file_id, expires_at`;

const FIND = {
  name: 'tus_find',
  text: `SELECT ${COLUMNS} FROM upload_sessions WHERE id = $1 AND space_id = $2 AND kind = 'tus'`,
};

const LOCK = {
  name: 'tus_lock',
  text: `UPDATE upload_sessions SET locked_by = $3, locked_until = now() + make_interval(secs => $4)
    WHERE id = $1 AND space_id = $2 AND kind = 'tus' AND state = 'OPEN' AND expires_at > now()
      AND (locked_by IS NULL OR locked_until <= now())
    RETURNING ${COLUMNS}`,
};

// Never longer than it was: asking again changes nothing.
const ASK = {
  name: 'tus_lock_ask',
  text: `UPDATE upload_sessions SET locked_until = least(locked_until, now() + make_interval(secs => $3))
    WHERE id = $1 AND space_id = $2 AND locked_by IS NOT NULL AND locked_until > now() + make_interval(secs => $3)`,
};

const HELD = 'unnest($1::uuid[], $2::uuid[]) AS held(id, token)';

const LOOK = {
  name: 'tus_lock_look',
  text: `SELECT s.id, s.locked_until <= now() + make_interval(secs => $3) AS asked
    FROM ${HELD} JOIN upload_sessions s ON s.id = held.id AND s.locked_by = held.token`,
};

// What is locked is just being asked for, committed or ended; the next turn sees it.
const RENEW = {
  name: 'tus_lock_renew',
  text: `UPDATE upload_sessions SET locked_until = now() + make_interval(secs => $3)
    WHERE id IN (SELECT s.id FROM ${HELD} JOIN upload_sessions s ON s.id = held.id AND s.locked_by = held.token
                 FOR UPDATE OF s SKIP LOCKED)`,
};

const UNLOCK = {
  name: 'tus_unlock',
  text: `UPDATE upload_sessions SET locked_by = NULL, locked_until = NULL WHERE id = $1 AND locked_by = $2`,
};

const SET_STORE_UPLOAD = {
  name: 'tus_set_store_upload',
  text: `UPDATE upload_sessions SET store_upload_id = $3 WHERE id = $1 AND locked_by = $2 AND state = 'OPEN' RETURNING id`,
};

/** Uploads by tus and who writes to them. A lock is a lease in the upload's row: it survives no process, and needs none. */
export class TusSessionRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async find(spaceId: string, id: string): Promise<TusSession | null> {
    const [row] = await this.#database.query<SessionRow>(FIND, [id, spaceId]);
    return row ? toSession(row) : null;
  }

  /** Takes the lock where it is free; null where it is not, or there is no such open upload. */
  async lock(spaceId: string, { uploadId, token }: UploadLockId, seconds: number): Promise<TusSession | null> {
    const [row] = await this.#database.query<SessionRow>(LOCK, [uploadId, spaceId, token, seconds]);
    return row ? toSession(row) : null;
  }

  /** Lets whoever holds the lock have it for no longer than so many seconds, which tells that somebody waits. */
  async ask(spaceId: string, uploadId: string, seconds: number): Promise<void> {
    await this.#database.query(ASK, [uploadId, spaceId, seconds]);
  }

  /** Of these locks those that are still held; `asked`: they have no more than so many seconds left. */
  look(
    locks: readonly UploadLockId[],
    seconds: number,
  ): Promise<readonly { readonly id: string; readonly asked: boolean }[]> {
    return this.#database.query(LOOK, [...columnsOf(locks), seconds]);
  }

  async renew(locks: readonly UploadLockId[], seconds: number): Promise<void> {
    await this.#database.query(RENEW, [...columnsOf(locks), seconds]);
  }

  async unlock({ uploadId, token }: UploadLockId): Promise<void> {
    await this.#database.query(UNLOCK, [uploadId, token]);
  }

  /** Notes the store's name for the upload; false where the lock is lost. */
  async setStoreUpload({ uploadId, token }: UploadLockId, storeUploadId: string): Promise<boolean> {
    return (await this.#database.query(SET_STORE_UPLOAD, [uploadId, token, storeUploadId])).length > 0;
  }
}

function columnsOf(locks: readonly UploadLockId[]): [string[], string[]] {
  return [locks.map(({ uploadId }) => uploadId), locks.map(({ token }) => token)];
}

function toSession(row: SessionRow): TusSession {
  return {
    id: row.id,
    spaceId: row.space_id,
    state: stateOf(row),
    path: row.file_name,
    conflict: row.conflict,
    contentType: row.content_type,
    sizeBytes: row.size_bytes,
    tags: row.tags,
    objectKey: row.object_key,
    storeUploadId: row.store_upload_id,
    clientMetadata: row.client_metadata,
    fileId: row.file_id,
    expiresAt: row.expires_at,
  };
}

function stateOf({ state, expired }: SessionRow): TusSession['state'] {
  if (state === 'OPEN') return expired ? 'expired' : 'open';
  return state === 'COMPLETED' ? 'completed' : 'ended';
}
