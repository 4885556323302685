import type { User } from '../users/index.ts';

/** What an account is, one of these: whoever is about to be deleted is that first, then disabled, then unverified. */
export const USER_STATUSES = ['active', 'disabled', 'unverified', 'deleting'] as const;
export type UserStatus = (typeof USER_STATUSES)[number];

/** An account as an admin sees it. Bytes and counts are whole numbers below 2^53. */
export interface AdminUser extends User {
  readonly status: UserStatus;
  readonly lastLoginAt: Date | null;
  readonly loginCount: number;
  readonly apiKeyCount: number;
  /** Neither revoked nor expired. */
  readonly activeKeyCount: number;
  readonly pendingRequestCount: number;
  readonly drive: {
    readonly bytesUsed: number;
    readonly objects: number;
    readonly quota: DriveQuota;
  };
  /** Over the drive and the pockets of all keys. */
  readonly usage: { readonly bytesUsed: number; readonly objects: number; readonly bytesReserved: number };
}

export interface DriveQuota {
  readonly maxBytes: number;
  readonly maxObjects: number;
}

export interface LoginAttempt {
  readonly at: Date;
  readonly ip: string | null;
  readonly userAgent: string | null;
  readonly succeeded: boolean;
}

/** The same with what only a single one is asked for. */
export interface AdminUserDetail extends AdminUser {
  /** The last 20, newest first. */
  readonly recentLogins: readonly LoginAttempt[];
  readonly activeSessionCount: number;
}

/** Which accounts; what is undefined does not narrow. */
export interface UserFilter {
  /** Part of the e-mail address, the username or the name, in any case; or an id or its first 8 characters or more. */
  readonly search: string | undefined;
  readonly status: UserStatus | undefined;
  readonly role: User['role'] | undefined;
  /** Without a login (or, never logged in, a registration) for so many days. */
  readonly inactiveDays: number | undefined;
}

/** At most `limit` accounts, older than the one that `cursor` names. */
export interface UserPageRequest extends UserFilter {
  readonly limit: number;
  readonly cursor: string | undefined;
}

export interface UserPage {
  readonly users: readonly AdminUser[];
  /** The last one's id; null on the last page. */
  readonly nextCursor: string | null;
  /** All accounts by status, whatever the filter. */
  readonly counts: Record<UserStatus, number>;
}

/** What an admin sets; undefined leaves as it is. */
export interface UserChange {
  readonly disabled: boolean | undefined;
  readonly role: User['role'] | undefined;
  readonly driveQuota: { readonly maxBytes: number | undefined; readonly maxObjects: number | undefined } | undefined;
}

/** Whether somebody can act as admin: verified, not disabled, not about to be deleted. */
export function isAbleAdmin(user: Pick<User, 'role' | 'emailVerifiedAt' | 'disabledAt' | 'deletionDueAt'>): boolean {
  return (
    user.role === 'ADMIN' && user.emailVerifiedAt !== null && user.disabledAt === null && user.deletionDueAt === null
  );
}
