import { stringify } from 'csv-stringify/sync';
import { presentAuditRecord } from './audit-log.presenter.ts';
import type { AuditRecord } from './audit-log.ts';

/** One form of an export: what stands before the first batch, and a batch as text. */
export interface ExportFormat {
  readonly contentType: string;
  readonly head: string;
  readonly write: (records: readonly AuditRecord[]) => string;
}

/**
 * What spreadsheets may take for a formula besides what csv-stringify's `escape_formulas` knows: a line feed first
 * (OWASP, CSV injection), small forms of the four characters, and any of them behind spaces or invisible characters,
 * which some programs cut off.
 */
const HIDDEN_FORMULA = /^(?:\n|[\s\p{C}]*[\uFE62\uFE63\uFE66\uFE6B]|[\s\p{C}]+[=+\-@\uFF1D\uFF0B\uFF0D\uFF20])/u;

const COLUMNS = {
  id: (record: AuditRecord) => record.id,
  createdAt: (record: AuditRecord) => record.createdAt.toISOString(),
  action: (record: AuditRecord) => record.action,
  actorType: (record: AuditRecord) => record.actorType,
  actorId: (record: AuditRecord) => record.actorId,
  accessKeyId: (record: AuditRecord) => record.accessKeyId,
  subjectType: (record: AuditRecord) => record.subjectType,
  subjectId: (record: AuditRecord) => record.subjectId,
  ip: (record: AuditRecord) => record.ip,
  userAgent: (record: AuditRecord) => record.userAgent,
  requestId: (record: AuditRecord) => record.requestId,
  metadata: (record: AuditRecord) => JSON.stringify(record.metadata),
} as const;

/** RFC 4180. A cell that a spreadsheet could take for a formula begins with an apostrophe. */
export function toCsv(rows: readonly (readonly (string | null)[])[]): string {
  return stringify(
    rows.map((row) => [...row]),
    {
      escape_formulas: true,
      record_delimiter: 'windows',
      // Else a line end other than the record's own would stand bare.
      quoted_match: /[\r\n]/,
      cast: { string: (text) => harmless(text) },
    },
  );
}

/** Where `;` or a tab divides cells, a formula may begin in the middle of ours. */
const INNER_FORMULA = /(?<!^)([;\t|][\s\p{C}]*)(?=[=+\-@\uFF1D\uFF0B\uFF0D\uFF20\uFE62\uFE63\uFE66\uFE6B])/gu;

function harmless(text: string): string {
  const safe = text.replaceAll(INNER_FORMULA, "$1'");
  return HIDDEN_FORMULA.test(safe) ? `'${safe}` : safe;
}

export const EXPORT_FORMATS = {
  csv: {
    contentType: 'text/csv; charset=utf-8',
    head: toCsv([Object.keys(COLUMNS)]),
    write: (records) => toCsv(records.map((record) => Object.values(COLUMNS).map((of) => of(record)))),
  },
  jsonl: {
    contentType: 'application/x-ndjson',
    head: '',
    write: (records) => records.map((record) => `${JSON.stringify(presentAuditRecord(record))}\n`).join(''),
  },
} as const satisfies Record<string, ExportFormat>;
