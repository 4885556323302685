import { BatchWriter } from '../../platform/db/batch-writer.ts';
import type { AuditEntry } from './audit.ts';
import type { AuditLogRepository } from './audit-log.repository.ts';

/** Records what changes nothing, and so has no transaction: downloads, refusals, exports. Entries that meet share a statement. */
export class AuditRecorder {
  readonly #writer: BatchWriter<AuditEntry>;

  constructor(logs: Pick<AuditLogRepository, 'insert'>) {
    this.#writer = new BatchWriter((entries) => logs.insert(entries));
  }

  /** Resolves when the entry is committed: await it before whatever it records takes place. */
  record(entry: AuditEntry): Promise<void> {
    return this.#writer.add(entry);
  }
}
