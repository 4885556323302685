import type { Database } from '../../platform/db/database.ts';
import type { Tx } from '../../platform/db/unit-of-work.ts';
import type { SpaceCounters } from '../access/index.ts';

/** A space's counters, and when they last changed. */
export interface SpaceUsage extends SpaceCounters {
  readonly updatedAt: Date;
}

/** What a space keeps; null: as the server does for its kind. */
export interface SpaceKeeping {
  readonly trashDays: number | null;
  readonly versionsKept: number;
}

const USAGE = {
  name: 'spaces_usage',
  text: `SELECT quota_bytes AS "quotaBytes", quota_objects AS "quotaObjects", used_bytes AS "usedBytes", used_objects AS "usedObjects",
      reserved_bytes AS "reservedBytes", reserved_objects AS "reservedObjects", trash_bytes AS "trashBytes",
      trash_objects AS "trashObjects", version_bytes AS "versionBytes", version_objects AS "versionObjects", updated_at AS "updatedAt"
    FROM spaces WHERE id = $1`,
};

/** A space's own row. */
export class SpaceRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** As it stands now. */
  async usage(spaceId: string): Promise<SpaceUsage | null> {
    const [row] = await this.#database.query<SpaceUsage>(USAGE, [spaceId]);
    return row ?? null;
  }

  /** What is absent stays. Null when there is no such space any more. */
  async change(
    tx: Tx,
    spaceId: string,
    { trashDays, versionsKept }: { readonly trashDays?: number | null; readonly versionsKept?: number },
  ): Promise<SpaceKeeping | null> {
    const [row] = await tx.$queryRaw<SpaceKeeping[]>`
      UPDATE spaces SET
        trash_days = CASE WHEN ${trashDays !== undefined}::boolean THEN ${trashDays ?? null}::integer ELSE trash_days END,
        versions_kept = coalesce(${versionsKept ?? null}::integer, versions_kept)
      WHERE id = ${spaceId}::uuid RETURNING trash_days AS "trashDays", versions_kept AS "versionsKept"`;
    return row ?? null;
  }
}
