import type { Permission } from '../access/index.ts';

/** A key, its living secrets and the quota of its pocket. Bytes and counts are whole numbers below 2^53. */
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
  readonly quota: KeyQuota;
  /** Newest first, at most two, without those that have retired; none before the claim. */
  readonly secrets: readonly KeySecret[];
}

export interface KeyQuota {
  readonly maxBytes: number;
  readonly maxObjects: number;
}

/** What is shown of a secret after its one showing. */
export interface KeySecret {
  readonly id: string;
  readonly createdAt: Date;
  readonly lastUsedAt: Date | null;
  readonly lastUsedIp: string | null;
  /** null: not before it is rotated out. */
  readonly retiresAt: Date | null;
}

/** The secret, shown this once. */
export interface ClaimedSecret {
  readonly accessKeyId: string;
  readonly secretKey: string;
}

/** The second secret, shown this once, and when the first one ends; null where none was left. */
export interface RotatedSecret extends ClaimedSecret {
  readonly secretId: string;
  readonly oldSecretRetiresAt: Date | null;
}

const BYTES_PER_GB = 1024 ** 3;

/** A quota in bytes; GB are 1024^3 bytes and may be fractions. */
export function bytesOfGB(gigabytes: number): number {
  return Math.max(1, Math.round(gigabytes * BYTES_PER_GB));
}

/** The other way round; exact, and back again the same number of bytes. */
export function gbOfBytes(bytes: number): number {
  return bytes / BYTES_PER_GB;
}
