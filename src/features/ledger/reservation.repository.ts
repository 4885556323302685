import type { Database } from '../../platform/db/database.ts';
import type { Tx } from '../../platform/db/unit-of-work.ts';
import type { QuotaCounters } from '../access/index.ts';

/** Room that a space's owner has asked for, for uploads to come. */
export interface SpaceReservation {
  readonly id: string;
  /** As asked for. */
  readonly bytes: number;
  readonly objects: number;
  /** Not drawn yet. */
  readonly heldBytes: number;
  readonly heldObjects: number;
  readonly createdAt: Date;
  readonly expiresAt: Date;
}

const COLUMNS = `r.id, r.bytes, r.objects, r.held_bytes AS "heldBytes", r.held_objects AS "heldObjects",
  r.created_at AS "createdAt", r.expires_at AS "expiresAt"`;
/** Alive, and not a drop's, which only its link draws on. */
const USABLE = `r.space_id = $1 AND r.expires_at > now()
  AND NOT EXISTS (SELECT 1 FROM share_links l WHERE l.reservation_id = r.id)`;

const FIND = {
  name: 'reservations_find',
  text: `SELECT ${COLUMNS} FROM reservations r WHERE ${USABLE} AND r.id = $2`,
};

const LIST = {
  name: 'reservations_list',
  text: `SELECT ${COLUMNS} FROM reservations r WHERE ${USABLE} AND ($2::uuid IS NULL OR r.id < $2) ORDER BY r.id DESC LIMIT $3`,
};

/** Room that is held for uploads to come; they draw on it by its id. */
export class ReservationRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Holds the room if it fits; false when it does not. `expiresAt` null: until it is closed. */
  async open(
    tx: Tx,
    spaceId: string,
    reservation: {
      readonly id: string;
      readonly bytes: number;
      readonly objects: number;
      readonly expiresAt: Date | null;
    },
  ): Promise<boolean> {
    const { id, bytes, objects, expiresAt } = reservation;
    const [row] = await tx.$queryRaw<{ held: boolean }[]>`
      SELECT ledger_reservation_open(${spaceId}::uuid, ${id}::uuid, ${bytes}::bigint, ${objects}::bigint, ${expiresAt}::timestamptz) AS held`;
    return row?.held ?? false;
  }

  /** Locks the space until the transaction ends; its counters, or null where it is gone. */
  async lockSpace(tx: Tx, spaceId: string): Promise<QuotaCounters | null> {
    const [row] = await tx.$queryRaw<QuotaCounters[]>`
      SELECT quota_bytes::float8 AS "quotaBytes", quota_objects::float8 AS "quotaObjects", used_bytes::float8 AS "usedBytes",
             used_objects::float8 AS "usedObjects", reserved_bytes::float8 AS "reservedBytes",
             reserved_objects::float8 AS "reservedObjects"
      FROM spaces WHERE id = ${spaceId}::uuid FOR NO KEY UPDATE`;
    return row ?? null;
  }

  /** Those that live and are no drop's. */
  async countOpen(tx: Tx, spaceId: string): Promise<number> {
    const [row] = await tx.$queryRaw<{ open: bigint }[]>`
      SELECT count(*) AS open FROM reservations r WHERE r.space_id = ${spaceId}::uuid AND r.expires_at > now()
        AND NOT EXISTS (SELECT 1 FROM share_links l WHERE l.reservation_id = r.id)`;
    return Number(row?.open ?? 0);
  }

  /** One that lives and is no drop's. */
  async find(spaceId: string, id: string): Promise<SpaceReservation | null> {
    const [row] = await this.#database.query<SpaceReservation>(FIND, [spaceId, id]);
    return row ?? null;
  }

  /** The same, newest first, older than `cursor`. */
  list(
    spaceId: string,
    { cursor, limit }: { readonly cursor: string | undefined; readonly limit: number },
  ): Promise<SpaceReservation[]> {
    return this.#database.query<SpaceReservation>(LIST, [spaceId, cursor ?? null, limit]);
  }

  /**
   * Gives back what was not drawn; uploads that have drawn go on. It as it was then, or null where there is none such; the
   * space is locked.
   */
  async close(tx: Tx, spaceId: string, id: string): Promise<SpaceReservation | null> {
    const [closed] = await tx.$queryRaw<(SpaceReservation & { readonly closed: string })[]>`
      SELECT r.id, r.bytes::float8 AS "bytes", r.objects::float8 AS "objects", r.held_bytes::float8 AS "heldBytes",
             r.held_objects::float8 AS "heldObjects", r.created_at AS "createdAt", r.expires_at AS "expiresAt",
             ledger_reservation_close(r.id)::text AS closed
      FROM reservations r
      WHERE r.id = ${id}::uuid AND r.space_id = ${spaceId}::uuid AND r.expires_at > now()
        AND NOT EXISTS (SELECT 1 FROM share_links l WHERE l.reservation_id = r.id)`;
    return closed ?? null;
  }
}
