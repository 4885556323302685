import type { Database } from '../../platform/db/database.ts';
import type { Tx } from '../../platform/db/unit-of-work.ts';
import type { DeleteFolderOutcome, LedgerAudit, MakeFolderOutcome, MoveFolderOutcome } from './ledger.ts';
import { auditJson } from './ledger-audit.ts';

/** A folder as its caller saw it; another path by now is `stale`. */
interface SeenFolder {
  readonly id: string;
  readonly path: string;
}

/** Where a folder is to be. */
interface FolderPlace {
  readonly path: string;
  /** The folder that it lies in then, `stale` when that is elsewhere; null directly in the drive. */
  readonly parentId: string | null;
}

/** What is done at once, and under which id the rest is noted. */
interface Batch {
  /** Files below that one statement takes. */
  readonly limit: number;
  readonly operationId: string;
}

const STEP = {
  name: 'ledger_move_step',
  // The time rounded as `uploaded_at` is.
  text: 'SELECT ledger_move_step($1::uuid, $2::text, $3::text, $4::text::timestamptz(3), $5::integer)::float8 AS moved',
};

/** Folders of drives: made, moved, deleted, each with one statement that locks the space first (migration `files_ledger`). */
export class FolderLedgerRepository {
  readonly #database: Database;
  readonly #driveTrashDays: number;

  constructor(database: Database, { driveTrashDays }: { readonly driveTrashDays: number }) {
    this.#database = database;
    this.#driveTrashDays = driveTrashDays;
  }

  async make(tx: Tx, spaceId: string, { path, parentId, ...audit }: LedgerAudit & FolderPlace) {
    const [row] = await tx.$queryRaw<{ outcome: MakeFolderOutcome['outcome']; folder_id: string }[]>`
      SELECT * FROM ledger_make_folder(${spaceId}::uuid, ${path}, ${parentId}::uuid, ${auditJson(audit)}::jsonb)`;
    const outcome: MakeFolderOutcome =
      row?.outcome === 'made' || row?.outcome === 'exists'
        ? { outcome: row.outcome, folderId: row.folder_id }
        : { outcome: row?.outcome ?? 'gone' };
    return outcome;
  }

  /** With `begun`, the caller enqueues the job of the operation in the same transaction. */
  async move(
    tx: Tx,
    spaceId: string,
    { folder, to, limit, operationId, ...audit }: LedgerAudit & Batch & { folder: SeenFolder; to: FolderPlace },
  ): Promise<MoveFolderOutcome> {
    const [row] = await tx.$queryRaw<
      { outcome: MoveFolderOutcome['outcome']; existing_id: string; files: number | null }[]
    >`
      SELECT outcome, existing_id, files::float8 FROM ledger_move_folder(${spaceId}::uuid, ${folder.id}::uuid, ${folder.path}, ${to.path},
        ${to.parentId}::uuid, ${limit}::integer, ${operationId}::uuid, ${auditJson(audit)}::jsonb)`;
    if (!row) return { outcome: 'gone' };
    if (row.outcome === 'exists') return { outcome: 'exists', folderId: row.existing_id };
    if (row.outcome === 'moved' || row.outcome === 'begun') return { outcome: row.outcome, files: row.files ?? 0 };
    return { outcome: row.outcome };
  }

  /** Up to `limit` files of a move that has begun at `before` (as PostgreSQL wrote it); answers how many moved, 0 at the end. */
  async moveStep(
    spaceId: string,
    { from, to, before, limit, tx }: { from: string; to: string; before: string; limit: number; tx?: Tx },
  ): Promise<number> {
    const values = [spaceId, from, to, before, limit];
    const [row] = tx
      ? await tx.$queryRawUnsafe<{ moved: number }[]>(STEP.text, ...values)
      : await this.#database.query<{ moved: number }>(STEP, values);
    return row?.moved ?? 0;
  }

  /** With `begun`, the caller enqueues the job of the operation in the same transaction. */
  async delete(
    tx: Tx,
    spaceId: string,
    { folder, limit, operationId, ...audit }: LedgerAudit & Batch & { folder: SeenFolder },
  ): Promise<DeleteFolderOutcome> {
    const [row] = await tx.$queryRaw<
      { outcome: DeleteFolderOutcome['outcome']; files: number | null; freed_bytes: number | null }[]
    >`
      SELECT outcome, files::float8, freed_bytes::float8 FROM ledger_delete_folder(${spaceId}::uuid, ${folder.id}::uuid, ${folder.path},
        ${limit}::integer, ${operationId}::uuid, ${this.#driveTrashDays}::integer, ${auditJson(audit)}::jsonb)`;
    if (row?.outcome === 'deleted' || row?.outcome === 'begun') {
      return { outcome: row.outcome, files: row.files ?? 0, freedBytes: row.freed_bytes ?? 0 };
    }
    return { outcome: row?.outcome ?? 'gone' };
  }
}
