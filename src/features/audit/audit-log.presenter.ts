import type { AuditRecord } from './audit-log.ts';

/** API.md's entry of the audit log. */
export function presentAuditRecord(record: AuditRecord) {
  const { actorType, actorId, accessKeyId, subjectType, subjectId } = record;
  return {
    id: record.id,
    action: record.action,
    actor: { type: actorType, id: actorId, ...(actorType === 'key' && accessKeyId !== null ? { accessKeyId } : {}) },
    accessKeyId,
    subject: subjectType !== null && subjectId !== null ? { type: subjectType, id: subjectId } : null,
    ip: record.ip,
    userAgent: record.userAgent,
    requestId: record.requestId,
    metadata: record.metadata,
    createdAt: record.createdAt.toISOString(),
  };
}
