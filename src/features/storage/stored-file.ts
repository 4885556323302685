import type { ContentStatus } from '../ledger/index.ts';

/** A living file as its row has it. */
export interface StoredFile {
  readonly id: string;
  readonly path: string;
  readonly objectKey: string;
  readonly sizeBytes: number;
  /** Hex; null until a large object that came past this service has been read. */
  readonly sha256: string | null;
  readonly etag: string;
  readonly contentType: string;
  readonly category: string;
  readonly extension: string;
  readonly tags: readonly string[];
  readonly status: ContentStatus;
  /** There are thumbnails of its present content. */
  readonly hasThumbnails: boolean;
  readonly uploadedAt: Date;
  readonly modifiedAt: Date;
}

/** Which file it is, and where it was when that was looked up. */
export interface FilePlace {
  readonly id: string;
  readonly path: string;
}

export interface ListFilter {
  readonly prefix: string;
  /** Part of the path, without regard to case. */
  readonly search?: string | undefined;
  /** It may also be part of what the content says of itself. */
  readonly searchesMetadata?: boolean | undefined;
  readonly status?: ContentStatus | undefined;
  readonly category?: string | undefined;
  readonly tag?: string | undefined;
}

export type ListSort = 'name' | 'date' | 'size';

export interface ListQuery extends ListFilter {
  readonly sort: ListSort;
  readonly order: 'asc' | 'desc';
  readonly limit: number;
  readonly cursor?: string | undefined;
}
