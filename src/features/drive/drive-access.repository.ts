import type { Database } from '../../platform/db/database.ts';
import {
  FILE_COLUMNS,
  type FileRow,
  FOLDER_COLUMNS,
  type Folder,
  type FolderRow,
  type StoredFile,
  toFile,
  toFolder,
} from '../storage/index.ts';
import type { Cover } from './drive.ts';

/** Whose drive something lies in, and by which shares the user reaches it. */
interface Reach {
  readonly drive: { readonly id: string; readonly prefix: string };
  readonly ownerId: string;
  /** From the topmost down; empty for the owner. */
  readonly covers: readonly Cover[];
}

interface ReachColumns {
  readonly space_id: string;
  readonly drive_prefix: string;
  readonly drive_owner_id: string;
  readonly covers: readonly Cover[];
}

/**
 * $1 user, $2 id, $3 now. `segments`: how many of the path's segments may name a shared folder. Shares are looked up from the
 * ancestors' paths on, one by one (LIMIT and OFFSET hold the planner to it), so the cost goes by the depth and not by how many
 * folders or shares there are. What is shared by an account that is disabled or about to be deleted is not there.
 */
function reached(found: string, segments: string, ownShares: string): string {
  return `WITH found AS (${found})
    SELECT found.*, s.prefix AS drive_prefix, s.owner_id AS drive_owner_id, coalesce(shared.covers, '[]') AS covers,
      (SELECT h.id FROM folders h WHERE h.space_id = found.space_id AND h.path = path_parent(found.path)) AS parent_folder_id
    FROM found JOIN spaces s ON s.id = found.space_id AND s.kind = 'DRIVE' JOIN users o ON o.id = s.owner_id
    LEFT JOIN LATERAL (
      SELECT json_agg(json_build_object('shareId', c.id, 'permission', c.permission, 'path', c.path) ORDER BY length(c.path), c.id) AS covers
      FROM (
        SELECT sh.id, sh.permission, a.path
        FROM generate_series(1, ${segments}) depth
        CROSS JOIN LATERAL (
          SELECT id, path FROM folders WHERE space_id = found.space_id
            AND path = array_to_string((string_to_array(found.path, '/'))[1:depth], '/') LIMIT 1
        ) a
        CROSS JOIN LATERAL (
          SELECT id, permission FROM shares
          WHERE folder_id = a.id AND grantee_id = $1 AND (expires_at IS NULL OR expires_at > $3) OFFSET 0
        ) sh
        ${ownShares}
      ) c
    ) shared ON s.owner_id <> $1
    WHERE s.owner_id = $1 OR (shared.covers IS NOT NULL AND o.disabled_at IS NULL AND o.deletion_due_at IS NULL)`;
}

const DEPTH = `cardinality(string_to_array(found.path, '/'))`;

const FIND_FILE = {
  name: 'drive_find_file',
  text: reached(
    `SELECT ${FILE_COLUMNS}, space_id FROM files WHERE id = $2 AND deleted_at IS NULL`,
    `${DEPTH} - 1`,
    `UNION ALL
     SELECT sh.id, sh.permission, found.path FROM shares sh
     WHERE sh.file_id = found.id AND sh.grantee_id = $1 AND (sh.expires_at IS NULL OR sh.expires_at > $3)`,
  ),
};

const FIND_FOLDER = {
  name: 'drive_find_folder',
  text: reached(`SELECT ${FOLDER_COLUMNS} FROM folders WHERE id = $2`, DEPTH, ''),
};

const FIND_BY_PATHS = {
  name: 'drive_find_folders_by_paths',
  text: `SELECT ${FOLDER_COLUMNS} FROM folders WHERE space_id = $1 AND path = ANY($2::text[]) ORDER BY length(path)`,
};

/** Finds files and folders of drives by id, for a user: what is not the user's, nor shared with the user, is not there. */
export class DriveAccessRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async findFile(
    userId: string,
    id: string,
    now: Date,
  ): Promise<(Reach & { readonly file: StoredFile; readonly folderId: string | null }) | null> {
    const [row] = await this.#database.query<FileRow & ReachColumns & { readonly parent_folder_id: string | null }>(
      FIND_FILE,
      [userId, id, now],
    );
    return row ? { ...toReach(row), file: toFile(row), folderId: row.parent_folder_id } : null;
  }

  async findFolder(userId: string, id: string, now: Date): Promise<(Reach & { readonly folder: Folder }) | null> {
    const [row] = await this.#database.query<FolderRow & ReachColumns>(FIND_FOLDER, [userId, id, now]);
    return row ? { ...toReach(row), folder: toFolder(row) } : null;
  }

  /** Folders of a drive by their paths, the topmost first. */
  async findByPaths(spaceId: string, paths: readonly string[]): Promise<Folder[]> {
    return (await this.#database.query<FolderRow>(FIND_BY_PATHS, [spaceId, paths])).map(toFolder);
  }
}

function toReach(row: ReachColumns): Reach {
  return {
    drive: { id: row.space_id, prefix: row.drive_prefix },
    ownerId: row.drive_owner_id,
    covers: row.covers,
  };
}
