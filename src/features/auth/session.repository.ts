import type { Database, Statement } from '../../platform/db/database.ts';
import type { Prisma } from '../../platform/db/generated/client.ts';
import type { Tx } from '../../platform/db/unit-of-work.ts';
import type { Session } from './session.ts';

export interface NewSession {
  readonly id: string;
  readonly userId: string;
  readonly refreshTokenHash: Uint8Array<ArrayBuffer>;
  readonly ip: string | null;
  readonly userAgent: string | null;
  readonly createdAt: Date;
  readonly expiresAt: Date;
}

/** What a refresh did, or why it did nothing. `replayed`: a token that was good once; its session has been ended. */
export type RotateOutcome =
  | { readonly outcome: 'rotated'; readonly userId: string; readonly role: 'USER' | 'ADMIN' }
  | { readonly outcome: 'replayed'; readonly userId: string }
  | { readonly outcome: 'expired' | 'disabled' | 'unknown' };

/** Where a page of sessions begins: after this one. */
export interface SessionPosition {
  readonly lastUsedAt: Date;
  readonly id: string;
}

const SESSION_COLUMNS = {
  id: true,
  ip: true,
  userAgent: true,
  createdAt: true,
  lastUsedAt: true,
  expiresAt: true,
} satisfies Prisma.SessionSelect;

// A session lasts no longer than the retention after its last use, so one that ended that long ago has expired as well:
// the index on `expires_at` finds both.
const PURGE: Statement = {
  name: 'auth_purge_sessions',
  text: `WITH purged AS (
      DELETE FROM sessions WHERE id IN (
        SELECT id FROM sessions WHERE expires_at < $1 AND (expires_at < $2 OR revoked_at < $2)
        ORDER BY expires_at LIMIT $3 FOR UPDATE SKIP LOCKED
      ) RETURNING 1
    )
    SELECT count(*) AS purged FROM purged`,
};

/** Sessions: one row a login, with the hash of the one refresh token that is good. */
export class SessionRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Up to `limit` living sessions of the user, newest use first. */
  pageLiving(
    userId: string,
    page: { readonly limit: number; readonly after: SessionPosition | null },
    now: Date,
  ): Promise<Session[]> {
    const { limit, after } = page;
    const older = after && {
      OR: [{ lastUsedAt: { lt: after.lastUsedAt } }, { lastUsedAt: after.lastUsedAt, id: { lt: after.id } }],
    };
    return this.#database.prisma.session.findMany({
      where: { userId, revokedAt: null, expiresAt: { gt: now }, ...older },
      orderBy: [{ lastUsedAt: 'desc' }, { id: 'desc' }],
      take: limit,
      select: SESSION_COLUMNS,
    });
  }

  async create(tx: Tx, session: NewSession): Promise<void> {
    await tx.session.create({ data: { ...session, lastUsedAt: session.createdAt } });
  }

  /**
   * Puts a new token in the place of the old one, by one statement: of any number of requests with one token, one gets
   * a new one. Any other token of a living session has been used before, and ends it: give this only
   * tokens that were issued.
   */
  async rotate(
    tx: Tx,
    change: {
      readonly sessionId: string;
      readonly oldHash: Uint8Array<ArrayBuffer>;
      readonly newHash: Uint8Array<ArrayBuffer>;
      readonly now: Date;
      readonly expiresAt: Date;
    },
  ): Promise<RotateOutcome> {
    const { sessionId: id, oldHash, newHash, now, expiresAt } = change;
    const [rotated] = await tx.$queryRaw<{ user_id: string; role: 'USER' | 'ADMIN' }[]>`
      UPDATE sessions s SET refresh_token_hash = ${newHash}, last_used_at = ${now}, expires_at = ${expiresAt}
      FROM users u
      WHERE s.id = ${id}::uuid AND s.refresh_token_hash = ${oldHash} AND s.revoked_at IS NULL AND s.expires_at > ${now}
        AND u.id = s.user_id AND u.disabled_at IS NULL
      RETURNING s.user_id, u.role::text AS role`;
    if (rotated) return { outcome: 'rotated', userId: rotated.user_id, role: rotated.role };
    const [replayed] = await tx.session.updateManyAndReturn({
      where: { id, refreshTokenHash: { not: oldHash }, revokedAt: null },
      data: { revokedAt: now },
      select: { userId: true },
    });
    if (replayed) return { outcome: 'replayed', userId: replayed.userId };
    const session = await tx.session.findUnique({
      where: { id },
      select: { revokedAt: true, expiresAt: true, user: { select: { disabledAt: true } } },
    });
    if (session?.user.disabledAt) return { outcome: 'disabled' };
    if (!session || session.revokedAt !== null) return { outcome: 'unknown' };
    return { outcome: session.expiresAt <= now ? 'expired' : 'unknown' };
  }

  /** Whether this is the token that is good, of a living session. */
  async isCurrent(sessionId: string, hash: Uint8Array<ArrayBuffer>, now: Date): Promise<boolean> {
    const where = { id: sessionId, refreshTokenHash: hash, revokedAt: null, expiresAt: { gt: now } };
    return (await this.#database.prisma.session.count({ where })) === 1;
  }

  /** Ends all of the user's sessions but `exceptId`; answers how many were alive. */
  async revokeAll(tx: Tx, userId: string, now: Date, exceptId: string | null = null): Promise<number> {
    const { count } = await tx.session.updateMany({
      where: {
        userId,
        revokedAt: null,
        expiresAt: { gt: now },
        ...(exceptId === null ? {} : { id: { not: exceptId } }),
      },
      data: { revokedAt: now },
    });
    return count;
  }

  /** Ends a living session of this user; false when there is none of this id. */
  async revoke(tx: Tx, userId: string, sessionId: string, now: Date): Promise<boolean> {
    const { count } = await tx.session.updateMany({
      where: { id: sessionId, userId, revokedAt: null, expiresAt: { gt: now } },
      data: { revokedAt: now },
    });
    return count === 1;
  }

  /** Removes up to `limit` sessions that ended or expired before that time, which is past; answers how many. */
  async purge(endedBefore: Date, now: Date, limit: number): Promise<number> {
    const [row] = await this.#database.query<{ purged: number }>(PURGE, [now, endedBefore, limit]);
    return row?.purged ?? 0;
  }
}
