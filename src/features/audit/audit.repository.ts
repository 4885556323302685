import { newId } from '../../platform/crypto/random.ts';
import type { Tx } from '../../platform/db/unit-of-work.ts';
import type { AuditEntry } from './audit.ts';

/** Appends to the audit log; there is no way here to change or remove an entry. */
export class AuditRepository {
  /** Inside the transaction of what it records, so that neither can be without the other; with the mark of its idempotency key. */
  async append(tx: Tx, entry: AuditEntry): Promise<void> {
    const { origin, subject, secret } = entry;
    if (origin.idempotency) {
      const { id, attempt, seal } = origin.idempotency;
      const kept = secret ? new Uint8Array(seal(secret)) : null;
      // Throws where another attempt has begun since: then nothing of the transaction takes place.
      await tx.$queryRaw`
        SELECT idempotency_effect(
          ${id}::uuid, ${attempt}::integer, ${subject?.type ?? null}::text, ${subject?.id ?? null}::text, ${kept}::bytea
        )::text`;
    }
    await tx.auditLog.create({ data: toRow(entry) });
  }

  /** Up to 1000 entries, by one statement. */
  async appendAll(tx: Tx, entries: readonly AuditEntry[]): Promise<void> {
    if (entries.length > 0) await tx.auditLog.createMany({ data: entries.map(toRow) });
  }
}

function toRow(entry: AuditEntry) {
  const { actor, origin } = entry;
  return {
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
  };
}
