import type { Database, Statement } from '../../platform/db/database.ts';
import type { Tx } from '../../platform/db/unit-of-work.ts';

export type CodePurpose = 'EMAIL_VERIFICATION' | 'PASSWORD_RESET';

/** Times and numbers that govern codes. */
export interface CodePolicy {
  readonly maxAttempts: number;
  readonly resendAfterMs: number;
  /** How long a code is good, and how long tries are counted together. */
  readonly windowMs: number;
}

/** A code's row, without the code. */
export interface CodeState {
  readonly attempts: number;
  readonly windowStartedAt: Date;
  readonly sentAt: Date;
  readonly expiresAt: Date;
}

export interface PutCode {
  readonly userId: string;
  readonly purpose: CodePurpose;
  readonly codeHash: Uint8Array<ArrayBuffer>;
  readonly now: Date;
}

// Where the last condition does not hold, the row stays as it is and nothing comes back.
const PUT = `
  INSERT INTO one_time_codes AS c (user_id, purpose, code_hash, attempts, window_started_at, sent_at, expires_at)
  VALUES ($1::uuid, $2::"CodePurpose", $3, 0, $4, $4, $5)
  ON CONFLICT (user_id, purpose) DO UPDATE
  SET code_hash = excluded.code_hash, sent_at = excluded.sent_at, expires_at = excluded.expires_at,
      attempts = CASE WHEN c.window_started_at <= $6 THEN 0 ELSE c.attempts END,
      window_started_at = CASE WHEN c.window_started_at <= $6 THEN excluded.window_started_at ELSE c.window_started_at END
  WHERE c.sent_at <= $7 AND (c.window_started_at <= $6 OR c.attempts < $8)
  RETURNING expires_at`;

// Always answers one row, and always writes to the log (a message that nobody reads): a commit that had nothing to write
// would not wait for the disk, and the time would tell whether there is a code, and so an account.
const TAKE_TRY: Statement = {
  name: 'auth_take_code_try',
  text: `WITH taken AS (
      UPDATE one_time_codes SET attempts = attempts + 1
      WHERE user_id = $1 AND purpose = $2::"CodePurpose" AND attempts < $3 AND expires_at > $4
      RETURNING code_hash
    )
    SELECT (SELECT code_hash FROM taken) AS code_hash, pg_logical_emit_message(true, 'pockity', '')`,
};

const PURGE: Statement = {
  name: 'auth_purge_codes',
  text: `WITH purged AS (
      DELETE FROM one_time_codes WHERE (user_id, purpose) IN (
        SELECT user_id, purpose FROM one_time_codes WHERE expires_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED
      ) RETURNING 1
    )
    SELECT count(*) AS purged FROM purged`,
};

/** One-time codes: at most one for a user and purpose, of which only a keyed hash is kept. */
export class OneTimeCodeRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Puts a new code in place, unless one was sent too short a time ago or the tries of this window are used up: then
   * null, and `find` tells which. A window that is over starts anew. One statement, so of many at once one succeeds.
   */
  async put(tx: Tx, code: PutCode, policy: CodePolicy): Promise<Date | null> {
    const at = code.now.getTime();
    const rows = await tx.$queryRawUnsafe<{ expires_at: Date }[]>(
      PUT,
      code.userId,
      code.purpose,
      code.codeHash,
      code.now,
      new Date(at + policy.windowMs),
      new Date(at - policy.windowMs),
      new Date(at - policy.resendAfterMs),
      policy.maxAttempts,
    );
    return rows[0]?.expires_at ?? null;
  }

  /** Ends the code that is good now; tries and the time of sending stay counted. */
  async void(tx: Tx, userId: string, purpose: CodePurpose, now: Date): Promise<void> {
    await tx.oneTimeCode.updateMany({ where: { userId, purpose, expiresAt: { gt: now } }, data: { expiresAt: now } });
  }

  find(userId: string, purpose: CodePurpose): Promise<CodeState | null> {
    return this.#database.prisma.oneTimeCode.findUnique({
      where: { userId_purpose: { userId, purpose } },
      select: { attempts: true, windowStartedAt: true, sentAt: true, expiresAt: true },
    });
  }

  /**
   * Makes the code that was sent with the registration count as sent now; null when it was not that one, or has
   * expired. Happens once: the time of sending is then no longer that of the registration.
   */
  async adoptFirst(
    tx: Tx,
    userId: string,
    purpose: CodePurpose,
    at: { readonly registeredAt: Date; readonly now: Date },
    policy: CodePolicy,
  ): Promise<Date | null> {
    const later = new Date(Math.max(at.now.getTime(), at.registeredAt.getTime() + 1));
    const [adopted] = await tx.oneTimeCode.updateManyAndReturn({
      where: {
        userId,
        purpose,
        sentAt: at.registeredAt,
        attempts: { lt: policy.maxAttempts },
        expiresAt: { gt: at.now },
      },
      data: { sentAt: later },
      select: { expiresAt: true },
    });
    return adopted?.expiresAt ?? null;
  }

  /**
   * Takes one try and answers the hash to compare with; null when there is no try or no living code left. The try is
   * taken before anything is compared and whatever comes of it, so parallel guesses get no more than there are tries.
   */
  async takeTry(userId: string, purpose: CodePurpose, policy: CodePolicy, now: Date): Promise<Uint8Array | null> {
    const [row] = await this.#database.query<{ code_hash: Buffer | null }>(TAKE_TRY, [
      userId,
      purpose,
      policy.maxAttempts,
      now,
    ]);
    return row?.code_hash ?? null;
  }

  /** Uses the code up; false when another one is in its place. */
  async consume(tx: Tx, userId: string, purpose: CodePurpose, codeHash: Uint8Array<ArrayBuffer>): Promise<boolean> {
    const { count } = await tx.oneTimeCode.deleteMany({ where: { userId, purpose, codeHash } });
    return count === 1;
  }

  /** Removes up to `limit` codes that expired before that time; answers how many. */
  async purge(expiredBefore: Date, limit: number): Promise<number> {
    const [row] = await this.#database.query<{ purged: number }>(PURGE, [expiredBefore, limit]);
    return row?.purged ?? 0;
  }
}
