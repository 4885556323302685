import type { Database } from '../../platform/db/database.ts';
import type { Tx } from '../../platform/db/unit-of-work.ts';
import { cutPageById, type Page, type PageRequest } from '../../platform/keyset.ts';
import { LAST_ID } from './share.repository.ts';
import type { ReceivedShare, SharePermission, ShareTerms } from './share.ts';

/** Shares that one page looks at: many may be over, and a page costs the same all the same. */
const LOOKED_AT = 500;
const FIRST_ID = '00000000-0000-0000-0000-000000000000';

// `=` would let the planner walk the primary key instead, past all that is shared with others.
const PAGE = {
  name: 'share_received_page',
  text: `WITH floor AS MATERIALIZED (
      SELECT (
        SELECT id FROM shares WHERE grantee_id >= $1 AND (grantee_id, id) < ($1, $2)
        ORDER BY grantee_id DESC, id DESC OFFSET $5 - 1 LIMIT 1
      ) AS id
    )
    SELECT coalesce((SELECT json_agg(entry) FROM (
        SELECT s.id, s.file_id AS "fileId", s.folder_id AS "folderId",
          regexp_replace(coalesce(f.path, d.path), '^.*/', '') AS name,
          json_build_object('name', u.name, 'username', u.username, 'email', u.email) AS owner,
          s.permission, s.expires_at AS "expiresAt", s.created_at AS "sharedAt"
        FROM shares s
        JOIN users u ON u.id = s.owner_id
        LEFT JOIN files f ON f.id = s.file_id AND f.deleted_at IS NULL
        LEFT JOIN folders d ON d.id = s.folder_id
        WHERE (s.grantee_id, s.id) < ($1, $2) AND (s.grantee_id, s.id) >= ($1, coalesce((SELECT id FROM floor), '${FIRST_ID}'))
          AND (s.expires_at IS NULL OR s.expires_at > $4) AND coalesce(f.id, d.id) IS NOT NULL
          AND u.disabled_at IS NULL AND u.deletion_due_at IS NULL
        ORDER BY s.grantee_id DESC, s.id DESC LIMIT $3
      ) entry), '[]')::text AS entries,
      (SELECT id FROM floor) AS last_id`,
};

interface PageRow {
  readonly entries: string;
  /** Of the last share looked at, where there may be more; else null. */
  readonly last_id: string | null;
}

interface EntryJson extends Omit<ReceivedShare, 'expiresAt' | 'sharedAt'> {
  /** ISO 8601, as `sharedAt` */
  readonly expiresAt: string | null;
  readonly sharedAt: string;
}

interface ShareRow {
  readonly id: string;
  readonly file_id: string | null;
  readonly folder_id: string | null;
  readonly permission: SharePermission;
  readonly expires_at: Date | null;
}

/** A share as the audit log has it. */
export interface NotedShare extends ShareTerms {
  readonly id: string;
  readonly fileId: string | null;
  readonly folderId: string | null;
}

/** What somebody got who has proven an address. */
export interface Claim {
  readonly given: readonly NotedShare[];
  /** As many as were looked for: there may be more. */
  readonly waited: number;
}

/** Shares with one person. */
export class ReceivedShareRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Newest first: of what is there now, of people who are. A page may be short, or empty, and have a next one. */
  async page(granteeId: string, { limit, cursor }: PageRequest, now: Date): Promise<Page<ReceivedShare>> {
    const values = [granteeId, cursor ?? LAST_ID, limit + 1, now, LOOKED_AT];
    const [row] = await this.#database.query<PageRow>(PAGE, values);
    const found = row ? (JSON.parse(row.entries) as EntryJson[]).map(toReceived) : [];
    const { entries, nextCursor } = cutPageById(found, limit);
    return { entries, nextCursor: nextCursor ?? row?.last_id ?? null };
  }

  /** Ends a share with this person; null where there is none. */
  async delete(tx: Tx, granteeId: string, id: string): Promise<NotedShare | null> {
    const [row] = await tx.$queryRaw<ShareRow[]>`
      DELETE FROM shares WHERE id = ${id}::uuid AND grantee_id = ${granteeId}::uuid
      RETURNING id, file_id, folder_id, permission, expires_at`;
    return row ? toNoted(row) : null;
  }

  /**
   * Gives somebody up to `limit` of the shares that wait for the address which that person has proven, but those of the own
   * drive; answers those given, and how many waited, of those looked at.
   */
  async claim(tx: Tx, userId: string, limit: number): Promise<Claim> {
    const rows = await tx.$queryRaw<(Omit<ShareRow, 'id'> & { readonly id: string | null })[]>`
      WITH waiting AS MATERIALIZED (
        SELECT s.id FROM users u JOIN shares s ON s.grantee_key = 'email:' || u.email_key
        WHERE u.id = ${userId}::uuid AND u.email_verified_at IS NOT NULL AND s.grantee_id IS NULL AND s.owner_id <> u.id
        LIMIT ${limit}
      ), given AS (
        UPDATE shares s SET grantee_id = ${userId}::uuid FROM waiting WHERE s.id = waiting.id AND s.grantee_id IS NULL
        RETURNING s.id, s.file_id, s.folder_id, s.permission, s.expires_at
      )
      SELECT given.* FROM waiting LEFT JOIN given ON given.id = waiting.id`;
    const given = rows.flatMap(({ id, ...row }) => (id === null ? [] : [toNoted({ id, ...row })]));
    return { given, waited: rows.length };
  }
}

function toNoted({
  id,
  file_id: fileId,
  folder_id: folderId,
  permission,
  expires_at: expiresAt,
}: ShareRow): NotedShare {
  return { id, fileId, folderId, permission, expiresAt };
}

function toReceived({ expiresAt, sharedAt, ...entry }: EntryJson): ReceivedShare {
  return { ...entry, expiresAt: expiresAt === null ? null : new Date(expiresAt), sharedAt: new Date(sharedAt) };
}
