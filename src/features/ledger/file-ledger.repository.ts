import type { Database, Statement } from '../../platform/db/database.ts';
import type { Tx } from '../../platform/db/unit-of-work.ts';
import type {
  ChangeOutcome,
  DeletedFile,
  FileChange,
  FileRef,
  LedgerAudit,
  RestoreInput,
  RestoreOutcome,
} from './ledger.ts';
import { auditJson } from './ledger-audit.ts';

interface DeletedRow {
  readonly file_id: string;
  readonly path: string;
  readonly size_bytes: number;
  readonly freed_bytes: number;
  readonly trashed?: boolean;
}

// The casts are for Prisma, which names the types that it would guess.
const DELETE = {
  name: 'ledger_delete_files',
  text: 'SELECT * FROM ledger_delete_files($1::uuid, $2::jsonb, $3::boolean, $4::integer, $5::jsonb)',
};
const PURGE = {
  name: 'ledger_purge_trash',
  text: 'SELECT * FROM ledger_purge_trash($1::uuid, $2::uuid[], $3::text::timestamptz(3), $4::integer, $5::jsonb)',
};
const CHANGE = { name: 'ledger_change_file', text: 'SELECT * FROM ledger_change_file($1, $2, $3, $4, $5, $6, $7)' };
const RESTORE = {
  name: 'ledger_restore_files',
  text: 'SELECT * FROM ledger_restore_files($1::uuid, $2::jsonb, $3::integer, $4::jsonb)',
};
const RESTORE_VERSION = {
  name: 'ledger_restore_version',
  text: 'SELECT ledger_restore_version($1, $2, $3, $4) AS outcome',
};
const DELETE_VERSION = {
  name: 'ledger_delete_version',
  text: 'SELECT ledger_delete_version($1, $2, $3, $4) AS freed_bytes',
};
const PRUNE_FOLDERS = {
  name: 'ledger_prune_folders',
  text: 'SELECT ledger_prune_folders($1::uuid, $2::text, $3::jsonb)::text',
};

const FIND_DUE_TRASH = {
  name: 'ledger_find_due_trash',
  // One space for each of the oldest; those that a sweep leaves are the next one's.
  text: `SELECT DISTINCT space_id FROM (
      SELECT space_id FROM files WHERE trash_expires_at <= now() ORDER BY trash_expires_at LIMIT 5000
    ) due`,
};

/** For callers that have one open; a statement of its own is one otherwise. */
interface InTransaction {
  readonly tx?: Tx | undefined;
}

export interface FileLedgerOptions {
  /** For drives that have no number of days of their own; 0: no trash. */
  readonly driveTrashDays: number;
}

/**
 * Deletes, moves, restores: what changes files that are there. Each method is one call of a function of migration
 * `files_ledger`, which locks the space first and writes byte ledger and audit.
 */
export class FileLedgerRepository {
  readonly #database: Database;
  readonly #driveTrashDays: number;

  constructor(database: Database, options: FileLedgerOptions) {
    this.#database = database;
    this.#driveTrashDays = options.driveTrashDays;
  }

