import type { AuditActor } from '../audit/index.ts';
import type { LedgerAudit } from './ledger.ts';

/** Who acts, as it waits with a job that goes on for somebody. */
export type AuditColumns = Omit<ReturnType<typeof auditColumns>, 'idempotency_id' | 'idempotency_attempt'>;

/** As the ledger's functions take it: `p_audit`, and a part of each item of a commit. */
export function auditColumns({ actor, origin, metadata }: LedgerAudit) {
  return {
    actor_type: actor.type,
    actor_id: actor.id,
    access_key_id: actor.accessKeyId,
    ip: origin.ip,
    user_agent: origin.userAgent,
    request_id: origin.requestId,
    idempotency_id: origin.idempotency?.id,
    idempotency_attempt: origin.idempotency?.attempt,
    metadata: metadata ?? null,
  };
}

/** The same as text, for a parameter. */
export function auditJson(audit: LedgerAudit): string {
  return JSON.stringify(auditColumns(audit));
}

/** `auditColumns` the other way round; what a job does for somebody is no effect of the request. */
export function auditOfColumns(columns: AuditColumns): LedgerAudit {
  const { actor_type: type, actor_id: id, access_key_id: accessKeyId, metadata } = columns;
  const { ip, user_agent: userAgent, request_id: requestId } = columns;
  const actor: AuditActor = { type, id, accessKeyId };
  return { actor, origin: { ip, userAgent, requestId }, metadata: metadata ?? undefined };
}
