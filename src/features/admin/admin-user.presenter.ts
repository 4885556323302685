import { presentUser } from '../users/index.ts';
import type { AdminUser, AdminUserDetail } from './admin-user.ts';

/** API.md's `user` with what admins see besides. */
export function presentAdminUser(user: AdminUser) {
  const { deletionRequestedAt, deletionDueAt, deletionByAdmin } = user;
  return {
    ...presentUser(user),
    status: user.status,
    disabledAt: user.disabledAt?.toISOString() ?? null,
    lastLoginAt: user.lastLoginAt?.toISOString() ?? null,
    loginCount: user.loginCount,
    deletion:
      deletionRequestedAt && deletionDueAt
        ? {
            requestedAt: deletionRequestedAt.toISOString(),
            dueAt: deletionDueAt.toISOString(),
            byAdmin: deletionByAdmin,
          }
        : null,
    apiKeyCount: user.apiKeyCount,
    activeKeyCount: user.activeKeyCount,
    pendingRequestCount: user.pendingRequestCount,
    drive: user.drive,
    usage: user.usage,
  };
}

/** The same with logins and sessions. */
export function presentAdminUserDetail(user: AdminUserDetail) {
  return {
    ...presentAdminUser(user),
    recentLogins: user.recentLogins.map(({ at, ...attempt }) => ({ at: at.toISOString(), ...attempt })),
    activeSessionCount: user.activeSessionCount,
  };
}
