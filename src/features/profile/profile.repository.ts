import type { Database } from '../../platform/db/database.ts';
import { isUniqueViolation } from '../../platform/db/errors.ts';
import type { Tx } from '../../platform/db/unit-of-work.ts';
import { comparisonKey, USER_COLUMNS, type User } from '../users/index.ts';

/** What is to change; undefined leaves a field as it is. */
export interface ProfileChange {
  readonly name?: string | null | undefined;
  readonly email?: string | undefined;
  readonly username?: string | null | undefined;
}

/** What users change of their own rows. */
export class ProfileRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Changes the account and answers it before and after; null when there is no such user. An address that is another one
   * by its comparison key is unproven. Tells what is taken: then the transaction can only be given up.
   */
  async change(
    tx: Tx,
    userId: string,
    change: ProfileChange,
    now: Date,
  ): Promise<{ readonly before: User; readonly after: User } | 'email_taken' | 'username_taken' | null> {
    await tx.$queryRaw`SELECT 1 FROM users WHERE id = ${userId}::uuid FOR UPDATE`;
    const before = await tx.user.findUnique({ where: { id: userId }, select: USER_COLUMNS });
    if (!before) return null;
    const { name = before.name, email = before.email, username = before.username } = change;
    if (name === before.name && email === before.email && username === before.username)
      return { before, after: before };
    const emailKey = comparisonKey(email);
    try {
      const after = await tx.user.update({
        where: { id: userId },
        data: {
          name,
          email,
          emailKey,
          username,
          usernameKey: username === null ? null : comparisonKey(username),
          emailVerifiedAt: emailKey === comparisonKey(before.email) ? before.emailVerifiedAt : null,
          updatedAt: now,
        },
        select: USER_COLUMNS,
      });
      return { before, after };
    } catch (error) {
      if (isUniqueViolation(error, 'email_key')) return 'email_taken';
      if (isUniqueViolation(error, 'username_key')) return 'username_taken';
      throw error;
    }
  }

  /** The photo's object; null where there is none. */
  async findPhotoKey(userId: string): Promise<string | null> {
    const row = await this.#database.prisma.user.findUnique({ where: { id: userId }, select: { photoKey: true } });
    return row?.photoKey ?? null;
  }

  /** Names another photo, or none, and answers the old one's object; undefined when the account is gone or being erased. */
  async replacePhoto(tx: Tx, userId: string, photoKey: string | null, now: Date): Promise<string | null | undefined> {
    const [row] = await tx.$queryRaw<{ photo_key: string | null }[]>`
      SELECT photo_key FROM users WHERE id = ${userId}::uuid AND erasure_started_at IS NULL FOR UPDATE`;
    if (!row) return undefined;
    if (row.photo_key !== photoKey) await tx.user.update({ where: { id: userId }, data: { photoKey, updatedAt: now } });
    return row.photo_key;
  }
}
