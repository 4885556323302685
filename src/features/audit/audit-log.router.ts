import { Readable } from 'node:stream';
import type { Response } from 'express';
import { sendContent } from '../../http/content.ts';
import { ok, type Route, route } from '../../http/route.ts';
import type { Clock } from '../../platform/clock/clock.ts';
import { actorOf } from './audit.ts';
import { EXPORT_FORMATS, type ExportFormat } from './audit-export.ts';
import { presentAuditRecord } from './audit-log.presenter.ts';
import * as schemas from './audit-log.schemas.ts';
import type { AuditLogService } from './audit-log.service.ts';
import type { AuditFilter, AuditRecord } from './audit-log.ts';

const TAG = 'Admin';
/** Entries that are text at a time. */
const PIECE = 100;

/** `/admin/audit-logs` */
export function auditLogRoutes(auditLog: AuditLogService, clock: Clock): Route[] {
  return [
    route({
      method: 'get',
      path: '/admin/audit-logs',
      operationId: 'listAuditLogs',
      tag: TAG,
      summary: 'Read the audit log',
      description:
        'Newest first; all filters combine. A page looks at 50,000 entries at the most, so with a filter that lets few through it may hold fewer than `limit`, even none, and still have a `meta.nextCursor`: go on with it until it is null.',
      access: 'admin',
      query: schemas.listQuery,
      success: {
        200: {
          description: 'A page of entries',
          data: schemas.auditLogsData,
          meta: schemas.pageMeta,
          example: { auditLogs: [schemas.auditLogExample] },
        },
      },
      errors: ['DEPENDENCY_UNAVAILABLE'],
      handler: async ({ query }) => {
        const { limit, cursor, ...filter } = query;
        const { entries, nextCursor } = await auditLog.page(toFilter(filter), { limit, cursor });
        return ok('Audit log', { auditLogs: entries.map(presentAuditRecord) }, { nextCursor, limit });
      },
    }),
    route({
      method: 'get',
      path: '/admin/audit-logs/export',
      operationId: 'exportAuditLogs',
      tag: TAG,
      summary: 'Export the audit log',
      description:
        'All that the filters let through, newest first, as CSV with a header row (`text/csv`) or JSON Lines (`application/x-ndjson`), streamed. CSV cells that a spreadsheet could take for a formula begin with an apostrophe. A response that is cut off is not whole. The export is recorded itself.',
      access: 'admin',
      query: schemas.exportQuery,
      stream: { content: schemas.exportExamples, statuses: { 200: 'The export' } },
      errors: ['DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, query, context, req, res }) => {
        const { format, ...filter } = query;
        const writing = EXPORT_FORMATS[format];
        const date = clock.now().toISOString().slice(0, 10);
        const by = { actor: actorOf(principal), origin: context };
        const batches = req.method === 'HEAD' ? null : await auditLog.export(toFilter(filter), format, by);
        res.setHeader('Content-Type', writing.contentType);
        res.setHeader('Content-Disposition', `attachment; filename="pockity-audit-${date}.${format}"`);
        await sendContent(res, batches ? Readable.from(texts(writing, batches, res)) : undefined);
        return undefined;
      },
    }),
  ];
}

/** The next batch is read when the client has taken the one before, which becomes text a piece at a time. */
async function* texts(
  { head, write }: ExportFormat,
  batches: AsyncIterable<readonly AuditRecord[]>,
  res: Response,
): AsyncGenerator<string> {
  if (head !== '') yield head;
  for await (const records of batches) {
    // A search that finds nothing yields nothing, so nobody else would notice that the client is gone.
    if (res.destroyed) return;
    for (let at = 0; at < records.length; at += PIECE) yield write(records.slice(at, at + PIECE));
  }
}

function toFilter({
  action,
  ...rest
}: Omit<AuditFilter, 'actions'> & { readonly action?: AuditFilter['actions'] }): AuditFilter {
  return { ...rest, actions: action };
}
