import type { SpaceSnapshot } from '../access/index.ts';
import type { User } from '../users/index.ts';
import type { ApiKey, KeyQuota } from './api-key.ts';

export const KEY_STATUSES = ['active', 'revoked', 'expired'] as const;
/** `expired`: not revoked, but over. */
export type KeyStatus = (typeof KEY_STATUSES)[number];

/** A key as an admin sees it. */
export interface AdminKey {
  readonly key: ApiKey;
  readonly user: User;
  /** The pocket and its counters. */
  readonly space: SpaceSnapshot;
}

export interface AdminKeyFilter {
  readonly userId: string | undefined;
  readonly status: KeyStatus | undefined;
  /** Part of the key's name, its access key id, or its owner's e-mail address or username, in any case. */
  readonly search: string | undefined;
}

/** What is undefined stays as it is; whole numbers. */
export interface QuotaChange {
  readonly maxBytes: number | undefined;
  readonly maxObjects: number | undefined;
}

/** A quota before and after a change. */
export interface ChangedQuota {
  readonly before: KeyQuota;
  readonly after: KeyQuota;
}
