import type { Database } from '../../platform/db/database.ts';
import type { LinkTarget, PublicLink } from './public-link.ts';

interface LinkRow {
  readonly id: string;
  readonly space_id: string;
  readonly prefix: string;
  readonly file_id: string | null;
  readonly file_path: string | null;
  readonly folder_id: string | null;
  readonly folder_path: string | null;
  readonly password_hash: string | null;
  readonly expires_at: Date | null;
  readonly max_downloads: number | null;
  readonly downloads: number;
  readonly max_upload_bytes: number | null;
  readonly max_upload_files: number | null;
  readonly reservation_id: string | null;
  readonly held_bytes: number | null;
  readonly held_objects: number | null;
}

/** Whatever is wrong with a link, it is one statement that finds nothing. */
const OPEN = `SELECT l.id, l.space_id, s.prefix, f.id AS file_id, f.path AS file_path, d.id AS folder_id, d.path AS folder_path,
      l.password_hash, l.expires_at, l.max_downloads, l.downloads, l.max_upload_bytes, l.max_upload_files,
      r.id AS reservation_id, r.held_bytes, r.held_objects
    FROM share_links l
    JOIN spaces s ON s.id = l.space_id
    JOIN users u ON u.id = l.owner_id
    LEFT JOIN files f ON f.id = l.file_id AND f.deleted_at IS NULL
    LEFT JOIN folders d ON d.id = l.folder_id
    LEFT JOIN reservations r ON r.id = l.reservation_id
    WHERE (l.expires_at IS NULL OR l.expires_at > $2)
      AND u.disabled_at IS NULL AND u.deletion_due_at IS NULL
      AND (f.id IS NOT NULL OR d.id IS NOT NULL)
      AND (l.max_upload_bytes IS NULL OR r.id IS NOT NULL)`;

const FIND = {
  name: 'links_find_usable',
  text: `${OPEN} AND l.token_hash = $1 AND (l.max_downloads IS NULL OR l.downloads < l.max_downloads)`,
};

const FIND_OPEN = { name: 'links_find_open', text: `${OPEN} AND l.id = $1` };

const COUNT_DOWNLOAD = {
  name: 'links_count_download',
  text: `UPDATE share_links SET downloads = downloads + 1, last_used_at = $2
    WHERE id = $1 AND (max_downloads IS NULL OR downloads < max_downloads) AND (expires_at IS NULL OR expires_at > $2)
    RETURNING id`,
};

const UNCOUNT_DOWNLOAD = {
  name: 'links_uncount_download',
  text: 'UPDATE share_links SET downloads = downloads - 1 WHERE id = $1 AND downloads > 0',
};

const TOUCH = { name: 'links_touch', text: 'UPDATE share_links SET last_used_at = $2 WHERE id = $1' };

/** Links as those use them who have the token. */
export class PublicLinkRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** The link of this token if it works at `now`. */
  async findUsable(tokenHash: Buffer, now: Date): Promise<PublicLink | null> {
    return toLink((await this.#database.query<LinkRow>(FIND, [tokenHash, now]))[0]);
  }

  /** The link if it works at `now` for a download that has been counted: used up it may be. */
  async findOpen(linkId: string, now: Date): Promise<PublicLink | null> {
    return toLink((await this.#database.query<LinkRow>(FIND_OPEN, [linkId, now]))[0]);
  }

  /** Takes one download; false when none is left, or the link has ended. */
  async countDownload(linkId: string, now: Date): Promise<boolean> {
    const rows = await this.#database.query(COUNT_DOWNLOAD, [linkId, now]);
    return rows.length > 0;
  }

  /** Gives back a download of which no byte went out. */
  async uncountDownload(linkId: string): Promise<void> {
    await this.#database.query(UNCOUNT_DOWNLOAD, [linkId]);
  }

  async touch(linkId: string, now: Date): Promise<void> {
    await this.#database.query(TOUCH, [linkId, now]);
  }
}

function toLink(row: LinkRow | undefined): PublicLink | null {
  const target = row && targetOf(row);
  return target
    ? {
        id: row.id,
        space: { id: row.space_id, prefix: row.prefix },
        target,
        passwordHash: row.password_hash,
        expiresAt: row.expires_at,
        maxDownloads: row.max_downloads,
        downloads: row.downloads,
      }
    : null;
}

function targetOf(row: LinkRow): LinkTarget | null {
  if (row.file_id !== null && row.file_path !== null) {
    return { kind: 'file', fileId: row.file_id, path: row.file_path };
  }
  if (row.folder_id === null || row.folder_path === null) return null;
  const { folder_id: folderId, folder_path: path, reservation_id: reservationId } = row;
  if (row.max_upload_bytes === null || row.max_upload_files === null) return { kind: 'folder', folderId, path };
  if (reservationId === null) return null;
  return {
    kind: 'drop',
    folderId,
    path,
    limits: { maxBytes: row.max_upload_bytes, maxFiles: row.max_upload_files },
    reservationId,
    isFull: row.held_bytes === 0 || row.held_objects === 0,
  };
}
