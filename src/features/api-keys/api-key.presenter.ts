import { presentUsage } from '../storage/index.ts';
import { presentUser } from '../users/index.ts';
import type { AdminKey } from './admin-key.ts';
import type { ApiKey, KeySecret, RotatedSecret } from './api-key.ts';
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
    secrets: key.secrets.map(presentSecret),
  };
}

function presentSecret(secret: KeySecret) {
  return {
    id: secret.id,
    createdAt: secret.createdAt.toISOString(),
    lastUsedAt: secret.lastUsedAt?.toISOString() ?? null,
    lastUsedIp: secret.lastUsedIp,
    retiresAt: secret.retiresAt?.toISOString() ?? null,
  };
}

/** The one showing of a second secret. */
export function presentRotation(rotated: RotatedSecret) {
  return { ...rotated, oldSecretRetiresAt: rotated.oldSecretRetiresAt?.toISOString() ?? null };
}

/** The key, whose it is and what lies in its pocket, for admins. */
export function presentAdminKey({ key, user, space }: AdminKey) {
  return { ...presentApiKey(key), user: presentUser(user), usage: presentUsage(space, space.updatedAt) };
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
    permissions: request.permissions,
    expiresAt: request.keyExpiresAt?.toISOString() ?? null,
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
