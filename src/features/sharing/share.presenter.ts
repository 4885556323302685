import type { ReceivedShare, Share } from './share.ts';

/** API.md's `share`, for its owner. */
export function presentShare(share: Share) {
  const { id, fileId, folderId, path, email, username, permission, expiresAt, createdAt } = share;
  return {
    id,
    fileId,
    folderId,
    name: path.slice(path.lastIndexOf('/') + 1),
    email,
    username,
    permission,
    expiresAt: expiresAt?.toISOString() ?? null,
    createdAt: createdAt.toISOString(),
  };
}

/** The same for the person with whom it is shared. */
export function presentReceivedShare({ expiresAt, sharedAt, ...share }: ReceivedShare) {
  return { ...share, expiresAt: expiresAt?.toISOString() ?? null, sharedAt: sharedAt.toISOString() };
}
