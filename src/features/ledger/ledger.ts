import type { QuotaCounters, SpaceCounters } from '../access/index.ts';
import type { AuditActor, AuditOrigin } from '../audit/index.ts';

/** Whether a content may be read: not before it is checked, and never when that found something. */
export type ContentStatus = 'READY' | 'PROCESSING' | 'QUARANTINED';

/** What to do when the name is taken: replace the content, take another name, or refuse. */
export const CONFLICT_POLICIES = ['replace', 'keepBoth', 'fail'] as const;
export type ConflictPolicy = (typeof CONFLICT_POLICIES)[number];

export interface ReserveInput {
  readonly uploadId: string;
  readonly path: string;
  readonly conflict: ConflictPolicy;
  readonly objectKey: string;
  readonly contentType: string;
  readonly bytes: number;
  /** Room is drawn from this reservation and from nowhere else. */
  readonly reservationId?: string | undefined;
}

/** Counters of a refusal are those of the reservation where one was named. */
export type ReserveOutcome =
  | { readonly outcome: 'reserved' | 'gone' }
  | { readonly outcome: 'exists'; readonly fileId: string }
  | {
      readonly outcome: 'refused';
      readonly requestedBytes: number;
      readonly requestedObjects: number;
      readonly counters: QuotaCounters;
    };

export type GrowOutcome =
  | { readonly outcome: 'grown' | 'gone' }
  | { readonly outcome: 'refused'; readonly requestedBytes: number; readonly counters: QuotaCounters };

/** What commit writes into the byte ledger and the audit log with the file. */
export interface CommitRecord extends LedgerAudit {
  readonly reason: 'upload' | 'copy';
  readonly action: 'file.upload' | 'file.copy' | 'link.upload';
}

/** Who acts and from where, for the audit entries that the ledger writes with each change. */
export interface LedgerAudit {
  readonly actor: AuditActor;
  readonly origin: AuditOrigin;
  /** Joins the metadata of each entry: by which share or link somebody acts. Never a secret. */
  readonly metadata?: Readonly<Record<string, string | number>> | undefined;
}

/** In which space somebody acts, as whom and from where. */
export interface SpaceScope extends LedgerAudit {
  readonly space: { readonly id: string; readonly prefix: string };
}

export interface CommitInput {
  readonly uploadId: string;
  readonly objectKey: string;
  /** The path without its ending, and the ending, for `keepBoth`; together short enough for a number between them. */
  readonly stem: string;
  readonly suffix: string;
  readonly sizeBytes: number;
  /** Hex; null where nobody has read it yet. */
  readonly sha256: string | null;
  readonly etag: string;
  readonly contentType: string;
  readonly category: string;
  readonly extension: string;
  /** null keeps the tags of a file that is replaced. */
  readonly tags: readonly string[] | null;
  /** The object that a staged upload was copied to, by an intent in the tombstones. */
  readonly finalKey?: string | undefined;
  /** The object that this is a copy of: what is known of that need not be found out again. */
  readonly copiedFrom?: string | undefined;
  /** READY unless told. */
  readonly status?: ContentStatus | undefined;
  /** Thumbnails or metadata are to be made of it. */
  readonly media?: boolean | undefined;
  /** Put into the job outbox with the commit. */
  readonly jobs?: readonly ContentJob[] | undefined;
  readonly place?: CommitPlace | undefined;
  readonly record: CommitRecord;
}

/** A job about a new content: its id in the queue, and its kind. */
export interface ContentJob {
  readonly id: string;
  readonly name: string;
}

/** What the job of that kind is given. */
export interface ContentJobPayload {
  readonly spaceId: string;
  readonly fileId: string;
  readonly objectKey: string;
}

