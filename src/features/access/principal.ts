import type { SpaceSnapshot } from './space.ts';

/** What a key may do in its pocket; a user may do all of it in the own drive. */
export const PERMISSIONS = ['read', 'write', 'delete', 'list'] as const;
export type Permission = (typeof PERMISSIONS)[number];

/**
 * Who may call a route. `leaving`: any user, also one whose account is about to be deleted; `user`: an unverified one too.
 * `space:*` takes a key (with that permission, or both of them) or a verified user (whose drive it is).
 */
export type Access =
  | 'anyone'
  | 'leaving'
  | 'user'
  | 'verified'
  | 'admin'
  | 'space:any'
  | 'space:read+write'
  | `space:${Permission}`;

export interface UserPrincipal {
  readonly kind: 'user';
  readonly userId: string;
  readonly sessionId: string;
  readonly role: 'USER' | 'ADMIN';
  readonly emailVerified: boolean;
  /** The account is about to be deleted. */
  readonly leaving: boolean;
  /** Of the access token. */
  readonly tokenExpiresAt: Date;
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
  : A extends 'leaving' | 'user' | 'verified' | 'admin'
    ? UserPrincipal
    : Principal;

/** What a request shows of itself, not yet proven. */
export interface Credentials {
  readonly accessKeyId: string | undefined;
  readonly secretKey: string | undefined;
  readonly bearer: string | undefined;
  readonly ip: string | null;
}
