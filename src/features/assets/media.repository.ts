import type { Database } from '../../platform/db/database.ts';
import type { Tx } from '../../platform/db/unit-of-work.ts';
import type { ContentJobPayload } from '../ledger/index.ts';
import type { ContentMedia, MediaOutcome, MediaSource } from './asset.ts';

/**
 * By the key alone. Before PostgreSQL has counted a table for the first time, it takes the index by space for as good as
 * that by key, and reads all of a space.
 */
const IN_SPACE = '(m.space_id = $1) IS TRUE';

const FIND_SOURCE = {
  name: 'media_find_source',
  text: `SELECT s.prefix, c.content_type AS "contentType", c.size_bytes AS "sizeBytes", c.status, m.state
    FROM file_media m JOIN spaces s ON s.id = m.space_id CROSS JOIN LATERAL (
      SELECT content_type, size_bytes, status FROM files WHERE object_key = m.object_key AND space_id = m.space_id
      UNION ALL
      SELECT content_type, size_bytes, status FROM file_versions WHERE object_key = m.object_key AND space_id = m.space_id
    ) c WHERE m.object_key = $2 AND ${IN_SPACE}`,
};

const FIND_MANY = {
  name: 'media_find_many',
  text: `SELECT object_key AS "objectKey", state, error, is_final AS "isFinal", metadata, thumbnails
    FROM file_media m
    WHERE object_key = ANY ($2) AND ${IN_SPACE}`,
};

const NOTE_DONE = {
  name: 'media_note_done',
  // Of several at once, mostly only the first does anything; the function keeps the rest in order.
  text: `SELECT media_processed($1, $2, 'DONE', NULL, $3, $4, $5) AS noted FROM file_media m
    WHERE object_key = $2 AND ${IN_SPACE} AND state <> 'DONE'`,
};

const NOTE_ENDED = {
  name: 'media_note_ended',
  // What is there of an earlier run stays, and one that succeeded meanwhile is believed.
  text: `UPDATE file_media m SET state = $3, error = $4, is_final = $5, updated_at = now()
    WHERE object_key = $2 AND ${IN_SPACE} AND state <> 'DONE'`,
};

/** How a content ended of which nothing was made. */
export interface MediaEnd {
  readonly state: 'FAILED' | 'SKIPPED';
  /** For people. */
  readonly error: string;
  /** The content itself is at fault, and nobody is to try again. */
  readonly isFinal?: boolean;
}

/** A content that nobody works on any more. */
export interface StaleContent extends ContentJobPayload {
  /** Of its job: see `media_priority`. */
  readonly priority: number;
  /** It was given another job before. */
  readonly again: boolean;
}

/** What is made of contents; the ledger's SQL adds a row with the content and takes it away with it. */
export class MediaRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** null where nothing names the content any more. */
  async findSource({ spaceId, objectKey }: ContentJobPayload): Promise<MediaSource | null> {
    const [source] = await this.#database.query<MediaSource>(FIND_SOURCE, [spaceId, objectKey]);
    return source ?? null;
  }

  /** Of some contents of a space, in no order. */
  findMany(spaceId: string, objectKeys: readonly string[]): Promise<ContentMedia[]> {
    return this.#database.query<ContentMedia>(FIND_MANY, [spaceId, objectKeys]);
  }

  /**
   * Names what was made; what an earlier run has made is buried. False where the content is gone, somebody else was quicker
   * or a thumbnail took so long that its removal has begun: then the thumbnails' tombstones do their work.
   */
  async noteDone({ spaceId, objectKey }: ContentJobPayload, outcome: MediaOutcome): Promise<boolean> {
    const { metadata, searchText, thumbnails } = outcome;
    const values = [spaceId, objectKey, JSON.stringify(metadata), searchText, JSON.stringify(thumbnails)];
    const [row] = await this.#database.query<{ noted: boolean }>(NOTE_DONE, values);
    return row?.noted ?? false;
  }

  /** Nothing was made, and why. */
  async noteEnded(
    { spaceId, objectKey }: ContentJobPayload,
    { state, error, isFinal = false }: MediaEnd,
  ): Promise<void> {
    await this.#database.query(NOTE_ENDED, [spaceId, objectKey, state, error, isFinal]);
  }

  /**
   * Has a file's present content wait for a worker once more; answers the priority of its job, or null where it waits already,
   * is at fault itself, may not be read, or is gone. What is there of it stays until then.
   */
  async setPending(
    tx: Tx,
    spaceId: string,
    file: { readonly id: string; readonly objectKey: string },
  ): Promise<number | null> {
    // Whatever removes or replaces the content locks the space first.
    await tx.$queryRaw`SELECT 1 FROM spaces WHERE id = ${spaceId}::uuid FOR NO KEY UPDATE`;
    const [set] = await tx.$queryRaw<{ readonly priority: number }[]>`
      INSERT INTO file_media (object_key, space_id, file_id)
      SELECT f.object_key, f.space_id, f.id FROM files f
      WHERE f.id = ${file.id}::uuid AND f.space_id = ${spaceId}::uuid AND f.object_key = ${file.objectKey} AND f.status = 'READY'
      ON CONFLICT (object_key) DO UPDATE SET state = 'PENDING', error = NULL, updated_at = now()
      WHERE file_media.state <> 'PENDING' AND NOT file_media.is_final
      RETURNING media_priority(space_id) - 1 AS priority`;
    return set?.priority ?? null;
  }

  /**
   * Up to `limit` contents that have waited for longer than `seconds`, oldest first, and may be read. They are taken by
   * `updated_at`: another sweep finds them so much later again.
   */
  takeStale(
    tx: Tx,
    { seconds, error, limit }: { readonly seconds: number; readonly error: string; readonly limit: number },
  ) {
    return tx.$queryRaw<StaleContent[]>`
      WITH stale AS MATERIALIZED (
        SELECT object_key, error IS NOT NULL AS again FROM file_media
        WHERE state = 'PENDING' AND updated_at < now() - make_interval(secs => ${seconds}::float8)
        ORDER BY updated_at, object_key LIMIT ${limit}::integer FOR UPDATE SKIP LOCKED
      ), taken AS (
        UPDATE file_media m SET updated_at = now(), error = CASE WHEN r.ready THEN ${error} END,
          state = CASE WHEN r.ready AND stale.again THEN 'FAILED' ELSE 'PENDING' END
        FROM stale CROSS JOIN LATERAL (
          SELECT EXISTS (SELECT 1 FROM files f WHERE f.object_key = stale.object_key AND f.status = 'READY')
            OR EXISTS (SELECT 1 FROM file_versions v WHERE v.object_key = stale.object_key AND v.status = 'READY') AS ready
        ) r WHERE m.object_key = stale.object_key
        RETURNING m.space_id AS "spaceId", m.file_id AS "fileId", m.object_key AS "objectKey", stale.again, r.ready
      ) SELECT "spaceId", "fileId", "objectKey", again, media_priority("spaceId") AS priority FROM taken WHERE ready`;
  }
}