/** An upload that comes by requests of its own. */
export interface SessionInput {
  readonly kind: 'presign' | 'multipart' | 'tus';
  readonly path: string;
  readonly conflict: ConflictPolicy;
  readonly contentType: string;
  readonly bytes: number;
  readonly objectKey: string;
  readonly reservationId?: string | undefined;
  readonly ttlSeconds: number;
  /** Hex, as promised. */
  readonly sha256?: string | undefined;
  /** null keeps the tags of a file that is replaced. */
  readonly tags: readonly string[] | null;
  /** The bytes are copied to a key of the file's own at the end. */
  readonly staged: boolean;
  readonly storeUploadId?: string | undefined;
  readonly partBytes?: number | undefined;
  readonly clientMetadata?: string | undefined;
  /** How many of its kind may be open in the space; any number unless told. */
  readonly maxOpen?: number | undefined;
}

export type SessionOutcome = ReserveOutcome | { readonly outcome: 'crowded' };

/** Where a file goes that its caller named by ids: looked up again since the room was reserved, and held to as it is stored. */
export interface CommitPlace {
  /** In the place of the path that was reserved. */
  readonly path: string;
  /** The folder that the path lies in. */
  readonly folderId?: string | undefined;
  /** The file that has the name. */
  readonly replaces?: string | undefined;
}

export type CommitOutcome =
  | {
      readonly outcome: 'committed';
      readonly fileId: string;
      readonly path: string;
      readonly tags: readonly string[];
      readonly replaced: boolean;
      readonly uploadedAt: Date;
      readonly counters: SpaceCounters;
    }
  | { readonly outcome: 'exists'; readonly fileId: string; readonly path: string }
  | { readonly outcome: 'refused'; readonly requestedBytes: number; readonly counters: QuotaCounters }
  | { readonly outcome: 'folders' | 'busy' | 'stale' | 'gone' };

/** Names a living file. */
export type FileRef = { readonly path: string } | { readonly id: string };

/** A file that was deleted. */
export interface DeletedFile {
  readonly fileId: string;
  readonly path: string;
  readonly sizeBytes: number;
  /** What usage went down by: 0 where it lies in the trash now, with its versions' bytes where they went too. */
  readonly freedBytes: number;
  readonly trashed: boolean;
}

/** Where a taken name may go to. */
export interface NameTarget {
  readonly path: string;
  readonly conflict: ConflictPolicy;
  /** As in `CommitInput`. */
  readonly stem: string;
  readonly suffix: string;
}

/** What becomes of a file's name and tags; what is absent stays. */
export interface FileChange {
  readonly to?:
    | (NameTarget & {
        readonly category: string;
        readonly extension: string;
        /** The folder that the path lies in, where the caller goes by that; `stale` when it is elsewhere. */
        readonly folderId?: string | undefined;
      })
    | undefined;
  readonly tags?: readonly string[] | undefined;
}

export type ChangeOutcome =
  | { readonly outcome: 'changed'; readonly path: string }
  | { readonly outcome: 'exists'; readonly fileId: string; readonly path: string }
  /** `stale`: name or content have changed since the caller looked. */
  | { readonly outcome: 'gone' | 'stale' | 'folders' | 'busy' };

/** One file in the trash and what to do if its place is taken. */
export interface RestoreInput extends NameTarget {
  readonly id: string;
}

export interface RestoreOutcome {
  readonly outcome: 'restored' | 'gone' | 'exists' | 'folders' | 'busy';
  readonly fileId: string;
  readonly path: string;
  /** Who has the name, where it is taken. */
  readonly existingId: string | null;
}

export type MakeFolderOutcome =
  | { readonly outcome: 'made' | 'exists'; readonly folderId: string }
  | { readonly outcome: 'folders' | 'busy' | 'stale' | 'gone' };

/**
 * `begun`: more files than the limit; an operation is noted, whose job does the rest. `busy`: such an operation is under
 * way on this folder, above or below it.
 */
export type MoveFolderOutcome =
  | { readonly outcome: 'moved' | 'begun'; readonly files: number }
  | { readonly outcome: 'exists'; readonly folderId: string }
  | { readonly outcome: 'gone' | 'stale' | 'inside' | 'long' | 'folders' | 'busy' };

export type DeleteFolderOutcome =
  | { readonly outcome: 'deleted' | 'begun'; readonly files: number; readonly freedBytes: number }
  | { readonly outcome: 'gone' | 'stale' | 'busy' };
