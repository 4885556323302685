import { lastSegment } from '../ingest/index.ts';
import type { PublicLink, PublicListing } from './public-link.ts';

/** What a visitor may know of a link and of what it opens. */
export function presentListing(link: PublicLink, { path, folders, files }: PublicListing) {
  const { target, expiresAt, maxDownloads, downloads } = link;
  return {
    link: {
      type: target.kind,
      name: lastSegment(target.path),
      path,
      expiresAt: expiresAt?.toISOString() ?? null,
      downloadsLeft: maxDownloads === null ? null : maxDownloads - downloads,
      maxUploadBytes: target.kind === 'drop' ? target.limits.maxBytes : null,
      maxUploadFiles: target.kind === 'drop' ? target.limits.maxFiles : null,
    },
    folders: folders.map(({ name, path: folder }) => ({ name, path: folder })),
    files: files.map((file) => ({
      name: file.name,
      path: file.path,
      size: file.sizeBytes,
      contentType: file.contentType,
      lastModified: file.modifiedAt.toISOString(),
    })),
  };
}
