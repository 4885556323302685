import type { StoredFile } from './stored-file.ts';

/** A row as the driver gives it. */
export interface FileRow {
  readonly id: string;
  readonly path: string;
  readonly object_key: string;
  readonly size_bytes: number;
  readonly sha256: string;
  readonly etag: string;
  readonly content_type: string;
  readonly category: string;
  readonly extension: string;
  readonly tags: string[];
  readonly status: StoredFile['status'];
  readonly uploaded_at: Date;
  readonly modified_at: Date;
}

/** Of a file's row, in no particular order. */
export const COLUMNS = `id, path, object_key, size_bytes, sha256, etag, content_type, category, extension, tags, status, uploaded_at, modified_at`;

export function toFile(row: FileRow): StoredFile {
  return {
    id: row.id,
    path: row.path,
    objectKey: row.object_key,
    sizeBytes: row.size_bytes,
    sha256: row.sha256,
    etag: row.etag,
    contentType: row.content_type,
    category: row.category,
    extension: row.extension,
    tags: row.tags,
    status: row.status,
    uploadedAt: row.uploaded_at,
    modifiedAt: row.modified_at,
  };
}
