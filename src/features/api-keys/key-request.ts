import type { Permission } from '../access/index.ts';
import type { User } from '../users/index.ts';

export const REQUEST_STATUSES = ['PENDING', 'APPROVED', 'REJECTED', 'WITHDRAWN'] as const;
export type RequestStatus = (typeof REQUEST_STATUSES)[number];

/** Somebody's wish for a key, or for more room in one, and what became of it. GB may be fractions. */
export interface KeyRequest {
  readonly id: string;
  readonly userId: string;
  readonly requestType: 'CREATE' | 'UPGRADE';
  readonly keyName: string;
  /** Of the key that was made, or that the upgrade is about. */
  readonly accessKeyId: string | null;
  readonly requestedStorageGB: number;
  readonly requestedObjects: number;
  readonly grantedStorageGB: number | null;
  readonly grantedObjects: number | null;
  readonly reason: string;
  readonly permissions: readonly Permission[];
  readonly keyExpiresAt: Date | null;
  readonly status: RequestStatus;
  readonly reviewerComment: string | null;
  readonly createdAt: Date;
  readonly reviewedAt: Date | null;
}

/** A request as an admin sees it. */
export interface KeyRequestWithUser extends KeyRequest {
  /** Of the key that was made, or that the upgrade is about. */
  readonly apiKeyId: string | null;
  readonly user: User;
}
