import type { Database } from '../../platform/db/database.ts';
import type { Tx } from '../../platform/db/unit-of-work.ts';

const FILES = { name: 'account_erase_files', text: 'SELECT ledger_erase($1, $2) AS erased' };

const USAGE = {
  name: 'account_erase_usage',
  text: `WITH gone AS (
      DELETE FROM usage_entries WHERE id IN (SELECT id FROM usage_entries WHERE space_id = $1 LIMIT $2) RETURNING id
    ) SELECT count(*) AS erased FROM gone`,
};

const SESSIONS = {
  name: 'account_erase_sessions',
  text: `WITH gone AS (
      DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE user_id = $1 LIMIT $2) RETURNING id
    ) SELECT count(*) AS erased FROM gone`,
};

const ANSWERS = {
  name: 'account_erase_answers',
  text: `WITH gone AS (
      DELETE FROM idempotency_keys WHERE id IN (SELECT id FROM idempotency_keys WHERE user_id = $1 LIMIT $2) RETURNING id
    ) SELECT count(*) AS erased FROM gone`,
};

const SHARES = {
  name: 'account_erase_shares',
  // What others share with the person, or with an address or name of that person; granteeKeyOf (features/sharing) makes the
  // keys. An address that was never proven may be somebody else's, for whom these shares wait. A share with whoever had
  // the address before stays with that one, without the address.
  text: `WITH person AS (
      SELECT id, ARRAY[CASE WHEN email_verified_at IS NOT NULL THEN 'email:' || email_key END, 'username:' || username_key] AS keys
      FROM users WHERE id = $1
    ), due AS MATERIALIZED (
      SELECT s.id, s.grantee_id FROM person p JOIN shares s ON s.grantee_id = p.id
      UNION
      SELECT s.id, s.grantee_id FROM person p JOIN shares s ON s.grantee_key = ANY (p.keys) AND s.owner_id <> p.id
      LIMIT $2
    ), gone AS (
      DELETE FROM shares s USING due WHERE s.id = due.id AND (due.grantee_id IS NULL OR due.grantee_id = $1)
    ), unnamed AS (
      UPDATE shares s SET grantee_key = 'erased:' || s.id, grantee_email = left(s.grantee_email, 0),
        grantee_username = left(s.grantee_username, 0)
      FROM due WHERE s.id = due.id AND due.grantee_id <> $1
    ) SELECT count(*) AS erased FROM due`,
};

const AUDIT = { name: 'account_pseudonymise', text: 'SELECT audit_pseudonymise($1, $2, $3, $4) AS last_id' };

/** Spaces and keys of somebody who is being erased. */
export interface Belongings {
  readonly spaceIds: readonly string[];
  readonly accessKeyIds: readonly string[];
}

/** What the last step took out. */
export interface ErasedCounts {
  readonly keys: number;
  readonly requests: number;
  readonly spaces: number;
}

