import { presentUser } from '../users/index.ts';
import type { ApiKey } from './api-key.ts';
import type { KeyRequest, KeyRequestWithUser } from './key-request.ts';

/** API.md's `key`. */
export function presentApiKey(key: ApiKey) {
  return {
    id: key.id,
    accessKeyId: key.accessKeyId,
    name: key.name,
    isActive: key.isActive,
    permissions: key.permissions,
    createdAt: key.createdAt.toISOString(),
    expiresAt: key.expiresAt?.toISOString() ?? null,
    lastUsedAt: key.lastUsedAt?.toISOString() ?? null,
    revokedAt: key.revokedAt?.toISOString() ?? null,
    quota: key.quota,
  };
}

/** API.md's `request`. */
export function presentRequest(request: KeyRequest) {
  return {
    id: request.id,
    requestType: request.requestType,
    keyName: request.keyName,
    accessKeyId: request.accessKeyId,
    requestedStorageGB: request.requestedStorageGB,
    requestedObjects: request.requestedObjects,
    grantedStorageGB: request.grantedStorageGB,
    grantedObjects: request.grantedObjects,
    reason: request.reason,
    status: request.status,
    reviewerComment: request.reviewerComment,
    createdAt: request.createdAt.toISOString(),
    reviewedAt: request.reviewedAt?.toISOString() ?? null,
  };
}

/** The same with who asks, for admins. */
export function presentRequestWithUser(request: KeyRequestWithUser) {
  return { ...presentRequest(request), user: presentUser(request.user) };
}
