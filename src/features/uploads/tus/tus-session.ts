import type { ConflictPolicy } from '../../ledger/index.ts';

/** An upload by tus, as its row tells. */
export interface TusSession {
  readonly id: string;
  readonly spaceId: string;
  /** `expired`: open, but its time is over, and the sweep has not come yet. */
  readonly state: 'open' | 'completed' | 'ended' | 'expired';
  readonly path: string;
  readonly conflict: ConflictPolicy;
  readonly contentType: string;
  readonly sizeBytes: number;
  readonly tags: readonly string[] | null;
  readonly objectKey: string;
  /** null until the first byte. */
  readonly storeUploadId: string | null;
  /** `Upload-Metadata` as it was sent. */
  readonly clientMetadata: string | null;
  readonly fileId: string | null;
  readonly expiresAt: Date;
}

/** Who writes to an upload; of one request. */
export interface UploadLockId {
  readonly uploadId: string;
  readonly token: string;
}
