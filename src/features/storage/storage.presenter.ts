import type { SpaceCounters, SpaceSnapshot } from '../access/index.ts';
import type { IngestedFile } from '../ingest/index.ts';
import type { DeletedFile } from '../ledger/index.ts';
import type { Deletion } from './storage.service.ts';
import type { StoredFile } from './stored-file.ts';

type Late = 'status' | 'modifiedAt' | 'hasThumbnails';
type FileLike = Omit<StoredFile, 'objectKey' | Late> & Partial<Pick<StoredFile, Late>>;

/** API.md's `file`. */
export function presentFile(file: FileLike | IngestedFile) {
  const late = file as Partial<Pick<StoredFile, Late>>;
  const { status = 'READY', modifiedAt = file.uploadedAt, hasThumbnails = false } = late;
  return {
    id: file.id,
    fileName: file.path,
    size: file.sizeBytes,
    contentType: file.contentType,
    category: file.category,
    extension: file.extension,
    checksumSha256: file.sha256,
    etag: file.etag,
    status,
    tags: file.tags,
    uploadedAt: file.uploadedAt.toISOString(),
    lastModified: modifiedAt.toISOString(),
    thumbnails: hasThumbnails && status === 'READY' ? thumbnailPaths('/api/assets', file) : null,
  };
}

/** Where they are read with the same credentials; `/assets/:id` gives links that need none. */
export function thumbnailPaths(root: string, { id, etag }: Pick<StoredFile, 'id' | 'etag'>) {
  const at = (size: string) => `${root}/${id}/thumbnails/${size}?v=${encodeURIComponent(etag)}`;
  return { small: at('small'), medium: at('medium'), large: at('large') };
}

/** API.md's `usage`. */
export function presentUsage(counters: SpaceCounters, lastUpdated: Date) {
  return {
    bytesUsed: counters.usedBytes,
    objects: counters.usedObjects,
    bytesReserved: counters.reservedBytes,
    trashBytes: counters.trashBytes,
    versionBytes: counters.versionBytes,
    lastUpdated: lastUpdated.toISOString(),
  };
}

/** What lists of a space have in all. */
export function livingFiles({ usedObjects, trashObjects, versionObjects }: SpaceSnapshot): number {
  return usedObjects - trashObjects - versionObjects;
}

/** Usage held against the quota; percentages with two decimals. */
export function presentQuotaUsage(space: SpaceSnapshot) {
  const quotaExceeded = space.usedBytes >= space.quotaBytes || space.usedObjects >= space.quotaObjects;
  return {
    usage: presentUsage(space, space.updatedAt),
    quota: { maxBytes: space.quotaBytes, maxObjects: space.quotaObjects, canUpload: !quotaExceeded, quotaExceeded },
    usagePercentage: {
      bytes: percentage(space.usedBytes, space.quotaBytes),
      objects: percentage(space.usedObjects, space.quotaObjects),
    },
  };
}

/** One deleted file; in the trash it still counts, so nothing is freed. */
export function presentDeletedFile({ path, freedBytes, trashed }: DeletedFile) {
  return { fileName: path, sizeFreed: freedBytes, trashed };
}

/** API.md's answer to a bulk delete. */
export function presentDeletion({ deleted, missing }: Deletion) {
  return {
    deleted: deleted.map(presentDeletedFile),
    failed: missing.map((fileName) => ({ fileName, reason: 'FILE_NOT_FOUND' })),
    summary: {
      requested: deleted.length + missing.length,
      deleted: deleted.length,
      failed: missing.length,
      sizeFreed: deleted.reduce((sum, { freedBytes }) => sum + freedBytes, 0),
    },
  };
}

/** With two decimals; all of nothing is 100. */
export function percentage(part: number, whole: number): number {
  return whole === 0 ? 100 : Math.round((part / whole) * 10_000) / 100;
}
