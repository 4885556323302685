import type { Tx } from '../../platform/db/unit-of-work.ts';

/** Room that is held for uploads to come; they draw on it by its id. */
export class ReservationRepository {
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
}
