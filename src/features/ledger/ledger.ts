/** What to do when the name is taken: replace the content, take another name, or refuse. */
export const CONFLICT_POLICIES = ['replace', 'keepBoth', 'fail'] as const;
export type ConflictPolicy = (typeof CONFLICT_POLICIES)[number];

/** A space's counters as one statement left them. Bytes and counts are whole numbers below 2^53. */
export interface SpaceCounters {
  readonly quotaBytes: number;
  readonly quotaObjects: number;
  readonly usedBytes: number;
  readonly usedObjects: number;
  readonly reservedBytes: number;
  readonly reservedObjects: number;
}

export interface ReserveInput {
  readonly uploadId: string;
  readonly path: string;
  readonly conflict: ConflictPolicy;
  readonly objectKey: string;
  readonly contentType: string;
  readonly bytes: number;
}

/** Counters are null where the space itself is gone. */
export type ReserveOutcome =
  | { readonly outcome: 'reserved' | 'gone' }
  | { readonly outcome: 'exists'; readonly fileId: string }
  | {
      readonly outcome: 'refused';
      readonly requestedBytes: number;
      readonly requestedObjects: number;
      readonly counters: SpaceCounters;
    };

export type GrowOutcome =
  | { readonly outcome: 'grown' | 'gone' }
  | { readonly outcome: 'refused'; readonly requestedBytes: number; readonly counters: SpaceCounters };

/** The audit entry that commit writes with the file. */
export interface CommitAudit {
  readonly action: string;
  readonly actorType: string;
  readonly actorId: string | null;
  readonly accessKeyId: string | null;
  readonly ip: string | null;
  readonly userAgent: string | null;
  readonly requestId: string | null;
}

export interface CommitInput {
  readonly uploadId: string;
  readonly objectKey: string;
  /** The path without and with its ending, for `keepBoth`; the stem short enough for a number behind it. */
  readonly stem: string;
  readonly suffix: string;
  readonly sizeBytes: number;
  /** Hex. */
  readonly sha256: string;
  readonly etag: string;
  readonly contentType: string;
  readonly category: string;
  readonly extension: string;
  /** null keeps the tags of a file that is replaced. */
  readonly tags: readonly string[] | null;
  readonly audit: CommitAudit;
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
  | { readonly outcome: 'exists'; readonly fileId: string }
  | { readonly outcome: 'refused'; readonly requestedBytes: number; readonly counters: SpaceCounters }
  | { readonly outcome: 'gone' };

export interface DeletedFile {
  readonly fileId: string;
  readonly path: string;
  readonly sizeBytes: number;
}
