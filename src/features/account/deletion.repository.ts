import type { Database } from '../../platform/db/database.ts';
import type { Tx } from '../../platform/db/unit-of-work.ts';
import { USER_COLUMNS, type User } from '../users/index.ts';

export interface DeletionOrder {
  readonly requestedAt: Date;
  readonly dueAt: Date;
  readonly byAdmin: boolean;
  /** The account has to have this password still; null: whatever it is. */
  readonly passwordHash: string | null;
}

/** What stands in the way of a change to a deletion. */
export interface DeletionState {
  readonly pending: boolean;
  readonly byAdmin: boolean;
  readonly erasing: boolean;
}

/** The deletion that an account waits for, and what goes and comes back with it. Each change is one conditional UPDATE. */
export class DeletionRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * The account, which waits for its deletion now; null when it did before, is gone, or has another password. An admin's
   * order takes the place of the owner's, who then cannot undo it.
   */
  async order(tx: Tx, userId: string, order: DeletionOrder): Promise<User | null> {
    const { requestedAt, dueAt, byAdmin, passwordHash } = order;
    const [user] = await tx.user.updateManyAndReturn({
      where: {
        id: userId,
        ...(byAdmin ? { deletionByAdmin: false, erasureStartedAt: null } : { deletionDueAt: null }),
        ...(passwordHash === null ? {} : { passwordHash }),
      },
      data: {
        deletionRequestedAt: requestedAt,
        deletionDueAt: dueAt,
        deletionByAdmin: byAdmin,
        updatedAt: requestedAt,
      },
      select: USER_COLUMNS,
    });
    return user ?? null;
  }

  /** False when none is pending, its erasure has begun, or (unless told that this does not matter) an admin ordered it. */
  async cancel(
    tx: Tx,
    userId: string,
    { now, alsoByAdmin }: { readonly now: Date; readonly alsoByAdmin: boolean },
  ): Promise<boolean> {
    const { count } = await tx.user.updateMany({
      where: {
        id: userId,
        deletionDueAt: { not: null },
        erasureStartedAt: null,
        ...(alsoByAdmin ? {} : { deletionByAdmin: false }),
      },
      data: { deletionRequestedAt: null, deletionDueAt: null, deletionByAdmin: false, updatedAt: now },
    });
    return count === 1;
  }

  /** null: no such user. */
  async find(userId: string): Promise<DeletionState | null> {
    const row = await this.#database.prisma.user.findUnique({
      where: { id: userId },
      select: { deletionDueAt: true, deletionByAdmin: true, erasureStartedAt: true },
    });
    return (
      row && {
        pending: row.deletionDueAt !== null,
        byAdmin: row.deletionByAdmin,
        erasing: row.erasureStartedAt !== null,
      }
    );
  }

  /** Takes back what nobody has reviewed; answers how many. Before `revokeKeys`: an approval under way makes one more. */
  async withdrawRequests(tx: Tx, userId: string): Promise<number> {
    const { count } = await tx.apiKeyRequest.updateMany({
      where: { userId, status: 'PENDING' },
      data: { status: 'WITHDRAWN' },
    });
    return count;
  }

  /** Ends the user's keys and remembers which, for `restoreKeys`; answers how many. */
  async revokeKeys(tx: Tx, userId: string, now: Date): Promise<number> {
    const { count } = await tx.apiKey.updateMany({
      where: { userId, revokedAt: null },
      data: { revokedAt: now, revokedWithAccount: true },
    });
    return count;
  }

  /** Brings back the keys that went with the account, and no other; answers how many. */
  async restoreKeys(tx: Tx, userId: string): Promise<number> {
    const { count } = await tx.apiKey.updateMany({
      where: { userId, revokedWithAccount: true },
      data: { revokedAt: null, revokedWithAccount: false },
    });
    return count;
  }
}
