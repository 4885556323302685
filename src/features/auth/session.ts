/** A login as its user sees it. */
export interface Session {
  readonly id: string;
  /** From where it was opened; null where that is not known. */
  readonly ip: string | null;
  readonly userAgent: string | null;
  readonly createdAt: Date;
  /** When its refresh token was last used, or the login. */
  readonly lastUsedAt: Date;
  readonly expiresAt: Date;
}
