import type { ConflictPolicy } from '../ledger/index.ts';

export const UPLOAD_KINDS = ['presign', 'multipart', 'tus'] as const;

/** OPEN until it is COMPLETED (there is a file) or ENDED (aborted, expired or refused). */
export const UPLOAD_STATES = ['OPEN', 'COMPLETED', 'ENDED'] as const;
export type SessionState = (typeof UPLOAD_STATES)[number];

/** An upload that comes by requests of its own. */
export interface UploadSession {
  readonly id: string;
  readonly spaceId: string;
  readonly kind: (typeof UPLOAD_KINDS)[number];
  readonly fileName: string;
  readonly conflict: ConflictPolicy;
  readonly contentType: string;
  /** As promised. */
  readonly sizeBytes: number;
  /** Hex, as promised. */
  readonly sha256: string | null;
  readonly tags: readonly string[] | null;
  readonly objectKey: string;
  readonly staged: boolean;
  readonly storeUploadId: string | null;
  readonly partBytes: number | null;
  /** Hex, of what this server received by a signed URL. */
  readonly receivedSha256: string | null;
  readonly clientMetadata: string | null;
  readonly state: SessionState;
  readonly fileId: string | null;
  readonly createdAt: Date;
  readonly expiresAt: Date;
  readonly completedAt: Date | null;
}