  /**
   * Deletes up to 1000 living files, into the trash where the space keeps one, unless `permanent`; answers those that
   * were there.
   */
  async delete(
    spaceId: string,
    files: readonly (FileRef | { readonly id: string; readonly path: string })[],
    { permanent = false, tx, ...audit }: LedgerAudit & InTransaction & { readonly permanent?: boolean | undefined },
  ): Promise<DeletedFile[]> {
    const values = [spaceId, JSON.stringify(files), permanent, this.#driveTrashDays, auditJson(audit)];
    return (await this.#query<DeletedRow>(tx, DELETE, values)).map(toDeleted);
  }

  /**
   * Removes up to `limit` files from the trash for good: those of these ids, those deleted up to a time (as PostgreSQL
   * wrote it), or those whose time is over.
   */
  async purge(
    spaceId: string,
    what: { readonly ids: readonly string[] } | { readonly deletedUpTo: string } | 'overdue',
    { limit, tx, ...audit }: LedgerAudit & InTransaction & { readonly limit: number },
  ): Promise<DeletedFile[]> {
    const ids = what !== 'overdue' && 'ids' in what ? what.ids : null;
    const before = what !== 'overdue' && 'deletedUpTo' in what ? what.deletedUpTo : null;
    const values = [spaceId, ids, before, limit, auditJson(audit)];
    return (await this.#query<DeletedRow>(tx, PURGE, values)).map(toDeleted);
  }

  /** Some spaces whose trash holds files whose time is over. */
  async findSpacesWithOverdueTrash(): Promise<string[]> {
    const rows = await this.#database.query<{ space_id: string }>(FIND_DUE_TRASH, []);
    return rows.map((row) => row.space_id);
  }

  /** Renames, moves and tags a file, if it still is as the caller saw it. */
  async change(
    spaceId: string,
    seen: { readonly id: string; readonly path: string; readonly objectKey: string },
    { to, tags, ...audit }: FileChange & LedgerAudit,
  ): Promise<ChangeOutcome> {
    const change = JSON.stringify({ ...to, folder_id: to?.folderId, tags });
    const values = [spaceId, seen.id, seen.path, seen.objectKey, change, this.#driveTrashDays, auditJson(audit)];
    const [row] = await this.#database.query<{ outcome: ChangeOutcome['outcome']; file_id: string; path: string }>(
      CHANGE,
      values,
    );
    if (!row) return { outcome: 'gone' };
    if (row.outcome === 'changed') return { outcome: 'changed', path: row.path };
    if (row.outcome === 'exists') return { outcome: 'exists', fileId: row.file_id, path: row.path };
    return { outcome: row.outcome };
  }

  /** Brings up to 1000 files back from the trash; one outcome for each, in their order. */
  async restore(
    spaceId: string,
    files: readonly RestoreInput[],
    { tx, ...audit }: LedgerAudit & InTransaction,
  ): Promise<readonly RestoreOutcome[]> {
    const values = [spaceId, JSON.stringify(files), this.#driveTrashDays, auditJson(audit)];
    const rows = await this.#query<{
      outcome: RestoreOutcome['outcome'];
      file_id: string;
      path: string;
      existing_id: string | null;
    }>(tx, RESTORE, values);
    return rows.map((row) => ({
      outcome: row.outcome,
      fileId: row.file_id,
      path: row.path,
      existingId: row.existing_id,
    }));
  }

  /** Makes a version the present content; the present one becomes a version. */
  async restoreVersion(
    spaceId: string,
    version: { readonly fileId: string; readonly versionId: string },
    audit: LedgerAudit,
  ): Promise<'restored' | 'gone' | 'no-version'> {
    const values = [spaceId, version.fileId, version.versionId, auditJson(audit)];
    const [row] = await this.#database.query<{ outcome: 'restored' | 'gone' | 'no-version' }>(RESTORE_VERSION, values);
    return row?.outcome ?? 'gone';
  }

  /** Removes a version for good; answers the bytes that this freed, null where there is no such version. */
  async deleteVersion(
    spaceId: string,
    version: { readonly fileId: string; readonly versionId: string },
    audit: LedgerAudit,
  ): Promise<number | null> {
    const values = [spaceId, version.fileId, version.versionId, auditJson(audit)];
    const [row] = await this.#database.query<{ freed_bytes: number | null }>(DELETE_VERSION, values);
    return row?.freed_bytes ?? null;
  }

  /** Removes a folder, and those below it, where no living file is left in them. */
  async pruneFolders(spaceId: string, path: string, { tx, ...audit }: LedgerAudit & InTransaction): Promise<void> {
    await this.#query(tx, PRUNE_FOLDERS, [spaceId, path, auditJson(audit)]);
  }

  /** In the transaction where one is given; its driver gives int8 as bigint. */
  #query<Row extends object>(tx: Tx | undefined, statement: Statement, values: readonly unknown[]): Promise<Row[]> {
    return tx ? tx.$queryRawUnsafe<Row[]>(statement.text, ...values) : this.#database.query<Row>(statement, values);
  }
}

function toDeleted(row: DeletedRow): DeletedFile {
  return {
    fileId: row.file_id,
    path: row.path,
    sizeBytes: Number(row.size_bytes),
    freedBytes: Number(row.freed_bytes),
    trashed: row.trashed ?? false,
  };
}
