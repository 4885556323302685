import { newId } from '../../platform/crypto/random.ts';
import type { Database } from '../../platform/db/database.ts';
import { containing } from '../../platform/db/like.ts';
import type { AuditEntry } from './audit.ts';
import type { AuditFilter, AuditPage, AuditPageRequest, AuditRecord } from './audit-log.ts';
import { type IdRange, idRangeOf } from './audit-range.ts';

const STEP = 1000;
/** How many steps a page looks at: few where they hold enough of what is wanted, 50,000 entries at the most. */
const LOOKS = [1, 8, 50] as const;
/** How many rows a page without conditions may read; a number in the statement, so that each plan is made for it. */
const PAGE_SIZES = [51, 201, 1001] as const;

const COLUMNS = `a.id, a.action, a.actor_type AS "actorType", a.actor_id AS "actorId", a.access_key_id AS "accessKeyId",
  a.subject_type AS "subjectType", a.subject_id AS "subjectId", a.ip, a.user_agent AS "userAgent",
  a.request_id AS "requestId", a.metadata, a.created_at AS "createdAt"`;

/** What the entries of a range are held against, one by one. Line ends keep one field's end from its neighbour's start. */
const CONDITIONS = `($5::timestamptz IS NULL OR a.created_at >= $5) AND ($6::timestamptz IS NULL OR a.created_at < $6)
  AND ($7::text[] IS NULL OR a.action = ANY($7)) AND ($8::uuid IS NULL OR a.actor_id = $8)
  AND ($9::text IS NULL OR a.access_key_id = $9) AND ($10::text IS NULL OR a.subject_id = $10)
  AND ($11::text IS NULL OR a.subject_type = $11)
  AND ($12::text IS NULL OR a.metadata::text ILIKE $13 OR concat_ws(E'\\n', a.action, a.id, a.actor_id, a.access_key_id,
    a.subject_id, a.ip, a.user_agent, a.request_id) ILIKE $12)`;

/** The index that a list is read along, each with its range of ids: of one or several actions, of a subject, ... */
interface Lead {
  readonly name: 'all' | 'action' | 'actor' | 'key' | 'subject';
  readonly values: readonly string[];
}

/**
 * The statements along one index. Comparing and ordering by pairs leaves the planner no other index to walk, whose
 * every entry it might have to pass. And what a plan reads is bounded whatever the planner thinks: by a number in the
 * statement, or (`filtered`) by the end of the window.
 */
function statementsAlong(name: Lead['name'], column: string | null, type: string) {
  const lead = `lead.value::${type}`;
  const range = (before: string) =>
    column
      ? `(a.${column}, a.id) < (${lead}, ${before}) AND (a.${column}, a.id) >= (${lead}, $3::uuid)`
      : `a.id < ${before} AND a.id >= $3::uuid`;
  const order = column ? `ORDER BY a.${column} DESC, a.id DESC` : 'ORDER BY a.id DESC';
  const along = (inner: string) =>
    `SELECT a.* FROM unnest($1::text[]) AS lead(value) CROSS JOIN LATERAL (${inner}) a ORDER BY a.id DESC`;
  const rows = `SELECT ${COLUMNS} FROM audit_logs a WHERE ${range('$2::uuid')}`;
  return {
    plain: PAGE_SIZES.map((size) => ({
      size,
      name: `audit_page_by_${name}_${size}`,
      text: `${along(`${rows} ${order} LIMIT ${size}`)} LIMIT $4`,
    })),
    filtered: {
      name: `audit_page_by_${name}_filtered`,
      text: `${along(`${rows} AND ${CONDITIONS} ${order} LIMIT $4`)} LIMIT $4`,
    },
    /** The last id of $4 steps. */
    windowEnd: {
      name: `audit_window_end_by_${name}`,
      text: `${along(`WITH RECURSIVE step(n, id) AS (
          SELECT 0, $2::uuid
          UNION ALL
          SELECT n + 1, (
            SELECT a.id FROM audit_logs a WHERE ${range('step.id')} ${order} OFFSET ${STEP - 1} LIMIT 1
          ) FROM step WHERE n < $4 AND id IS NOT NULL
        ) SELECT id FROM step WHERE n = $4 AND id IS NOT NULL`)} LIMIT 1`,
    },
  };
}

const STATEMENTS = {
  all: statementsAlong('all', null, 'text'),
  action: statementsAlong('action', 'action', 'text'),
  actor: statementsAlong('actor', 'actor_id', 'uuid'),
  key: statementsAlong('key', 'access_key_id', 'text'),
  subject: statementsAlong('subject', 'subject_id', 'text'),
} as const satisfies Record<Lead['name'], object>;

