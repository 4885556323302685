import type { StoredFile } from './stored-file.ts';

/** A file in the trash; its path is the one that it had. */
export interface TrashedFile extends StoredFile {
  readonly deletedAt: Date;
  readonly expiresAt: Date;
}

export interface TrashQuery {
  readonly prefix: string;
  readonly limit: number;
  readonly cursor: string | undefined;
}

/** What came of an attempt to bring several files back. */
export interface Restoration {
  readonly restored: readonly { readonly id: string; readonly path: string }[];
  readonly failed: readonly {
    readonly id: string;
    /** null where nothing of that id is in the trash. */
    readonly path: string | null;
    readonly reason: 'FILE_NOT_FOUND' | 'FILE_EXISTS' | 'CONFLICT';
  }[];
}
