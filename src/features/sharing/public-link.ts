import type { DropLimits } from './link.ts';

/** A link that works now: neither revoked, expired nor used up, and what it opens is there. */
export interface PublicLink {
  readonly id: string;
  readonly space: { readonly id: string; readonly prefix: string };
  readonly target: LinkTarget;
  readonly passwordHash: string | null;
  readonly expiresAt: Date | null;
  readonly maxDownloads: number | null;
  readonly downloads: number;
}

/** What a link opens, with its present path in the drive, which no visitor sees. */
export type LinkTarget =
  | { readonly kind: 'file'; readonly fileId: string; readonly path: string }
  | { readonly kind: 'folder'; readonly folderId: string; readonly path: string }
  | {
      readonly kind: 'drop';
      readonly folderId: string;
      readonly path: string;
      readonly limits: DropLimits;
      readonly reservationId: string;
      readonly isFull: boolean;
    };

/** A file or folder as visitors see it; the path begins below what is shared. */
export interface PublicEntry {
  readonly name: string;
  readonly path: string;
}

export interface PublicFile extends PublicEntry {
  readonly sizeBytes: number;
  readonly contentType: string;
  readonly modifiedAt: Date;
}

/** One level of what a link opens: folders, then files. */
export interface PublicListing {
  /** Below what is shared; '' for itself. */
  readonly path: string;
  readonly folders: readonly PublicEntry[];
  readonly files: readonly PublicFile[];
  readonly nextCursor: string | null;
  /** Whether there is any file here, however deep: something for a ZIP. */
  readonly hasFiles: boolean;
}
