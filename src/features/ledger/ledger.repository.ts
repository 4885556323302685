import { newId } from '../../platform/crypto/random.ts';
import type { Database, Statement } from '../../platform/db/database.ts';
import type { QuotaCounters, SpaceCounters } from '../access/index.ts';
import type {
  CommitInput,
  CommitOutcome,
  GrowOutcome,
  ReserveInput,
  ReserveOutcome,
  SessionInput,
  SessionOutcome,
  SpaceScope,
} from './ledger.ts';
import { auditColumns, auditJson } from './ledger-audit.ts';

interface CounterColumns {
  readonly quota_bytes: number;
  readonly quota_objects: number;
  readonly used_bytes: number;
  readonly used_objects: number;
  readonly reserved_bytes: number;
  readonly reserved_objects: number;
}

interface PartColumns {
  readonly trash_bytes: number;
  readonly trash_objects: number;
  readonly version_bytes: number;
  readonly version_objects: number;
}

interface ReserveRow extends CounterColumns {
  readonly outcome: ReserveOutcome['outcome'];
  readonly file_id: string;
  readonly requested_bytes: number;
  readonly requested_objects: number;
}

interface GrowRow extends CounterColumns {
  readonly outcome: GrowOutcome['outcome'];
  readonly requested_bytes: number;
}

interface CommitRow extends CounterColumns, PartColumns {
  readonly upload_id: string;
  readonly outcome: CommitOutcome['outcome'];
  readonly file_id: string;
  readonly path: string;
  readonly tags: string[];
  readonly replaced: boolean;
  readonly uploaded_at: Date;
  readonly requested_bytes: number;
}

const RESERVE = { name: 'ledger_reserve', text: 'SELECT * FROM ledger_reserve($1, $2, $3)' };
const GROW = { name: 'ledger_grow', text: 'SELECT * FROM ledger_grow($1, $2, $3, $4)' };
const COMMIT = { name: 'ledger_commit_files', text: 'SELECT * FROM ledger_commit_files($1, $2)' };
const RELEASE = { name: 'ledger_release', text: 'SELECT ledger_release($1, $2, $3)' };
const OPEN_SESSION = { name: 'ledger_open_session', text: 'SELECT * FROM ledger_open_session($1, $2, $3, $4, $5, $6)' };
const EXTEND_SESSION = { name: 'ledger_extend_session', text: 'SELECT ledger_extend_session($1, $2, $3) AS extended' };
/** How a session that is given up stood; aborted: it was open. */
type AbortOutcome = 'aborted' | 'ended' | 'completed' | 'gone';

const ABORT_SESSION = { name: 'ledger_abort_session', text: 'SELECT ledger_abort_session($1, $2, $3) AS outcome' };
const HAS_RESERVATION = {
  name: 'ledger_has_reservation',
  // A drop's is drawn on by its link and by nobody else.
  text: `SELECT 1 FROM reservations r WHERE r.space_id = $1 AND r.id = $2 AND r.expires_at > now()
    AND NOT EXISTS (SELECT 1 FROM share_links l WHERE l.reservation_id = r.id)`,
};
const UNDO_SESSION = { name: 'ledger_undo_session', text: 'SELECT ledger_undo_session($1, $2, $3) AS outcome' };
const EXPIRE = { name: 'ledger_expire', text: 'SELECT ledger_expire($1) AS expired' };

const RENEW = {
  name: 'ledger_renew',
  // What is locked is being committed, grown or released just now: waiting for it could deadlock.
  text: `UPDATE uploads SET lease_expires_at = greatest(lease_expires_at, now() + make_interval(secs => $2))
    WHERE id IN (SELECT id FROM uploads WHERE id = ANY($1::uuid[]) FOR UPDATE SKIP LOCKED)`,
};

