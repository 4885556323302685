import type { Readable } from 'node:stream';
import type { SpaceCounters } from '../../access/index.ts';
import type { ConflictPolicy } from '../../ledger/index.ts';
import type { UploadSession } from '../upload-session.ts';
import type { TusChecksum } from './tus-checksum.ts';

/** What an upload is to become. */
export interface TusCreation {
  readonly fileName: string;
  readonly contentType: string | undefined;
  readonly conflict: ConflictPolicy;
  readonly tags: readonly string[] | null;
  readonly reservationId: string | undefined;
  readonly sizeBytes: number;
  /** `Upload-Metadata` as it was sent. */
  readonly clientMetadata: string;
}

/** Bytes for an upload. */
export interface TusBytes {
  readonly body: Readable;
  /** Where the client thinks that the upload stands. */
  readonly offset: number;
  /** Content-Length, where there is one. */
  readonly announcedBytes: number | undefined;
  readonly checksum: TusChecksum | null;
  /** Whether the sender still may, asked before anything becomes a file. */
  readonly confirm: () => Promise<unknown>;
}

/** Where an upload stands. */
export interface TusState {
  readonly id: string;
  readonly offset: number;
  readonly sizeBytes: number;
  readonly clientMetadata: string | null;
  /** null once it is a file. */
  readonly expiresAt: Date | null;
  readonly file: TusFile | null;
}

/** What an upload has become; name and counters only in the answer to the request that made it so. */
export interface TusFile {
  readonly id: string;
  readonly made: { readonly path: string; readonly counters: SpaceCounters } | null;
}

/** Of one that is a file already. */
export function completedState({ id, sizeBytes, clientMetadata, fileId }: UploadSession): TusState {
  const file = fileId === null ? null : { id: fileId, made: null };
  return { id, offset: sizeBytes, sizeBytes, clientMetadata, expiresAt: null, file };
}
