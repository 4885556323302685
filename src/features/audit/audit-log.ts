import type { AuditAction, AuditActor } from './audit.ts';

/** An entry as it is kept. */
export interface AuditRecord {
  readonly id: string;
  readonly action: string;
  readonly actorType: AuditActor['type'];
  readonly actorId: string | null;
  /** Of the key that acted or that it is about. */
  readonly accessKeyId: string | null;
  readonly subjectType: string | null;
  readonly subjectId: string | null;
  readonly ip: string | null;
  readonly userAgent: string | null;
  readonly requestId: string | null;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly createdAt: Date;
}

/** What an entry must be to be shown; what is undefined does not matter. */
export interface AuditFilter {
  /** One of these. */
  readonly actions?: readonly AuditAction[] | undefined;
  readonly actorId?: string | undefined;
  readonly accessKeyId?: string | undefined;
  readonly subjectId?: string | undefined;
  readonly subjectType?: string | undefined;
  /** Inclusive. */
  readonly from?: Date | undefined;
  /** Exclusive. */
  readonly to?: Date | undefined;
  /** Part of an id, an address, a user agent or the metadata, in any case; without control characters. */
  readonly search?: string | undefined;
}

/** Newest first. */
export interface AuditPage {
  readonly entries: readonly AuditRecord[];
  /** An id to go on below; null at the end. May be there although fewer entries than asked for were found, or none. */
  readonly nextCursor: string | null;
}

export interface AuditPageRequest {
  readonly limit: number;
  readonly cursor: string | undefined;
}