/** The steps of erasing an account; each can be repeated, and a bounded number of rows is touched by one. */
export class ErasureRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * The point of no return: marks the account, if it is due, and takes all room from its spaces, so that nothing new comes
   * in. False when it is not due, restored, or gone; true again at every repetition.
   */
  async begin(tx: Tx, userId: string, now: Date): Promise<boolean> {
    const begun = await tx.$executeRaw`
      UPDATE users SET erasure_started_at = coalesce(erasure_started_at, ${now})
      WHERE id = ${userId}::uuid AND deletion_due_at <= ${now}`;
    if (begun !== 1) return false;
    await tx.space.updateMany({ where: { ownerId: userId }, data: { quotaBytes: 0n, quotaObjects: 0n } });
    return true;
  }

  /** Begins with up to `limit` accounts that are due, or whose erasure began before `staleBefore` and is not done. */
  async beginDue(
    tx: Tx,
    { now, staleBefore, limit }: { readonly now: Date; readonly staleBefore: Date; readonly limit: number },
  ): Promise<string[]> {
    const rows = await tx.$queryRaw<{ id: string }[]>`
      UPDATE users SET erasure_started_at = ${now}
      WHERE id IN (
        SELECT id FROM users
        WHERE deletion_due_at <= ${now} AND (erasure_started_at IS NULL OR erasure_started_at < ${staleBefore})
        ORDER BY deletion_due_at LIMIT ${limit} FOR UPDATE SKIP LOCKED
      )
      RETURNING id`;
    const ids = rows.map(({ id }) => id);
    await tx.space.updateMany({ where: { ownerId: { in: ids } }, data: { quotaBytes: 0n, quotaObjects: 0n } });
    return ids;
  }

  async findBelongings(userId: string): Promise<Belongings> {
    const { prisma } = this.#database;
    const spaces = await prisma.space.findMany({ where: { ownerId: userId }, select: { id: true } });
    const keys = await prisma.apiKey.findMany({ where: { userId }, select: { accessKeyId: true } });
    return { spaceIds: spaces.map(({ id }) => id), accessKeyIds: keys.map(({ accessKeyId }) => accessKeyId) };
  }

  /** Up to `limit` files and all uploads of a space, their objects buried; answers how many, 0 at the end. */
  eraseFiles(spaceId: string, limit: number): Promise<number> {
    return this.#erase(FILES, spaceId, limit);
  }

  eraseUsage(spaceId: string, limit: number): Promise<number> {
    return this.#erase(USAGE, spaceId, limit);
  }

  eraseSessions(userId: string, limit: number): Promise<number> {
    return this.#erase(SESSIONS, userId, limit);
  }

  /** Up to `limit` answers that were kept for idempotency keys. */
  eraseAnswers(userId: string, limit: number): Promise<number> {
    return this.#erase(ANSWERS, userId, limit);
  }

  /** Up to `limit` shares that others have given. */
  eraseReceivedShares(userId: string, limit: number): Promise<number> {
    return this.#erase(SHARES, userId, limit);
  }

  /** Takes the person out of up to `limit` audit entries after `afterId`; answers the last one's id, null at the end. */
  async pseudonymise(
    userId: string,
    accessKeyIds: readonly string[],
    { afterId, limit }: { readonly afterId: string; readonly limit: number },
  ): Promise<string | null> {
    const [row] = await this.#database.query<{ last_id: string | null }>(AUDIT, [userId, accessKeyIds, afterId, limit]);
    return row?.last_id ?? null;
  }

  /**
   * Takes out all that is left, the account last. `gone`: it was gone before. `busy`: an upload came in since its space was
   * emptied, and nothing was done.
   */
  async finish(tx: Tx, userId: string): Promise<ErasedCounts | 'gone' | 'busy'> {
    // From here on nobody can add a row that refers to the user, and nothing can come into the spaces: whatever changes a
    // space locks it first.
    const [user] = await tx.$queryRaw<{ photo_key: string | null; keys: string[] }[]>`
      SELECT photo_key, array_remove(ARRAY[CASE WHEN email_verified_at IS NOT NULL THEN 'email:' || email_key END, 'username:' || username_key], NULL) AS keys
      FROM users WHERE id = ${userId}::uuid AND erasure_started_at IS NOT NULL FOR UPDATE`;
    if (!user) return 'gone';
    const locked = await tx.$queryRaw<{ id: string }[]>`
      SELECT id FROM spaces WHERE owner_id = ${userId}::uuid ORDER BY id FOR UPDATE`;
    const spaceId = { in: locked.map(({ id }) => id) };
    const upload = await tx.upload.findFirst({ where: { spaceId }, select: { id: true } });
    const file = await tx.file.findFirst({ where: { spaceId }, select: { id: true } });
    if (upload || file) return 'busy';
    // Those that came since; shares with the person go with the account.
    await tx.share.deleteMany({ where: { granteeKey: { in: user.keys }, granteeId: null } });
    const requests = await tx.apiKeyRequest.deleteMany({ where: { userId } });
    // Other people's requests that the person reviewed.
    await tx.apiKeyRequest.updateMany({ where: { reviewerId: userId }, data: { reviewerId: null } });
    // Secrets, sessions and codes go with what they belong to.
    const keys = await tx.apiKey.deleteMany({ where: { userId } });
    await tx.usageEntry.deleteMany({ where: { spaceId } });
    await tx.idempotencyKey.deleteMany({ where: { userId } });
    // A URL that was signed for a PUT may be used until it ends: what it leaves goes after that; what one that has ended has
    // left, which the purge of its session would have found, an hour from now, when a PUT that it let begin is over. What
    // waits to be removed of a file is not put off for it, and goes with what PUTs that were cut short have left.
    await tx.$executeRaw`
      INSERT INTO object_tombstones (object_key, origin, due_at)
      SELECT object_key, 'upload', greatest(expires_at, now()) + interval '1 hour' FROM upload_sessions
      WHERE space_id = ANY(${locked.map(({ id }) => id)}::uuid[]) AND kind = 'presign'
      ON CONFLICT (object_key) DO UPDATE SET origin = 'upload',
        due_at = CASE object_tombstones.origin WHEN 'upload' THEN excluded.due_at ELSE object_tombstones.due_at END`;
    const spaces = await tx.space.deleteMany({ where: { ownerId: userId } });
    if (user.photo_key !== null) {
      await tx.$executeRaw`
        INSERT INTO object_tombstones (object_key, origin, due_at) VALUES (${user.photo_key}, 'file', now())`;
    }
    await tx.user.delete({ where: { id: userId }, select: { id: true } });
    return { keys: keys.count, requests: requests.count, spaces: spaces.count };
  }

  async #erase(statement: { readonly name: string; readonly text: string }, id: string, limit: number) {
    const [row] = await this.#database.query<{ erased: number }>(statement, [id, limit]);
    return row?.erased ?? 0;
  }
}
