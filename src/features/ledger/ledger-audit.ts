import type { LedgerAudit } from './ledger.ts';

/** As the ledger's functions take it: `p_audit`, and a part of each item of a commit. */
export function auditColumns({ actor, origin, metadata }: LedgerAudit) {
  return {
    actor_type: actor.type,
    actor_id: actor.id,
    access_key_id: actor.accessKeyId,
    ip: origin.ip,
    user_agent: origin.userAgent,
    request_id: origin.requestId,
    metadata: metadata ?? null,
  };
}

/** The same as text, for a parameter. */
export function auditJson(audit: LedgerAudit): string {
  return JSON.stringify(auditColumns(audit));
}
