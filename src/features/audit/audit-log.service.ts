import type { Clock } from '../../platform/clock/clock.ts';
import { type AuditActor, type AuditOrigin, SYSTEM_ACTOR, SYSTEM_ORIGIN } from './audit.ts';
import type { AuditLogRepository } from './audit-log.repository.ts';
import type { AuditFilter, AuditPage, AuditPageRequest, AuditRecord } from './audit-log.ts';
import type { AuditRecorder } from './audit-recorder.ts';

const EXPORT_BATCH = 1000;
const PURGE_BATCH = 1000;
const DAY_MS = 24 * 3600 * 1000;

export interface AuditLogDependencies {
  readonly logs: AuditLogRepository;
  readonly recorder: AuditRecorder;
  readonly clock: Clock;
  /** null: for ever. */
  readonly retentionDays: number | null;
}

/** The audit log for admins, and its end of life. */
export class AuditLogService {
  readonly #deps: AuditLogDependencies;

  constructor(deps: AuditLogDependencies) {
    this.#deps = deps;
  }

  /** Newest first. A page may hold fewer entries than asked for, or none, and still not be the last. */
  page(filter: AuditFilter, request: AuditPageRequest): Promise<AuditPage> {
    return this.#deps.logs.page(filter, request);
  }

  /**
   * Everything that the filter lets through, newest first, in batches that are read as they are asked for; some may be
   * empty. Nothing is held between them. The export itself is recorded first.
   */
  async export(
    filter: AuditFilter,
    format: string,
    by: { readonly actor: AuditActor; readonly origin: AuditOrigin },
  ): Promise<AsyncIterable<readonly AuditRecord[]>> {
    await this.#deps.recorder.record({ action: 'admin.audit_export', ...by, metadata: { format, ...named(filter) } });
    // The first batch here, so that a database that is away is an answer and not a broken download.
    return this.#batches(filter, await this.#exportPage(filter, undefined));
  }

  /**
   * Removes what is older than the retention, oldest first, and records how much that was. Throws when it is aborted:
   * the next run goes on.
   */
  async purge(signal: AbortSignal): Promise<number> {
    const { logs, recorder, clock, retentionDays } = this.#deps;
    if (retentionDays === null) return 0;
    const before = new Date(clock.now().getTime() - retentionDays * DAY_MS);
    let entries = 0;
    try {
      for (let purged = -1; purged !== 0; entries += purged) {
        signal.throwIfAborted();
        purged = await logs.purge(before, PURGE_BATCH);
      }
    } finally {
      const metadata = { entries, before: before.toISOString() };
      const by = { actor: SYSTEM_ACTOR, origin: SYSTEM_ORIGIN };
      if (entries > 0) await recorder.record({ action: 'system.audit_purge', ...by, metadata });
    }
    return entries;
  }

  async *#batches(filter: AuditFilter, first: AuditPage): AsyncGenerator<readonly AuditRecord[]> {
    let { entries, nextCursor } = first;
    yield entries;
    while (nextCursor !== null) {
      ({ entries, nextCursor } = await this.#exportPage(filter, nextCursor));
      yield entries;
    }
  }

  #exportPage(filter: AuditFilter, cursor: string | undefined): Promise<AuditPage> {
    return this.#deps.logs.page(filter, { limit: EXPORT_BATCH, cursor });
  }
}

/** The filter for an entry's metadata. What was searched for may be a person's address: only that it was. */
function named({ actions, from, to, search, ...ids }: AuditFilter): Record<string, string | boolean> {
  const given = {
    ...ids,
    action: actions?.join(','),
    from: from?.toISOString(),
    to: to?.toISOString(),
    searched: search === undefined ? undefined : true,
  };
  return Object.fromEntries(
    Object.entries(given).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])),
  );
}
