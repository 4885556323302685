/** An account, without what proves it. */
export interface User {
  readonly id: string;
  readonly email: string;
  readonly username: string | null;
  readonly name: string | null;
  readonly role: 'USER' | 'ADMIN';
  readonly emailVerifiedAt: Date | null;
  readonly disabledAt: Date | null;
  readonly deletionRequestedAt: Date | null;
  /** From when on the account is erased. */
  readonly deletionDueAt: Date | null;
  /** An admin asked for the deletion: the owner cannot undo it. */
  readonly deletionByAdmin: boolean;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** How an e-mail address or username is compared: without case, composed (NFC), without surrounding space. */
export function comparisonKey(text: string): string {
  return text.trim().normalize('NFC').toLowerCase();
}

const USERNAME = /^[A-Za-z0-9_.-]{3,32}$/;

/** Why a text is no username, or null. Without `@`, none can be taken for an e-mail address. */
export function usernameFault(username: string): string | null {
  return USERNAME.test(username) ? null : 'must be 3 to 32 of A-Z, a-z, 0-9, "_", "." and "-"';
}

const MAX_EMAIL_BYTES = 254;
// RFC 5321 without quoted local parts and address literals, with the letters of RFC 6531; `localhost` or a dotted domain.
const EMAIL =
  /^[^\s@<>()[\]\\,;:"\p{Cc}]{1,64}@(localhost|([\p{L}\p{N}]([\p{L}\p{N}-]*[\p{L}\p{N}])?\.)+[\p{L}\p{N}-]{2,63})$/iu;

/** Why a text (already trimmed) is no e-mail address, or null. */
export function emailFault(email: string): string | null {
  if (Buffer.byteLength(email) > MAX_EMAIL_BYTES) return `must be at most ${MAX_EMAIL_BYTES} bytes`;
  return EMAIL.test(email) && !email.includes('..') ? null : 'must be an e-mail address';
}