const INSERT = {
  name: 'audit_insert',
  text: `INSERT INTO audit_logs (id, action, actor_type, actor_id, access_key_id, subject_type, subject_id, ip, user_agent, request_id, metadata)
    SELECT id, action, actor_type, actor_id, access_key_id, subject_type, subject_id, ip, user_agent, request_id, metadata
    FROM jsonb_to_recordset($1) AS i(id uuid, action text, actor_type text, actor_id uuid, access_key_id text,
      subject_type text, subject_id text, ip text, user_agent text, request_id text, metadata jsonb)`,
};

const PURGE = { name: 'audit_purge', text: 'SELECT audit_purge($1, $2) AS purged' };

/** Reads the audit log, of all users, for admins; and what writes to it outside a transaction. */
export class AuditLogRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Newest first; looks at no more than 50,000 entries, however few of them the filter lets through. */
  async page(filter: AuditFilter, { limit, cursor }: AuditPageRequest): Promise<AuditPage> {
    const lead = leadOf(filter);
    const { from, before } = idRangeOf(filter, cursor);
    const { plain } = STATEMENTS[lead.name];
    const statement = isSelective(filter, lead) ? undefined : plain.find(({ size }) => size > limit);
    if (!statement) return this.#filteredPage(filter, lead, { from, before, limit });
    return toPage(
      await this.#database.query<AuditRecord>(statement, [lead.values, before, from, limit + 1]),
      limit,
      null,
    );
  }

  async #filteredPage(
    filter: AuditFilter,
    { name, values }: Lead,
    { from, before, limit }: IdRange & { readonly limit: number },
  ): Promise<AuditPage> {
    const { filtered, windowEnd } = STATEMENTS[name];
    const conditions = conditionsOf(filter);
    let page: AuditPage = { entries: [], nextCursor: null };
    for (const look of LOOKS) {
      const steps = Math.max(1, Math.floor(look / values.length));
      const [end] = await this.#database.query<{ id: string }>(windowEnd, [values, before, from, steps]);
      const range = [values, before, end?.id ?? from, limit + 1];
      const rows = await this.#database.query<AuditRecord>(filtered, [...range, ...conditions]);
      page = toPage(rows, limit, end?.id ?? null);
      if (page.nextCursor === null || page.entries.length === limit) break;
    }
    return page;
  }

  /** All of them or none. */
  async insert(entries: readonly AuditEntry[]): Promise<void> {
    const rows = entries.map(({ action, actor, origin, accessKeyId, subject, metadata }) => ({
      id: newId(),
      action,
      actor_type: actor.type,
      actor_id: actor.id,
      access_key_id: accessKeyId ?? actor.accessKeyId,
      subject_type: subject?.type ?? null,
      subject_id: subject?.id ?? null,
      ip: origin.ip,
      user_agent: origin.userAgent,
      request_id: origin.requestId,
      metadata: metadata ?? {},
    }));
    await this.#database.query(INSERT, [JSON.stringify(rows)]);
  }

  /** Removes up to `limit` of the oldest entries, if they are from before that time; answers how many. */
  async purge(before: Date, limit: number): Promise<number> {
    const [row] = await this.#database.query<{ purged: number }>(PURGE, [before, limit]);
    return row?.purged ?? 0;
  }
}

/** `end`: where the page stopped looking, before the end of the list. */
function toPage(rows: readonly AuditRecord[], limit: number, end: string | null): AuditPage {
  const entries = rows.slice(0, limit);
  return { entries, nextCursor: rows.length > limit ? (entries.at(-1)?.id ?? null) : end };
}

/** The index that leaves the fewest entries to look at, as far as that can be told beforehand. */
function leadOf({ subjectId, accessKeyId, actorId, actions }: AuditFilter): Lead {
  if (subjectId !== undefined) return { name: 'subject', values: [subjectId] };
  if (accessKeyId !== undefined) return { name: 'key', values: [accessKeyId] };
  if (actorId !== undefined) return { name: 'actor', values: [actorId] };
  if (actions !== undefined) return { name: 'action', values: actions };
  return { name: 'all', values: [''] };
}

/** Whether an entry in the range may still not be one that is wanted. */
function isSelective({ from, to, subjectType, search, ...filter }: AuditFilter, lead: Lead): boolean {
  if ([from, to, subjectType, search].some((condition) => condition !== undefined)) return true;
  const conditions = [filter.subjectId, filter.accessKeyId, filter.actorId, filter.actions];
  return conditions.filter((condition) => condition !== undefined).length > (lead.name === 'all' ? 0 : 1);
}

function conditionsOf(filter: AuditFilter): unknown[] {
  const { from, to, actions, actorId, accessKeyId, subjectId, subjectType, search } = filter;
  return [
    ...[from, to, actions, actorId, accessKeyId, subjectId, subjectType].map((value) => value ?? null),
    search === undefined ? null : containing(search),
    // In the metadata's text it stands as JSON writes it.
    search === undefined ? null : containing(JSON.stringify(search).slice(1, -1)),
  ];
}
