import type { Tx } from '../../platform/db/unit-of-work.ts';

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

/** Sessions: one row a login, with the hash of the one refresh token that is good. */
export class SessionRepository {
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
    if (!session || session.revokedAt !== null) return { outcome: 'unknown' };
    return { outcome: session.expiresAt <= now ? 'expired' : 'disabled' };
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

  /** Ends a session of this user; false when it had ended before. */
  async revoke(tx: Tx, userId: string, sessionId: string, now: Date): Promise<boolean> {
    const { count } = await tx.session.updateMany({
      where: { id: sessionId, userId, revokedAt: null },
      data: { revokedAt: now },
    });
    return count === 1;
  }
}
