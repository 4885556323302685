import type { Database } from '../../platform/db/database.ts';
import type { Tx } from '../../platform/db/unit-of-work.ts';
import type {
  Operation,
  OperationKind,
  OperationParams,
  OperationReader,
  RunningOperation,
  Step,
} from './operation.ts';
import { endOfPrefix } from './path-range.ts';
import type { FilePlace } from './stored-file.ts';

interface OperationRow {
  readonly id: string;
  readonly kind: OperationKind;
  readonly state: Operation['state'];
  readonly total: number;
  readonly done: number;
  readonly created_at: Date;
  readonly finished_at: Date | null;
  readonly error: string | null;
}

const FIND = {
  name: 'operations_find',
  text: `SELECT id, kind, state, total, done, created_at, finished_at, error FROM operations
    WHERE id = $1 AND (space_id = $2 OR (params->'audit'->>'actor_id' = $3 AND params->'audit'->>'actor_type' <> 'key'))`,
};

/** An operation is about what is there under the lock: `before` comes from the clock that files are stamped by. */
type Begun<K extends OperationKind> = Omit<OperationParams[K], 'before'>;

/** Operations: begun in the transaction that enqueues their job, and carried on one step a transaction. */
export class OperationRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** One of the space, or one that this user, by no key, has begun in another's drive. */
  async find(id: string, { spaceId, userId }: OperationReader): Promise<Operation | null> {
    const [row] = await this.#database.query<OperationRow>(FIND, [id, spaceId, userId]);
    return row ? toOperation(row) : null;
  }

  /** Deletes what is below a prefix. */
  async beginPrefixDeletion(tx: Tx, spaceId: string, { id, ...params }: Begun<'prefix.delete'> & { id: string }) {
    await lockSpace(tx, spaceId);
    await tx.$executeRaw`
      INSERT INTO operations (id, space_id, kind, params, total)
      SELECT ${id}::uuid, ${spaceId}::uuid, 'prefix.delete',
        ${JSON.stringify(params)}::jsonb || jsonb_build_object('before', ledger_operation_time()), count(*)
      FROM files WHERE space_id = ${spaceId}::uuid AND deleted_at IS NULL AND path >= ${params.prefix}
        AND (${endOfPrefix(params.prefix)}::text IS NULL OR path < ${endOfPrefix(params.prefix)})`;
  }

  /** Removes for good what is in the trash. */
  async beginEmptying(tx: Tx, spaceId: string, { id, ...params }: Begun<'trash.empty'> & { id: string }) {
    await lockSpace(tx, spaceId);
    await tx.$executeRaw`
      INSERT INTO operations (id, space_id, kind, params, total)
      SELECT ${id}::uuid, id, 'trash.empty',
        ${JSON.stringify(params)}::jsonb || jsonb_build_object('before', ledger_operation_time()), trash_objects
      FROM spaces WHERE id = ${spaceId}::uuid`;
  }

  /** Brings back from the trash what lay below a prefix. */
  async beginRestoring(tx: Tx, spaceId: string, { id, ...params }: Begun<'trash.restore'> & { id: string }) {
    await lockSpace(tx, spaceId);
    await tx.$executeRaw`
      INSERT INTO operations (id, space_id, kind, params, total)
      SELECT ${id}::uuid, ${spaceId}::uuid, 'trash.restore',
        ${JSON.stringify(params)}::jsonb || jsonb_build_object('before', ledger_operation_time()), count(DISTINCT path)
      FROM files WHERE space_id = ${spaceId}::uuid AND deleted_at IS NOT NULL AND path >= ${params.below}
        AND (${endOfPrefix(params.below)}::text IS NULL OR path < ${endOfPrefix(params.below)})`;
  }

  /**
   * Takes an operation up for one step, with the lock of its space; null when it has ended, and with it. `waiting`: an
   * older one of the space comes first, since it may have moved what this one is about.
   */
  async take(tx: Tx, id: string): Promise<RunningOperation | 'waiting' | null> {
    await tx.$queryRaw`
      SELECT 1 FROM spaces WHERE id = (SELECT space_id FROM operations WHERE id = ${id}::uuid) FOR NO KEY UPDATE`;
    const [row] = await tx.$queryRaw<(RunningOperation & { readonly waiting: boolean })[]>`
      SELECT o.id, o.space_id AS "spaceId", o.kind, o.params, EXISTS (
        SELECT 1 FROM operations older WHERE older.space_id = o.space_id AND older.state IN ('QUEUED', 'RUNNING')
          AND (older.created_at, older.id) < (o.created_at, o.id)
      ) AS waiting
      FROM operations o WHERE o.id = ${id}::uuid AND o.state IN ('QUEUED', 'RUNNING') FOR NO KEY UPDATE`;
    if (!row) return null;
    return row.waiting ? 'waiting' : row;
  }

  /** In the transaction of the step. */
  async advance(tx: Tx, id: string, { done, last, params = {}, note = '' }: Step): Promise<void> {
    await tx.$executeRaw`
      UPDATE operations SET done = done + ${done}::bigint, params = params || ${JSON.stringify(params)}::jsonb, updated_at = now(),
        state = CASE WHEN ${last}::boolean THEN 'DONE' ELSE 'RUNNING' END::"OperationState",
        finished_at = CASE WHEN ${last}::boolean THEN now() END, error = nullif(${note}::text, '')
      WHERE id = ${id}::uuid`;
  }

  /** Ends one that could not be carried on, unless it has ended. */
  async fail(id: string, error: string, at: Date): Promise<void> {
    await this.#database.prisma.operation.updateMany({
      where: { id, state: { in: ['QUEUED', 'RUNNING'] } },
      data: { state: 'FAILED', error, finishedAt: at, updatedAt: at },
    });
  }

  /** Ends what nobody has carried on since a time; answers how many. */
  async failStale(since: Date, error: string, at: Date): Promise<number> {
    const { count } = await this.#database.prisma.operation.updateMany({
      where: { state: { in: ['QUEUED', 'RUNNING'] }, updatedAt: { lt: since } },
      data: { state: 'FAILED', error, finishedAt: at, updatedAt: at },
    });
    return count;
  }

  /** Removes what has ended before a time; answers how many. */
  async removeEnded(before: Date): Promise<number> {
    const { count } = await this.#database.prisma.operation.deleteMany({ where: { finishedAt: { lt: before } } });
    return count;
  }

  /** Up to `limit` living files of a prefix that were there at `before`, by path. */
  async livingBelow(
    tx: Tx,
    spaceId: string,
    { prefix, before, limit }: { readonly prefix: string; readonly before: string; readonly limit: number },
  ): Promise<FilePlace[]> {
    return tx.$queryRaw`
      SELECT id, path FROM files
      WHERE space_id = ${spaceId}::uuid AND deleted_at IS NULL AND path >= ${prefix}
        AND (${endOfPrefix(prefix)}::text IS NULL OR path < ${endOfPrefix(prefix)}) AND uploaded_at <= ${before}::text::timestamptz(3)
      ORDER BY path LIMIT ${limit}::integer`;
  }

  /** Of each name below a prefix the one that was deleted last, up to `limit` behind `after`, by path. */
  async newestTrashed(
    tx: Tx,
    spaceId: string,
    { prefix, before, after, limit }: { prefix: string; before: string; after: string; limit: number },
  ): Promise<FilePlace[]> {
    return tx.$queryRaw`
      SELECT DISTINCT ON (path) id, path FROM files
      WHERE space_id = ${spaceId}::uuid AND deleted_at <= ${before}::text::timestamptz(3) AND path >= ${prefix} AND path > ${after}
        AND (${endOfPrefix(prefix)}::text IS NULL OR path < ${endOfPrefix(prefix)})
      ORDER BY path, deleted_at DESC, id DESC LIMIT ${limit}::integer`;
  }
}

/** Before any other row, as the ledger does. */
async function lockSpace(tx: Tx, spaceId: string): Promise<void> {
  await tx.$queryRaw`SELECT 1 FROM spaces WHERE id = ${spaceId}::uuid FOR NO KEY UPDATE`;
}

function toOperation({ created_at: createdAt, finished_at: finishedAt, ...row }: OperationRow): Operation {
  return { ...row, createdAt, finishedAt };
}
