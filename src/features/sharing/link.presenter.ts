import type { ShareLink } from './link.ts';

/** API.md's `link`. */
export function presentLink(link: ShareLink) {
  return {
    id: link.id,
    fileId: link.fileId,
    folderId: link.folderId,
    name: link.name,
    hasPassword: link.hasPassword,
    expiresAt: link.expiresAt?.toISOString() ?? null,
    maxDownloads: link.maxDownloads,
    downloads: link.downloads,
    allowUpload: link.drop !== null,
    maxUploadBytes: link.drop?.maxBytes ?? null,
    maxUploadFiles: link.drop?.maxFiles ?? null,
    uploadedFiles: link.uploadedFiles,
    createdAt: link.createdAt.toISOString(),
    lastUsedAt: link.lastUsedAt?.toISOString() ?? null,
  };
}
