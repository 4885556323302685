/** What of a drive a link opens: one file, or a folder with all below it, now and later. */
export type LinkSubject =
  | { readonly kind: 'file'; readonly fileId: string }
  | { readonly kind: 'folder'; readonly folderId: string };

/** A public link as its owner sees it; nobody sees the token again. */
export interface ShareLink {
  readonly id: string;
  readonly fileId: string | null;
  readonly folderId: string | null;
  /** Last segment of the subject's path. */
  readonly name: string;
  readonly hasPassword: boolean;
  readonly expiresAt: Date | null;
  readonly maxDownloads: number | null;
  readonly downloads: number;
  /** What a drop takes; null: the link shows and gives files. */
  readonly drop: DropLimits | null;
  /** Of a drop, those under way too; null where there is no drop, or its room has ended. */
  readonly uploadedFiles: number | null;
  readonly createdAt: Date;
  readonly lastUsedAt: Date | null;
}

/** What may come into a drop altogether. */
export interface DropLimits {
  readonly maxBytes: number;
  readonly maxFiles: number;
}

/** How a link is to be. */
export interface LinkWish {
  readonly subject: LinkSubject;
  readonly expiresAt: Date | null;
  readonly password: string | null;
  readonly maxDownloads: number | null;
  readonly drop: DropLimits | null;
}
