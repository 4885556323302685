/** What a key may do in its pocket; a user may do all of it in the own drive. */
export const PERMISSIONS = ['read', 'write', 'delete', 'list'] as const;
export type Permission = (typeof PERMISSIONS)[number];

/** Who may call a route. `space:*` takes a key (with that permission) or a verified user (whose drive it is). */
export type Access = 'anyone' | 'user' | 'verified' | 'admin' | 'space:any' | `space:${Permission}`;

/** A space's row as it stood when the request was authorized. Bytes and counts are whole numbers below 2^53. */
export interface SpaceSnapshot {
  readonly id: string;
  readonly kind: 'KEY' | 'DRIVE';
  readonly prefix: string;
  readonly quotaBytes: number;
  readonly quotaObjects: number;
  readonly usedBytes: number;
  readonly usedObjects: number;
  readonly reservedBytes: number;
  readonly reservedObjects: number;
  readonly updatedAt: Date;
}

export interface UserPrincipal {
  readonly kind: 'user';
  readonly userId: string;
  readonly sessionId: string;
  readonly role: 'USER' | 'ADMIN';
  readonly emailVerified: boolean;
  readonly space: SpaceSnapshot;
}

export interface KeyPrincipal {
  readonly kind: 'key';
  readonly userId: string;
  readonly apiKeyId: string;
  readonly accessKeyId: string;
  readonly permissions: readonly Permission[];
  readonly space: SpaceSnapshot;
}

/** Who sends a request, proven. */
export type Principal = UserPrincipal | KeyPrincipal;

/** The principal that a route with this access gets. */
export type PrincipalFor<A extends Access> = A extends 'anyone'
  ? null
  : A extends 'user' | 'verified' | 'admin'
    ? UserPrincipal
    : Principal;

/** What a request shows of itself, not yet proven. */
export interface Credentials {
  readonly accessKeyId: string | undefined;
  readonly secretKey: string | undefined;
  readonly bearer: string | undefined;
  readonly ip: string | null;
}
