/**
 * What this product knows of the tables of pg-boss (12.35), for what its interface does not offer: lists by page, counts,
 * and one job by its id alone. Nothing outside this folder names them.
 */
export const SCHEMA = 'pgboss';

/**
 * Where jobs end that failed for good. A dead letter is a copy that pg-boss makes, with an id of its own; here it is what
 * keeps its job, under the job's own id, in the state `failed`, for longer than the queue itself keeps finished jobs.
 */
export const DEAD_LETTERS = 'dead.letter';

/** The queues that hold this product's jobs. */
export const QUEUES = `(SELECT name, retry_limit FROM ${SCHEMA}.queue
  WHERE name <> '${DEAD_LETTERS}' AND NOT starts_with(name, '__pgboss'))`;

/** Leaves out what a dead letter stands for. Written out as in the index, or that would not be used. */
export const notShadow = (alias: string) => `NOT (${alias}.state = 'failed' AND ${alias}.dead_letter IS NOT NULL)`;

/** Living and failed jobs of each queue `q`: counts that walk as many entries of an index as there are such jobs. */
export const STANDING = `${QUEUES} q CROSS JOIN LATERAL (
    SELECT (count(*) FILTER (WHERE j.state < 'active'))::int8 AS waiting,
      (count(*) FILTER (WHERE j.state = 'retry'))::int8 AS retrying,
      (count(*) FILTER (WHERE j.state = 'active'))::int8 AS active,
      (count(*) FILTER (WHERE j.state = 'failed'))::int8 AS failed,
      min(j.start_after) FILTER (WHERE j.state < 'active' AND j.start_after <= now()) AS due_since
    FROM ${SCHEMA}.job j
    WHERE j.name = q.name AND j.state IN ('created', 'retry', 'active', 'failed') AND ${notShadow('j')}
  ) s CROSS JOIN LATERAL (
    SELECT count(*)::int8 AS dead FROM ${SCHEMA}.job l WHERE l.name = '${DEAD_LETTERS}' AND l.source_name = q.name
  ) d`;

/** Seconds since a moment, as a number. */
export const secondsSince = (moment: string) => `extract(epoch FROM now() - ${moment})::float8`;

/**
 * Beside the indexes of pg-boss, which know finished jobs only by their ids: lists by state, newest first, and dead letters
 * by what they were. Made at a start that misses them, one process at a time; it gives way to whoever works on the table.
 */
export const ENSURE_INDEXES = `DO $$ BEGIN
  IF to_regclass('${SCHEMA}.pockity_job_list') IS NULL OR to_regclass('${SCHEMA}.pockity_job_letters') IS NULL THEN
    PERFORM set_config('lock_timeout', '2s', true);
    PERFORM pg_advisory_xact_lock(hashtextextended('pockity job indexes', 0));
    CREATE INDEX IF NOT EXISTS pockity_job_list ON ${SCHEMA}.job_common (name, state, created_on, id)
      WHERE NOT (state = 'failed' AND dead_letter IS NOT NULL);
    CREATE INDEX IF NOT EXISTS pockity_job_letters ON ${SCHEMA}.job_common (source_name, source_created_on, source_id)
      WHERE name = '${DEAD_LETTERS}';
  END IF;
END $$`;
