import type { Database } from '../../../platform/db/database.ts';
import type { LockRows, UploadLockId } from './upload-locks.ts';

const LOCK = {
  name: 'upload_lock',
  text: `UPDATE upload_sessions SET locked_by = $3, locked_until = now() + make_interval(secs => $4)
    WHERE id = $1 AND space_id = $2 AND kind = 'tus' AND state = 'OPEN' AND (locked_by IS NULL OR locked_until <= now())
    RETURNING id`,
};

// Never longer than it was: asking again changes nothing.
const ASK = {
  name: 'upload_lock_ask',
  text: `UPDATE upload_sessions SET locked_until = now() + make_interval(secs => $3)
    WHERE id = $1 AND space_id = $2 AND locked_by IS NOT NULL AND locked_until > now() + make_interval(secs => $3)`,
};

const HELD = 'unnest($1::uuid[], $2::uuid[]) AS held(id, token)';

const LOOK = {
  name: 'upload_lock_look',
  text: `SELECT s.id, s.locked_until <= now() + make_interval(secs => $3) AS asked
    FROM ${HELD} JOIN upload_sessions s ON s.id = held.id AND s.locked_by = held.token
    WHERE s.state = 'OPEN'`,
};

// What is locked is just being asked for, committed or ended; the next turn sees it.
const RENEW = {
  name: 'upload_lock_renew',
  text: `UPDATE upload_sessions SET locked_until = now() + make_interval(secs => $3)
    WHERE id IN (SELECT s.id FROM ${HELD} JOIN upload_sessions s ON s.id = held.id AND s.locked_by = held.token
                 FOR UPDATE OF s SKIP LOCKED)`,
};

const UNLOCK = {
  name: 'upload_unlock',
  text: `UPDATE upload_sessions SET locked_by = NULL, locked_until = NULL WHERE id = $1 AND locked_by = $2`,
};

const NOTE_STORE_UPLOAD = {
  name: 'upload_note_store_upload',
  text: `UPDATE upload_sessions SET store_upload_id = $3 WHERE id = $1 AND locked_by = $2 AND state = 'OPEN' RETURNING id`,
};

/** Who writes to an upload: a lease in its row, which needs no connection and outlives no process. */
export class UploadLockRepository implements LockRows {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async lock(spaceId: string, { uploadId, token }: UploadLockId, seconds: number): Promise<boolean> {
    return (await this.#database.query(LOCK, [uploadId, spaceId, token, seconds])).length > 0;
  }

  async ask(spaceId: string, uploadId: string, seconds: number): Promise<void> {
    await this.#database.query(ASK, [uploadId, spaceId, seconds]);
  }

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
  async noteStoreUpload({ uploadId, token }: UploadLockId, storeUploadId: string): Promise<boolean> {
    return (await this.#database.query(NOTE_STORE_UPLOAD, [uploadId, token, storeUploadId])).length > 0;
  }
}

function columnsOf(locks: readonly UploadLockId[]): [string[], string[]] {
  return [locks.map(({ uploadId }) => uploadId), locks.map(({ token }) => token)];
}
