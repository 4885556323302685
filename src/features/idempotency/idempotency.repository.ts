import { newId } from '../../platform/crypto/random.ts';
import type { Database } from '../../platform/db/database.ts';
import type { AttemptRef, Claim, KeyedRequest } from './idempotency.ts';

interface ClaimRow {
  readonly outcome: Claim['outcome'];
  readonly id: string;
  readonly attempt: number;
  readonly fingerprint: Buffer | null;
  readonly subject_type: string | null;
  readonly subject_id: string | null;
  readonly secret: Buffer | null;
  readonly status: number | null;
  readonly reply: Buffer | null;
  readonly wait_seconds: number;
}

const CLAIM = { name: 'idempotency_claim', text: 'SELECT * FROM idempotency_claim($1, $2, $3, $4, $5, $6, $7, $8)' };

const RENEW = {
  name: 'idempotency_renew',
  text: `UPDATE idempotency_keys SET claimed_until = now() + make_interval(secs => $3), expires_at = $4
    WHERE id = $1 AND attempt = $2 AND status IS NULL`,
};

const NOTE_FINGERPRINT = {
  name: 'idempotency_note_fingerprint',
  text: `WITH noted AS (
      UPDATE idempotency_keys SET fingerprint = $3
      WHERE id = $1 AND attempt = $2 AND coalesce(fingerprint = $3, true) RETURNING id
    )
    SELECT CASE WHEN EXISTS (SELECT 1 FROM noted) THEN 'noted'
      WHEN EXISTS (SELECT 1 FROM idempotency_keys WHERE id = $1 AND attempt = $2) THEN 'reused' ELSE 'over' END AS outcome`,
};

const FINISH = {
  name: 'idempotency_finish',
  text: `UPDATE idempotency_keys SET status = $3, reply = $4, secret = NULL, claimed_until = now(), expires_at = $5
    WHERE id = $1 AND attempt = $2`,
};

const RELEASE = {
  name: 'idempotency_release',
  text: `WITH gone AS (
      DELETE FROM idempotency_keys WHERE id = $1 AND attempt = $2 AND effect_at IS NULL RETURNING id
    ) SELECT count(*)::integer AS released FROM gone`,
};

const END = {
  name: 'idempotency_end',
  text: 'UPDATE idempotency_keys SET claimed_until = now() WHERE id = $1 AND attempt = $2 AND status IS NULL',
};

const PURGE = {
  name: 'idempotency_purge',
  text: `WITH gone AS (
      DELETE FROM idempotency_keys WHERE id IN (
        SELECT id FROM idempotency_keys WHERE expires_at <= $1 AND claimed_until <= now()
        ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED
      ) RETURNING id
    ) SELECT count(*)::integer AS purged FROM gone`,
};

/** Keys and how they stand. Leases go by the database's clock, the day of an answer by the service's. */
export class IdempotencyRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** By one statement; waits for a transaction that is about to mark an effect of the key. */
  async claim(
    { scope, key, userId, fingerprint }: KeyedRequest,
    times: { readonly leaseSeconds: number; readonly now: Date; readonly expiresAt: Date },
  ): Promise<Claim> {
    const { leaseSeconds, now, expiresAt } = times;
    const values = [newId(), scope, key, userId, fingerprint, leaseSeconds, now, expiresAt];
    const [row] = await this.#database.query<ClaimRow>(CLAIM, values);
    if (!row) throw new Error('the claim of an idempotency key gave no row');
    return toClaim(row);
  }

  /** Puts the end of a claim off. */
  async renew({ id, attempt }: AttemptRef, leaseSeconds: number, expiresAt: Date): Promise<void> {
    await this.#database.query(RENEW, [id, attempt, leaseSeconds, expiresAt]);
  }

  /** `reused`: it came with something else before. `over`: another attempt has begun since. */
  async noteFingerprint({ id, attempt }: AttemptRef, fingerprint: Buffer): Promise<'noted' | 'reused' | 'over'> {
    const values = [id, attempt, fingerprint];
    const [row] = await this.#database.query<{ outcome: 'noted' | 'reused' | 'over' }>(NOTE_FINGERPRINT, values);
    return row?.outcome ?? 'over';
  }

  async finish(
    { id, attempt }: AttemptRef,
    { status, reply, expiresAt }: { readonly status: number; readonly reply: Buffer; readonly expiresAt: Date },
  ): Promise<void> {
    await this.#database.query(FINISH, [id, attempt, status, reply, expiresAt]);
  }

  /** Gives the key back as if it had never come; false where the attempt has had an effect. */
  async release({ id, attempt }: AttemptRef): Promise<boolean> {
    const [row] = await this.#database.query<{ released: number }>(RELEASE, [id, attempt]);
    return row?.released === 1;
  }

  /** The next who comes with the key sees whether there was an effect. */
  async end({ id, attempt }: AttemptRef): Promise<void> {
    await this.#database.query(END, [id, attempt]);
  }

  /** Removes up to `limit` keys whose day is over; answers how many. */
  async purge(now: Date, limit: number): Promise<number> {
    const [row] = await this.#database.query<{ purged: number }>(PURGE, [now, limit]);
    return row?.purged ?? 0;
  }
}

function toClaim(row: ClaimRow): Claim {
  const { id, attempt, fingerprint, secret, status, reply } = row;
  const subject = { type: row.subject_type, id: row.subject_id };
  switch (row.outcome) {
    case 'claimed':
      return { outcome: 'claimed', attempt: { id, attempt } };
    case 'done':
      if (status === null || reply === null) throw new Error('an answer without its status');
      return { outcome: 'done', id, subject, status, reply, fingerprint };
    case 'made':
      return { outcome: 'made', id, subject, secret, fingerprint };
    case 'under_way':
      return { outcome: 'under_way', waitSeconds: row.wait_seconds };
    case 'reused':
      return { outcome: 'reused' };
  }
}
