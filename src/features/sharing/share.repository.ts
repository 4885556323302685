import type { Database } from '../../platform/db/database.ts';
import type { Tx } from '../../platform/db/unit-of-work.ts';
import { cutPageById, type Page, type PageRequest } from '../../platform/keyset.ts';
import { comparisonKey } from '../users/index.ts';
import type { Share, ShareAddress, SharePermission, ShareSubject, ShareTerms } from './share.ts';

export interface NewShare {
  readonly id: string;
  readonly spaceId: string;
  readonly ownerId: string;
  readonly subject: ShareSubject;
  readonly address: ShareAddress;
  readonly granteeKey: string;
  /** null: nobody has proven to be it. */
  readonly granteeId: string | null;
  readonly permission: SharePermission;
  readonly expiresAt: Date | null;
  readonly createdAt: Date;
}

/** Whoever has the address: `proven` where it is certain that it is this person's. */
export interface Grantee {
  readonly id: string;
  readonly proven: boolean;
}

interface Row {
  readonly id: string;
  readonly file_id: string | null;
  readonly folder_id: string | null;
  readonly path: string;
  readonly grantee_email: string | null;
  readonly grantee_username: string | null;
  readonly permission: SharePermission;
  readonly expires_at: Date | null;
  readonly created_at: Date;
}

// An address whose holder's account was erased is an empty text.
const COLUMNS = `s.id, s.file_id, s.folder_id, coalesce(f.path, d.path) AS path, nullif(s.grantee_email, '') AS grantee_email,
    nullif(s.grantee_username, '') AS grantee_username, s.permission, s.expires_at, s.created_at`;
const SUBJECTS = 'LEFT JOIN files f ON f.id = s.file_id LEFT JOIN folders d ON d.id = s.folder_id';
const FIND = {
  name: 'share_find',
  text: `SELECT ${COLUMNS} FROM shares s ${SUBJECTS} WHERE s.owner_id = $1 AND s.id = $2`,
};
// `=` would let the planner walk the primary key instead, past all that others share.
const PAGE = {
  name: 'share_page',
  text: `SELECT ${COLUMNS} FROM shares s ${SUBJECTS} WHERE s.owner_id >= $1 AND (s.owner_id, s.id) < ($1, $2)
    ORDER BY s.owner_id DESC, s.id DESC LIMIT $3`,
};
// All of the subject's are read: they are few.
const PAGE_OF_SUBJECT = {
  name: 'share_page_of_subject',
  text: `SELECT ${COLUMNS} FROM (SELECT * FROM shares WHERE owner_id = $1 AND subject_id = $4 AND id < $2 OFFSET 0) s ${SUBJECTS}
    ORDER BY s.id DESC LIMIT $3`,
};
/** No id comes after it. */
export const LAST_ID = 'ffffffff-ffff-ffff-ffff-ffffffffffff';

