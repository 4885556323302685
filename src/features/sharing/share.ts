import { comparisonKey } from '../users/index.ts';

/** VIEW reads and lists, EDIT changes as well. */
export const SHARE_PERMISSIONS = ['VIEW', 'EDIT'] as const;
export type SharePermission = (typeof SHARE_PERMISSIONS)[number];

/** What is shared: a living file or a folder of the owner's drive. */
export type ShareSubject = { readonly fileId: string } | { readonly folderId: string };

/** With whom, as the owner knows that person. */
export type ShareAddress = { readonly email: string } | { readonly username: string };

/** What of a share can change. */
export interface ShareTerms {
  readonly permission: SharePermission;
  /** null: never. */
  readonly expiresAt: Date | null;
}

/** A share as its owner sees it: nothing of it tells whether there is somebody behind the address. */
export interface Share extends ShareTerms {
  readonly id: string;
  readonly fileId: string | null;
  readonly folderId: string | null;
  /** Of the file or folder, in the owner's drive. */
  readonly path: string;
  /** As it was given; null where the other one was, or its holder's account has been erased. */
  readonly email: string | null;
  readonly username: string | null;
  readonly createdAt: Date;
}

/** What is to change; undefined stays as it is. */
export interface ShareChange {
  readonly permission: SharePermission | undefined;
  readonly expiresAt: Date | null | undefined;
}

/** A share as the person sees it with whom it is shared. */
export interface ReceivedShare extends ShareTerms {
  readonly id: string;
  readonly fileId: string | null;
  readonly folderId: string | null;
  /** The last segment of the path: what lies above is the owner's. */
  readonly name: string;
  readonly owner: { readonly name: string | null; readonly username: string | null; readonly email: string };
  readonly sharedAt: Date;
}

/** What makes two addresses one; `account.erase` looks for the same form. */
export function granteeKeyOf(address: ShareAddress): string {
  return 'email' in address ? `email:${comparisonKey(address.email)}` : `username:${comparisonKey(address.username)}`;
}
