import { newId } from '../../platform/crypto/random.ts';
import type { Tx } from '../../platform/db/unit-of-work.ts';
import type { AuditEntry } from './audit.ts';

/** Appends to the audit log; there is no way here to change or remove an entry. */
export class AuditRepository {
  /** Inside the transaction of what it records, so that neither can be without the other. */
  async append(tx: Tx, entry: AuditEntry): Promise<void> {
    const { actor, origin } = entry;
    await tx.auditLog.create({
      data: {
        id: newId(),
        action: entry.action,
        actorType: actor.type,
        actorId: actor.id,
        accessKeyId: entry.accessKeyId ?? actor.accessKeyId,
        subjectType: entry.subject?.type ?? null,
        subjectId: entry.subject?.id ?? null,
        ip: origin.ip,
        userAgent: origin.userAgent,
        requestId: origin.requestId,
        metadata: entry.metadata ?? {},
      },
    });
  }
}
