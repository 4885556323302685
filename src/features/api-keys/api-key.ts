import type { Permission } from '../access/index.ts';

/** A key and the quota of its pocket. Bytes and counts are whole numbers below 2^53. */
export interface ApiKey {
  readonly id: string;
  readonly accessKeyId: string;
  readonly name: string;
  /** Neither revoked nor expired at the time of reading. */
  readonly isActive: boolean;
  readonly permissions: readonly Permission[];
  readonly createdAt: Date;
  readonly expiresAt: Date | null;
  readonly claimedAt: Date | null;
  readonly lastUsedAt: Date | null;
  readonly revokedAt: Date | null;
  readonly quota: { readonly maxBytes: number; readonly maxObjects: number };
}

/** The secret, shown this once. */
export interface ClaimedSecret {
  readonly accessKeyId: string;
  readonly secretKey: string;
}

const BYTES_PER_GB = 1024 ** 3;

/** A quota in bytes; GB are 1024^3 bytes and may be fractions. */
export function bytesOfGB(gigabytes: number): number {
  return Math.max(1, Math.round(gigabytes * BYTES_PER_GB));
}
