import type { ContentStatus } from '../ledger/index.ts';

/** An older content of a file. */
export interface FileVersion {
  /** Its own, whatever the present content's is. */
  readonly status: ContentStatus;
  readonly id: string;
  readonly objectKey: string;
  readonly sizeBytes: number;
  /** Hex. */
  readonly sha256: string | null;
  readonly etag: string;
  readonly contentType: string;
  readonly category: string;
  /** When this content came, and when another took its place. */
  readonly uploadedAt: Date;
  readonly replacedAt: Date;
}
