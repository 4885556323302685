import { DEAD_LETTERS, notShadow, QUEUES, SCHEMA, STANDING, secondsSince } from './pg-boss-schema.ts';

/** Of what a job carries or left, more than this is not shown. */
export const MAX_SHOWN_BYTES = 16 * 1024;

const LAST_ID = 'ffffffff-ffff-ffff-ffff-ffffffffffff';

/** The states of pg-boss behind each of ours; dead letters come beside. */
export const STATES_WITHIN = {
  waiting: ['created', 'retry'],
  active: ['active'],
  completed: ['completed'],
  failed: ['failed'],
  any: ['created', 'retry', 'active', 'completed', 'failed'],
} as const;

const micros = (moment: string) => `(extract(epoch FROM ${moment}) * 1000000)::int8`;
const state = (alias: string) => `CASE WHEN ${alias}.state < 'active' THEN 'waiting' ELSE ${alias}.state::text END`;
const shown = (value: string) => `CASE WHEN octet_length(${value}::text) <= ${MAX_SHOWN_BYTES} THEN ${value} END`;

const JOB_COLUMNS = `j.id, j.name AS queue, ${state('j')} AS state, j.priority, j.retry_count AS "retryCount",
  j.retry_limit AS "retryLimit", j.created_on AS "createdAt", j.start_after AS "startAfter", j.started_on AS "startedAt",
  j.completed_on AS "completedAt", CASE WHEN j.state <> 'completed' THEN ${shown('j.output')} END AS error,
  NULL::timestamptz AS "deadUntil", ${micros('j.created_on')} AS "createdMicros"`;

/** `l` is the letter, `q` its job's queue, `j` what is left of the job there. */
const LETTER_COLUMNS = `l.source_id AS id, l.source_name AS queue, 'failed' AS state, l.priority,
  coalesce(l.source_retry_count, 0) AS "retryCount", coalesce(j.retry_limit, q.retry_limit) AS "retryLimit",
  l.source_created_on AS "createdAt", j.start_after AS "startAfter", j.started_on AS "startedAt",
  l.created_on AS "completedAt", ${shown('l.source_output')} AS error, l.keep_until AS "deadUntil",
  ${micros('l.source_created_on')} AS "createdMicros"`;

/** By its limit looked up for each letter; else the planner may read the whole table once. */
const LEFT_OF_JOB = `LEFT JOIN LATERAL (
    SELECT f.retry_limit, f.start_after, f.started_on FROM ${SCHEMA}.job f
    WHERE f.name = l.source_name AND f.id = l.source_id AND f.state = 'failed' LIMIT 1
  ) j ON true`;

/** Behind the cursor ($3 microseconds, $4 id), or from the start: always a condition that the index can begin at. */
const behind = (createdOn: string, id: string) => `(${createdOn}, ${id})
  < (coalesce('epoch'::timestamptz + $3::int8 * interval '1 microsecond', 'infinity'), coalesce($4::uuid, '${LAST_ID}'))`;

/**
 * A page of each queue and state from the index, which are then merged: a page costs the same however many jobs are kept.
 * $1 queue, $2 states, $3 and $4 cursor, $5 limit, $6 whether dead letters belong to it.
 */
export const PAGE = {
  name: 'job_board_page',
  text: `WITH queues AS (SELECT * FROM ${QUEUES} q WHERE $1::text IS NULL OR q.name = $1),
    places AS (
      (SELECT p.name, p.id, p.created_on, false AS dead
        FROM queues q CROSS JOIN unnest($2::text[]) s (state) CROSS JOIN LATERAL (
          SELECT j.name, j.id, j.created_on FROM ${SCHEMA}.job j
          WHERE j.name = q.name AND j.state = s.state::${SCHEMA}.job_state AND ${notShadow('j')}
            AND ${behind('j.created_on', 'j.id')}
          ORDER BY j.created_on DESC, j.id DESC LIMIT $5::int
        ) p)
      UNION ALL
      (SELECT '${DEAD_LETTERS}', p.id, p.source_created_on, true
        FROM queues q CROSS JOIN LATERAL (
          SELECT l.id, l.source_created_on FROM ${SCHEMA}.job l
          WHERE l.name = '${DEAD_LETTERS}' AND l.source_name = q.name AND $6::bool
            AND ${behind('l.source_created_on', 'l.source_id')}
          ORDER BY l.source_created_on DESC, l.source_id DESC LIMIT $5::int
        ) p)
    )
    SELECT * FROM (
      SELECT ${JOB_COLUMNS} FROM (SELECT * FROM places WHERE NOT dead ORDER BY created_on DESC, id DESC LIMIT $5::int) p
        JOIN ${SCHEMA}.job j ON j.name = p.name AND j.id = p.id
      UNION ALL
      SELECT ${LETTER_COLUMNS} FROM (SELECT * FROM places WHERE dead ORDER BY created_on DESC LIMIT $5::int) p
        JOIN ${SCHEMA}.job l ON l.name = '${DEAD_LETTERS}' AND l.id = p.id
        JOIN queues q ON q.name = l.source_name ${LEFT_OF_JOB}
    ) found ORDER BY "createdMicros" DESC, id DESC LIMIT $5::int`,
};

