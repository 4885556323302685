import { newId } from '../../platform/crypto/random.ts';
import type { Database } from '../../platform/db/database.ts';
import { SYSTEM_ACTOR, SYSTEM_ORIGIN } from '../audit/index.ts';
import { auditColumns, type ContentJobPayload, type ContentStatus } from '../ledger/index.ts';

/** A content of a file or of one of its versions. */
export interface CheckedContent {
  readonly sizeBytes: number;
  /** Hex. */
  readonly sha256: string | null;
  readonly status: ContentStatus;
}

/** What reading it has shown. */
export interface CheckOutcome {
  readonly sha256: string;
  /** null: not asked. */
  readonly verdict: 'clean' | 'infected' | null;
  /** Of `infected`: the signature's name, or why it could not be scanned. */
  readonly reason: string | null;
}

const FIND = {
  name: 'content_check_find',
  text: `SELECT size_bytes AS "sizeBytes", sha256, status FROM files WHERE space_id = $1 AND object_key = $2
    UNION ALL SELECT size_bytes, sha256, status FROM file_versions WHERE space_id = $1 AND object_key = $2 LIMIT 1`,
};

const RECORD = { name: 'content_checked', text: 'SELECT content_checked($1, $2, $3, $4, $5, $6, $7) AS noted' };

/** Oldest first. What waits in the outbox or the queue is not lost, and what failed for good is left alone for a while. */
const LOST = {
  name: 'content_check_lost',
  text: `WITH waiting AS (
      SELECT payload->>'objectKey' AS object_key FROM job_outbox WHERE job = $1
      UNION ALL
      SELECT data->>'objectKey' FROM pgboss.job
      WHERE name = $1 AND (state < 'completed' OR (state = 'failed' AND completed_on > now() - make_interval(secs => $3)))
    )
    SELECT c.space_id AS "spaceId", c.file_id AS "fileId", c.object_key AS "objectKey" FROM (
      SELECT space_id, id AS file_id, object_key, uploaded_at FROM files WHERE status = 'PROCESSING' OR sha256 IS NULL
      UNION ALL
      SELECT space_id, file_id, object_key, uploaded_at FROM file_versions WHERE status = 'PROCESSING' OR sha256 IS NULL
    ) c
    WHERE c.uploaded_at < now() - make_interval(secs => $2) AND NOT EXISTS (SELECT 1 FROM waiting w WHERE w.object_key = c.object_key)
    ORDER BY c.uploaded_at LIMIT $4`,
};

/** Reads what is still to be checked, and notes what that has shown. */
export class ContentCheckRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** null where nothing names the content any more. */
  async find(spaceId: string, objectKey: string): Promise<CheckedContent | null> {
    const [content] = await this.#database.query<CheckedContent>(FIND, [spaceId, objectKey]);
    return content ?? null;
  }

  /** With its audit entry, and the job for its media where it is clean. Safe to repeat. */
  async record({ spaceId, objectKey }: ContentJobPayload, { sha256, verdict, reason }: CheckOutcome): Promise<void> {
    const audit = JSON.stringify(auditColumns({ actor: SYSTEM_ACTOR, origin: SYSTEM_ORIGIN }));
    await this.#database.query(RECORD, [spaceId, objectKey, sha256, verdict, reason, newId(), audit]);
  }

  /** Contents of at least that age whose job `jobName` does not exist and did not fail lately. */
  findLost(
    jobName: string,
    limits: { readonly ageSeconds: number; readonly failedSeconds: number; readonly limit: number },
  ): Promise<ContentJobPayload[]> {
    const { ageSeconds, failedSeconds, limit } = limits;
    return this.#database.query<ContentJobPayload>(LOST, [jobName, ageSeconds, failedSeconds, limit]);
  }
}