/** Shares of one owner. Who may do what by a share is read by the drive. */
export class ShareRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Of two transactions that share things of one owner, the second one waits here, so that what is counted holds. */
  async lockShares(tx: Tx, ownerId: string): Promise<void> {
    await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended(${`pockity:shares:${ownerId}`}, 0))`;
  }

  /** The path of a living file or a folder of the drive, which is not destroyed until the transaction ends; or null. */
  async holdSubject(tx: Tx, spaceId: string, subject: ShareSubject): Promise<string | null> {
    const [row] =
      'fileId' in subject
        ? await tx.$queryRaw<{ path: string }[]>`
            SELECT path FROM files
            WHERE id = ${subject.fileId}::uuid AND space_id = ${spaceId}::uuid AND deleted_at IS NULL FOR KEY SHARE`
        : await tx.$queryRaw<{ path: string }[]>`
            SELECT path FROM folders WHERE id = ${subject.folderId}::uuid AND space_id = ${spaceId}::uuid FOR KEY SHARE`;
    return row?.path ?? null;
  }

  /**
   * Whoever has this address, held as that account is until the transaction ends: who proves the address at the same time
   * either has proven it here, or finds the share; and so does who erases the account.
   */
  async holdGrantee(tx: Tx, address: ShareAddress): Promise<Grantee | null> {
    const [row] =
      'email' in address
        ? await tx.$queryRaw<Grantee[]>`
            SELECT id, email_verified_at IS NOT NULL AS proven FROM users
            WHERE email_key = ${comparisonKey(address.email)} FOR SHARE`
        : await tx.$queryRaw<Grantee[]>`
            SELECT id, true AS proven FROM users WHERE username_key = ${comparisonKey(address.username)} FOR SHARE`;
    return row ?? null;
  }

  /** False where the subject is shared with this address already. */
  async create(tx: Tx, share: NewShare): Promise<boolean> {
    const { id, spaceId, ownerId, subject, address, granteeKey, granteeId, permission, expiresAt, createdAt } = share;
    const fileId = 'fileId' in subject ? subject.fileId : null;
    const folderId = 'folderId' in subject ? subject.folderId : null;
    const email = 'email' in address ? address.email : null;
    const username = 'username' in address ? address.username : null;
    const created = await tx.$executeRaw`
      INSERT INTO shares (id, space_id, owner_id, file_id, folder_id, subject_id, grantee_key, grantee_email, grantee_username,
        grantee_id, permission, expires_at, created_at)
      VALUES (${id}::uuid, ${spaceId}::uuid, ${ownerId}::uuid, ${fileId}::uuid, ${folderId}::uuid,
        ${fileId ?? folderId}::uuid, ${granteeKey}, ${email}, ${username}, ${granteeId}::uuid,
        ${permission}::"SharePermission", ${expiresAt}, ${createdAt})
      ON CONFLICT (subject_id, grantee_key) DO NOTHING`;
    return created === 1;
  }

  /** How many shares the subject has, and the owner: expired ones too. */
  async count(tx: Tx, ownerId: string, subject: ShareSubject): Promise<{ subject: number; owner: number }> {
    const subjectId = 'fileId' in subject ? subject.fileId : subject.folderId;
    const [row] = await tx.$queryRaw<{ subject: number; owner: number }[]>`
      SELECT (SELECT count(*)::integer FROM shares WHERE subject_id = ${subjectId}::uuid) AS subject,
        (SELECT count(*)::integer FROM shares WHERE owner_id = ${ownerId}::uuid) AS owner`;
    return row ?? { subject: 0, owner: 0 };
  }

  async findOwned(ownerId: string, id: string): Promise<Share | null> {
    const [row] = await this.#database.query<Row>(FIND, [ownerId, id]);
    return row ? toShare(row) : null;
  }

  /** Newest first; of one subject where it is given. */
  async pageOwned(
    ownerId: string,
    subjectId: string | undefined,
    { limit, cursor }: PageRequest,
  ): Promise<Page<Share>> {
    const values = [ownerId, cursor ?? LAST_ID, limit + 1];
    const rows =
      subjectId === undefined
        ? await this.#database.query<Row>(PAGE, values)
        : await this.#database.query<Row>(PAGE_OF_SUBJECT, [...values, subjectId]);
    return cutPageById(rows.map(toShare), limit);
  }

  /** The terms of a share, which only this transaction changes until it ends. */
  async lockOwned(tx: Tx, ownerId: string, id: string): Promise<ShareTerms | null> {
    const [row] = await tx.$queryRaw<ShareTerms[]>`
      SELECT permission, expires_at AS "expiresAt" FROM shares WHERE id = ${id}::uuid AND owner_id = ${ownerId}::uuid
      FOR NO KEY UPDATE`;
    return row ?? null;
  }

  async change(tx: Tx, ownerId: string, { id, permission, expiresAt }: ShareTerms & { readonly id: string }) {
    await tx.share.updateMany({ where: { id, ownerId }, data: { permission, expiresAt } });
  }

  /** False when it was gone. */
  async delete(tx: Tx, ownerId: string, id: string): Promise<boolean> {
    const { count } = await tx.share.deleteMany({ where: { id, ownerId } });
    return count === 1;
  }
}

function toShare(row: Row): Share {
  return {
    id: row.id,
    fileId: row.file_id,
    folderId: row.folder_id,
    path: row.path,
    email: row.grantee_email,
    username: row.grantee_username,
    permission: row.permission,
    expiresAt: row.expires_at,
    createdAt: row.created_at,
  };
}