/** The primary key begins with the queue's name, which whoever asks does not know: it is tried for each. */
const BY_ID = `j.name = ANY (ARRAY(SELECT name FROM ${QUEUES} n)) AND j.id = $1::uuid`;
/** By the index of pg-boss on what letters descend from. */
const LETTER_OF = `l.name = '${DEAD_LETTERS}' AND l.source_root_id = $1::uuid AND l.source_id = $1::uuid`;

const content = (
  value: string,
) => `${shown(`${value}.data`)} AS data, octet_length(${value}.data::text)::int8 AS "dataBytes",
  coalesce(${value}.data ? 'sealed' AND ${value}.data ? 'keyVersion', false) AS "isSealed"`;

/** $1 id. */
export const FIND = {
  name: 'job_board_find',
  text: `SELECT ${JOB_COLUMNS}, ${content('j')}, CASE WHEN j.state = 'completed' THEN ${shown('j.output')} END AS result,
      CASE WHEN j.state = 'completed' THEN octet_length(j.output::text)::int8 END AS "resultBytes"
    FROM ${SCHEMA}.job j WHERE ${BY_ID} AND j.state <> 'cancelled' AND ${notShadow('j')}
    UNION ALL
    SELECT ${LETTER_COLUMNS}, ${content('l')}, NULL::jsonb, NULL::int8
    FROM ${SCHEMA}.job l JOIN ${QUEUES} q ON q.name = l.source_name ${LEFT_OF_JOB} WHERE ${LETTER_OF}
    LIMIT 1`,
};

/** What is deleted says what it was; of two at once, one gets it. $1 id; `of`: which jobs. */
const take = (of: string) => `WITH letter AS (
    DELETE FROM ${SCHEMA}.job l USING ${SCHEMA}.queue q WHERE ${LETTER_OF} AND q.name = l.source_name
    RETURNING l.source_name AS queue, 'failed' AS state, l.data, l.priority, l.source_created_on::text AS "createdOn"
  ), job AS (
    DELETE FROM ${SCHEMA}.job j WHERE ${BY_ID} AND ${of}
    RETURNING j.name AS queue, ${state('j')} AS state, j.data, j.priority, j.created_on::text AS "createdOn"
  )
  SELECT * FROM letter UNION ALL SELECT * FROM job LIMIT 1`;

export const TAKE_FAILED = take(`j.state = 'failed'`);
export const TAKE_IDLE = take(`j.state <> 'active'`);

/** A job that is tried afresh is no newer than it was. $1 queue, $2 id, $3 time. */
export const DATE_BACK = `UPDATE ${SCHEMA}.job SET created_on = $3::text::timestamptz WHERE name = $1 AND id = $2::uuid`;

export const COUNTS = {
  name: 'job_board_counts',
  text: `SELECT q.name AS queue, s.waiting, s.retrying, s.active, c.completed, s.failed + d.dead AS failed,
      ${secondsSince('s.due_since')} AS "oldestWaitingSeconds"
    FROM ${STANDING} CROSS JOIN LATERAL (
      SELECT count(*)::int8 AS completed FROM ${SCHEMA}.job j
      WHERE j.name = q.name AND j.state = 'completed' AND ${notShadow('j')}
    ) c ORDER BY q.name`,
};
