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

  /** Locks the space before any other row, as the ledger does; answers how many of its operations are not done yet. */
  async lockSpace(tx: Tx, spaceId: string): Promise<number> {
    await tx.$queryRaw`SELECT 1 FROM spaces WHERE id = ${spaceId}::uuid FOR NO KEY UPDATE`;
    return tx.operation.count({ where: { spaceId, finishedAt: null } });
  }

  /**
   * Has the same deletion, asked for by the same, take what is there now, if it has not begun and nothing but deletions
   * comes after it; answers its id. The space is locked.
   */
  async renewPrefixDeletion(tx: Tx, spaceId: string, params: Begun<'prefix.delete'>): Promise<string | null> {
    const whoOnly = ['ip', 'user_agent', 'request_id'];
    const [row] = await tx.$queryRaw<{ id: string }[]>`
      UPDATE operations o
      SET params = o.params || ${JSON.stringify(params)}::jsonb || jsonb_build_object('before', ledger_operation_time()),
        total = (
          SELECT count(*) FROM files
          WHERE space_id = ${spaceId}::uuid AND deleted_at IS NULL AND path >= ${params.prefix}
            AND (${endOfPrefix(params.prefix)}::text IS NULL OR path < ${endOfPrefix(params.prefix)})
        )
      WHERE o.space_id = ${spaceId}::uuid AND o.state = 'QUEUED' AND o.finished_at IS NULL AND o.kind = 'prefix.delete'
        AND o.params->>'prefix' = ${params.prefix} AND o.params->'permanent' = to_jsonb(${params.permanent ?? false}::boolean)
        AND (o.params->'audit') - ${whoOnly}::text[] = (${JSON.stringify(params.audit)}::jsonb) - ${whoOnly}::text[]
        AND NOT EXISTS (
          SELECT 1 FROM operations later WHERE later.space_id = o.space_id AND later.finished_at IS NULL
            AND later.kind <> 'prefix.delete' AND (later.created_at, later.id) > (o.created_at, o.id)
        )
      RETURNING o.id`;
    return row?.id ?? null;
  }

  /** Whether files are on their way to or from below a prefix; the space is locked. */
  async isMoving(tx: Tx, spaceId: string, prefix: string): Promise<boolean> {
    const [row] = await tx.$queryRaw<
      { moving: boolean }[]
    >`SELECT ledger_moving(${spaceId}::uuid, ${prefix}) AS moving`;
    return row?.moving ?? false;
  }

  /** Deletes what is below a prefix. The space is locked. */
  async beginPrefixDeletion(tx: Tx, spaceId: string, { id, ...params }: Begun<'prefix.delete'> & { id: string }) {
    await tx.$executeRaw`
      INSERT INTO operations (id, space_id, kind, params, total)
      SELECT ${id}::uuid, ${spaceId}::uuid, 'prefix.delete',
        ${JSON.stringify(params)}::jsonb || jsonb_build_object('before', ledger_operation_time()), count(*)
      FROM files WHERE space_id = ${spaceId}::uuid AND deleted_at IS NULL AND path >= ${params.prefix}
        AND (${endOfPrefix(params.prefix)}::text IS NULL OR path < ${endOfPrefix(params.prefix)})`;
  }

  /** Removes for good what is in the trash. The space is locked. */
  async beginEmptying(tx: Tx, spaceId: string, { id, ...params }: Begun<'trash.empty'> & { id: string }) {
    await tx.$executeRaw`
      INSERT INTO operations (id, space_id, kind, params, total)
      SELECT ${id}::uuid, id, 'trash.empty',
        ${JSON.stringify(params)}::jsonb || jsonb_build_object('before', ledger_operation_time()), trash_objects
      FROM spaces WHERE id = ${spaceId}::uuid`;
  }

  /** Brings back from the trash what lay below a prefix. The space is locked. */
  async beginRestoring(tx: Tx, spaceId: string, { id, ...params }: Begun<'trash.restore'> & { id: string }) {
    await tx.$executeRaw`
      INSERT INTO operations (id, space_id, kind, params, total)
      SELECT ${id}::uuid, ${spaceId}::uuid, 'trash.restore',
        ${JSON.stringify(params)}::jsonb || jsonb_build_object('before', ledger_operation_time()), count(DISTINCT path)
      FROM files WHERE space_id = ${spaceId}::uuid AND deleted_at IS NOT NULL AND path >= ${params.below}
        AND (${endOfPrefix(params.below)}::text IS NULL OR path < ${endOfPrefix(params.below)})`;
  }

  /**
   * Takes an operation up for one step, with the lock of its space; null when it has ended, and with it, or is not the
   * oldest of the space: one before it may have moved what this one is about, and whoever ends that starts the next.
   */
  async take(tx: Tx, id: string): Promise<RunningOperation | null> {
    await lockSpaceOf(tx, id);
    const [row] = await tx.$queryRaw<RunningOperation[]>`
      SELECT o.id, o.space_id AS "spaceId", o.kind, o.params FROM operations o
      WHERE o.id = ${id}::uuid AND o.finished_at IS NULL AND NOT EXISTS (
        SELECT 1 FROM operations older
        WHERE older.space_id = o.space_id AND older.finished_at IS NULL AND (older.created_at, older.id) < (o.created_at, o.id)
      )
      FOR NO KEY UPDATE`;
    return row ?? null;
  }

  /** The operation of a space whose turn it is; null for none. */
  async findOldest(tx: Tx, spaceId: string): Promise<string | null> {
    const [oldest] = await tx.operation.findMany({
      where: { spaceId, finishedAt: null },
      orderBy: [{ createdAt: 'asc' }, { id: 'asc' }],
      take: 1,
      select: { id: true },
    });
    return oldest?.id ?? null;
  }

  /** Up to `limit` of those that are the oldest of their space and that nobody has carried on since a time. */
  async findStranded(since: Date, limit: number): Promise<string[]> {
    const rows = await this.#database.prisma.$queryRaw<{ id: string }[]>`
      SELECT o.id FROM (
        SELECT DISTINCT ON (space_id) id, updated_at FROM operations WHERE finished_at IS NULL ORDER BY space_id, created_at, id
      ) o
      WHERE o.updated_at < ${since} ORDER BY o.updated_at LIMIT ${limit}::integer`;
    return rows.map(({ id }) => id);
  }

  /** In the transaction of the step. */
  async advance(tx: Tx, id: string, { done, last, params = {}, note = '' }: Step): Promise<void> {
    await tx.$executeRaw`
      UPDATE operations SET done = done + ${done}::bigint, params = params || ${JSON.stringify(params)}::jsonb, updated_at = now(),
        state = CASE WHEN ${last}::boolean THEN 'DONE' ELSE 'RUNNING' END::"OperationState",
        finished_at = CASE WHEN ${last}::boolean THEN now() END, error = nullif(${note}::text, '')
      WHERE id = ${id}::uuid`;
  }

  /** Ends one that could not be carried on, unless it has ended; answers its space, which it locks, if it did. */
  async fail(tx: Tx, id: string, { error, at }: { readonly error: string; readonly at: Date }): Promise<string | null> {
    await lockSpaceOf(tx, id);
    const [row] = await tx.operation.updateManyAndReturn({
      where: { id, finishedAt: null },
      data: { state: 'FAILED', error, finishedAt: at, updatedAt: at },
      select: { spaceId: true },
    });
    return row?.spaceId ?? null;
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

async function lockSpaceOf(tx: Tx, id: string): Promise<void> {
  await tx.$queryRaw`
    SELECT 1 FROM spaces WHERE id = (SELECT space_id FROM operations WHERE id = ${id}::uuid) FOR NO KEY UPDATE`;
}

function toOperation({ created_at: createdAt, finished_at: finishedAt, ...row }: OperationRow): Operation {
  return { ...row, createdAt, finishedAt };
}