const FIND_OVERDUE = {
  name: 'ledger_find_overdue',
  text: `SELECT space_id FROM uploads WHERE lease_expires_at <= now()
    UNION SELECT space_id FROM reservations WHERE expires_at <= now() LIMIT 500`,
};

/** Uploads: reserve, grow, commit, release. Each is one call of a function of the ledger, which locks the space first. */
export class LedgerRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** One answer for each item, by upload id. */
  async reserve(
    spaceId: string,
    items: readonly ReserveInput[],
    leaseSeconds: number,
  ): Promise<Map<string, ReserveOutcome>> {
    const json = JSON.stringify(
      items.map((item) => ({
        id: item.uploadId,
        path: item.path,
        conflict: item.conflict,
        object_key: item.objectKey,
        content_type: item.contentType,
        bytes: item.bytes,
        reservation_id: item.reservationId,
      })),
    );
    const rows = await this.#database.query<ReserveRow & { upload_id: string }>(RESERVE, [spaceId, json, leaseSeconds]);
    return new Map(rows.map((row) => [row.upload_id, toReserveOutcome(row)]));
  }

  async grow(spaceId: string, uploadId: string, bytes: number, leaseSeconds: number): Promise<GrowOutcome> {
    const [row] = await this.#database.query<GrowRow>(GROW, [spaceId, uploadId, bytes, leaseSeconds]);
    if (!row) return { outcome: 'gone' };
    if (row.outcome !== 'refused') return { outcome: row.outcome };
    return { outcome: 'refused', requestedBytes: row.requested_bytes, counters: toCounters(row) };
  }

  /** One answer for each item, by upload id. */
  async commit(spaceId: string, items: readonly CommitInput[]): Promise<Map<string, CommitOutcome>> {
    const json = JSON.stringify(
      items.map((item) => ({
        upload_id: item.uploadId,
        object_key: item.objectKey,
        file_id: newId(),
        usage_id: newId(),
        stem: item.stem,
        suffix: item.suffix,
        size_bytes: item.sizeBytes,
        sha256: item.sha256,
        etag: item.etag,
        content_type: item.contentType,
        category: item.category,
        extension: item.extension,
        tags: item.tags,
        final_key: item.finalKey,
        copied_from: item.copiedFrom,
        status: item.status,
        media: item.media,
        jobs: item.jobs,
        audit_id: newId(),
        reason: item.record.reason,
        action: item.record.action,
        path: item.place?.path,
        folder_id: item.place?.folderId,
        replaces: item.place?.replaces,
        ...auditColumns(item.record),
      })),
    );
    const rows = await this.#database.query<CommitRow>(COMMIT, [spaceId, json]);
    return new Map(rows.map((row) => [row.upload_id, toCommitOutcome(row)]));
  }

  /** Also an object that turned up after its upload had been released is buried. */
  async release(spaceId: string, uploadId: string, objectKey: string): Promise<void> {
    await this.#database.query(RELEASE, [spaceId, uploadId, objectKey]);
  }

  /** Whether a client of the space may draw on it. */
  async hasReservation(spaceId: string, id: string): Promise<boolean> {
    return (await this.#database.query(HAS_RESERVATION, [spaceId, id])).length === 1;
  }

  /** Reserves for one upload whose session is opened with it. */
  async openSession(scope: SpaceScope, uploadId: string, session: SessionInput): Promise<SessionOutcome> {
    const { path, conflict, objectKey, contentType, bytes, reservationId, ttlSeconds, maxOpen = null } = session;
    const item = {
      id: uploadId,
      path,
      conflict,
      object_key: objectKey,
      content_type: contentType,
      bytes,
      reservation_id: reservationId,
    };
    const details = {
      kind: session.kind,
      tags: session.tags,
      sha256: session.sha256,
      staged: session.staged,
      store_upload_id: session.storeUploadId,
      part_bytes: session.partBytes,
      client_metadata: session.clientMetadata,
    };
    const [row] = await this.#database.query<Omit<ReserveRow, 'outcome'> & { outcome: SessionOutcome['outcome'] }>(
      OPEN_SESSION,
      [scope.space.id, JSON.stringify(item), ttlSeconds, JSON.stringify(details), maxOpen, auditJson(scope)],
    );
    if (!row) return { outcome: 'gone' };
    const { outcome } = row;
    return outcome === 'crowded' ? { outcome } : toReserveOutcome({ ...row, outcome });
  }

  /** False where it is not open. */
  async extendSession(spaceId: string, uploadId: string, seconds: number): Promise<boolean> {
    const [row] = await this.#database.query<{ extended: boolean }>(EXTEND_SESSION, [spaceId, uploadId, seconds]);
    return row?.extended ?? false;
  }

  abortSession(scope: SpaceScope, uploadId: string): Promise<AbortOutcome> {
    return this.#abort(ABORT_SESSION, scope, uploadId);
  }

  /** By the request that opened it: its idempotency key has no effect any more. */
  undoSession(scope: SpaceScope, uploadId: string): Promise<AbortOutcome> {
    return this.#abort(UNDO_SESSION, scope, uploadId);
  }

  async #abort(statement: Statement, scope: SpaceScope, uploadId: string): Promise<AbortOutcome> {
    const values = [scope.space.id, uploadId, auditJson(scope)];
    const [row] = await this.#database.query<{ outcome: AbortOutcome }>(statement, values);
    return row?.outcome ?? 'gone';
  }

  /** Puts the leases of transfers that are under way off by `leaseSeconds` from now. */
  async renew(uploadIds: readonly string[], leaseSeconds: number): Promise<void> {
    await this.#database.query(RENEW, [uploadIds, leaseSeconds]);
  }

  /** Frees what overdue leases and reservations hold, up to 500 spaces a call; answers how many. */
  async expireOverdue(): Promise<number> {
    const spaces = await this.#database.query<{ space_id: string }>(FIND_OVERDUE, []);
    let expired = 0;
    for (const { space_id: spaceId } of spaces) {
      const [row] = await this.#database.query<{ expired: number }>(EXPIRE, [spaceId]);
      expired += row?.expired ?? 0;
    }
    return expired;
  }
}

