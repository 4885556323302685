import { z } from 'zod';
import { moment } from '../../http/moment.ts';
import { idPagingQuery, pageMeta } from '../../http/paging.ts';
import { singleLine } from '../../http/text-fields.ts';
import { isId } from '../../platform/crypto/random.ts';
import { AUDIT_ACTIONS, type AuditAction } from './audit.ts';

/** Ids and nothing else: what is asked for is recorded by an export. */
const idLike = z.string().regex(/^[\w.:-]{1,128}$/, 'is not an id');

/** `user.login,file.*` as the actions it stands for. */
const actions = z
  .string()
  .max(2000)
  .transform((text, context): AuditAction[] => {
    const found = new Set<AuditAction>();
    for (const name of text.split(',').map((part) => part.trim())) {
      const prefix = name.endsWith('.*') ? name.slice(0, -1) : null;
      const matching = AUDIT_ACTIONS.filter((action) =>
        prefix === null ? action === name : action.startsWith(prefix),
      );
      if (matching.length === 0) {
        context.addIssue({ code: 'custom', message: `${JSON.stringify(name)} is no action that is recorded` });
        return z.NEVER;
      }
      for (const action of matching) found.add(action);
    }
    return [...found];
  });

const filterFields = {
  action: actions.optional().meta({
    description: `Actions, separated by commas; \`user.*\` for all that begin so. Actions: ${AUDIT_ACTIONS.map((action) => `\`${action}\``).join(', ')}`,
    example: 'file.download,user.*',
  }),
  actorId: z
    .uuid('is not a user’s id')
    .optional()
    .meta({ description: 'The user who acted, also by a key', example: '019aa3f0-5f5e-7c3a-9d55-0c8a3f1b2c4d' }),
  accessKeyId: idLike
    .optional()
    .meta({ description: 'The key that acted or that it is about', example: 'AKIAJ4M2Q7XN5RTEK3VB' }),
  subjectId: idLike
    .transform((id) => (isId(id) ? id.toLowerCase() : id))
    .optional()
    .meta({
      description: 'What it is about: the id of a user, key, request or file',
      example: '019aa3f4-1c2d-7b8e-8f90-5a6b7c8d9e0f',
    }),
  subjectType: idLike.optional().meta({ description: 'What kind of thing it is about', example: 'file' }),
  from: moment.optional().meta({ description: 'Not before this time', example: '2026-11-01T00:00:00Z' }),
  to: moment.optional().meta({ description: 'Before this time', example: '2026-12-01T00:00:00Z' }),
  search: singleLine(1, 200).optional().meta({
    description: 'Part of the action, an id, the address, the user agent or the metadata, in any case',
    example: 'curl',
  }),
};

export const listQuery = z.object({
  ...idPagingQuery,
  ...filterFields,
});

export const exportQuery = z.object({
  format: z
    .enum(['csv', 'jsonl'])
    .default('csv')
    .meta({ description: 'CSV (RFC 4180) or JSON Lines', example: 'jsonl' }),
  ...filterFields,
});

const auditLog = z
  .object({
    id: z.uuid(),
    action: z.string(),
    actor: z.object({
      type: z.enum(['user', 'admin', 'key', 'anonymous', 'system']),
      id: z.uuid().nullable().meta({ description: 'The user, also where a key of that user acted' }),
      accessKeyId: z.string().optional().meta({ description: 'The key, where one acted' }),
    }),
    accessKeyId: z
      .string()
      .nullable()
      .meta({ description: 'The key that acted or that it is about', example: 'AKIAJ4M2Q7XN5RTEK3VB' }),
    subject: z.object({ type: z.string(), id: z.string() }).nullable(),
    ip: z.string().nullable(),
    userAgent: z.string().nullable(),
    requestId: z.string().nullable(),
    metadata: z.record(z.string(), z.unknown()),
    createdAt: z.iso.datetime(),
  })
  .meta({ id: 'AuditLog', description: 'One entry of the audit log.' });

export const auditLogsData = z.object({ auditLogs: z.array(auditLog) });
export { pageMeta };

export const auditLogExample = {
  id: '019aa400-3c1d-7f0e-9b2a-6d7e8f901234',
  action: 'file.download',
  actor: { type: 'key', id: '019aa3f0-5f5e-7c3a-9d55-0c8a3f1b2c4d', accessKeyId: 'AKIAJ4M2Q7XN5RTEK3VB' },
  accessKeyId: 'AKIAJ4M2Q7XN5RTEK3VB',
  subject: { type: 'file', id: '019aa2f4-7d1c-7e5a-9a55-0c6f1b1f6a01' },
  ip: '203.0.113.7',
  userAgent: 'curl/8.14.1',
  requestId: '0b6f4c1e-6a55-4a3f-9c35-5b8f0d0f9d11',
  metadata: { fileName: 'photos/2026/cat.jpg', sizeBytes: 48213 },
  createdAt: '2026-11-21T09:30:00.000Z',
} as const;

/** What an export looks like in its formats. */
export const exportExamples = {
  'text/csv': `id,createdAt,action,actorType,actorId,accessKeyId,subjectType,subjectId,ip,userAgent,requestId,metadata\r\n`,
  'application/x-ndjson': `${JSON.stringify(auditLogExample)}\n`,
};