function toCounters(row: CounterColumns): QuotaCounters {
  return {
    quotaBytes: row.quota_bytes,
    quotaObjects: row.quota_objects,
    usedBytes: row.used_bytes,
    usedObjects: row.used_objects,
    reservedBytes: row.reserved_bytes,
    reservedObjects: row.reserved_objects,
  };
}

function toSpaceCounters(row: CounterColumns & PartColumns): SpaceCounters {
  return {
    ...toCounters(row),
    trashBytes: row.trash_bytes,
    trashObjects: row.trash_objects,
    versionBytes: row.version_bytes,
    versionObjects: row.version_objects,
  };
}

function toReserveOutcome(row: ReserveRow): ReserveOutcome {
  switch (row.outcome) {
    case 'exists':
      return { outcome: 'exists', fileId: row.file_id };
    case 'refused':
      return {
        outcome: 'refused',
        requestedBytes: row.requested_bytes,
        requestedObjects: row.requested_objects,
        counters: toCounters(row),
      };
    default:
      return { outcome: row.outcome };
  }
}

function toCommitOutcome(row: CommitRow): CommitOutcome {
  switch (row.outcome) {
    case 'committed':
      return {
        outcome: 'committed',
        fileId: row.file_id,
        path: row.path,
        tags: row.tags,
        replaced: row.replaced,
        uploadedAt: row.uploaded_at,
        counters: toSpaceCounters(row),
      };
    case 'exists':
      return { outcome: 'exists', fileId: row.file_id, path: row.path };
    case 'refused':
      return { outcome: 'refused', requestedBytes: row.requested_bytes, counters: toCounters(row) };
    default:
      return { outcome: row.outcome };
  }
}
