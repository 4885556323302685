import { AppError } from '../../errors/app-error.ts';
import { newId } from '../../platform/crypto/random.ts';
import type { Database } from '../../platform/db/database.ts';
import { isUniqueViolation } from '../../platform/db/errors.ts';
import type { Prisma } from '../../platform/db/generated/client.ts';
import type { Tx } from '../../platform/db/unit-of-work.ts';
import { comparisonKey, type User } from './user.ts';

export interface NewUser {
  readonly id: string;
  readonly email: string;
  readonly username: string | null;
  readonly name: string | null;
  readonly passwordHash: string;
  readonly role: 'USER' | 'ADMIN';
  readonly emailVerifiedAt: Date | null;
  readonly createdAt: Date;
  /** Of the drive that comes with the account. */
  readonly driveQuota: { readonly bytes: number; readonly objects: number };
}

/** An account with what proves it, for logging in. */
export interface UserWithPassword {
  readonly user: User;
  readonly passwordHash: string;
}

/** All of a user's row that may leave the database. */
export const USER_COLUMNS = {
  id: true,
  email: true,
  username: true,
  name: true,
  role: true,
  emailVerifiedAt: true,
  disabledAt: true,
  deletionRequestedAt: true,
  deletionDueAt: true,
  deletionByAdmin: true,
  createdAt: true,
  updatedAt: true,
} satisfies Prisma.UserSelect;

/** Accounts. */
export class UserRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Creates the account and its drive, or tells what is taken; then the transaction can only be given up. */
  async create(tx: Tx, user: NewUser): Promise<User | 'email_taken' | 'username_taken'> {
    const { driveQuota, createdAt, ...columns } = user;
    try {
      const created = await tx.user.create({
        data: {
          ...columns,
          emailKey: comparisonKey(user.email),
          usernameKey: user.username === null ? null : comparisonKey(user.username),
          createdAt,
          updatedAt: createdAt,
        },
        select: USER_COLUMNS,
      });
      await tx.space.create({
        data: {
          id: newId(),
          kind: 'DRIVE',
          ownerId: user.id,
          prefix: `users/${user.id}/`,
          quotaBytes: BigInt(driveQuota.bytes),
          quotaObjects: BigInt(driveQuota.objects),
          createdAt,
          updatedAt: createdAt,
        },
      });
      return created;
    } catch (error) {
      if (isUniqueViolation(error, 'email_key')) return 'email_taken';
      if (isUniqueViolation(error, 'username_key')) return 'username_taken';
      throw error;
    }
  }

  findById(id: string): Promise<User | null> {
    return this.#database.prisma.user.findUnique({ where: { id }, select: USER_COLUMNS });
  }

  /** By e-mail address or username, whichever is given. An account that is being erased is none any more. */
  async findForLogin(
    login: { readonly email: string } | { readonly username: string },
  ): Promise<UserWithPassword | null> {
    const where =
      'email' in login ? { emailKey: comparisonKey(login.email) } : { usernameKey: comparisonKey(login.username) };
    const row = await this.#database.prisma.user.findUnique({
      where: { ...where, erasureStartedAt: null },
      select: { ...USER_COLUMNS, passwordHash: true },
    });
    if (!row) return null;
    const { passwordHash, ...user } = row;
    return { user, passwordHash };
  }

  /**
   * Notes a login, provided that the account is still what the password was checked against; false when it was disabled,
   * got another password or began to be erased meanwhile.
   */
  async noteLogin(tx: Tx, id: string, passwordHash: string, at: Date): Promise<boolean> {
    const changed = await tx.$executeRaw`
      UPDATE users SET last_login_at = ${at}, login_count = login_count + 1
      WHERE id = ${id}::uuid AND password_hash = ${passwordHash} AND disabled_at IS NULL AND erasure_started_at IS NULL`;
    return changed === 1;
  }

  /**
   * Sets another password, provided that the one before is still that which was seen; false when it is not, or the account
   * was disabled or began to be erased.
   */
  async changePassword(
    tx: Tx,
    id: string,
    change: { readonly oldHash: string; readonly newHash: string; readonly at: Date },
  ): Promise<boolean> {
    const { count } = await tx.user.updateMany({
      where: { id, passwordHash: change.oldHash, disabledAt: null, erasureStartedAt: null },
      data: { passwordHash: change.newHash, updatedAt: change.at },
    });
    return count === 1;
  }

  /** Marks the address as proven, provided that it is still this one and was not proven before; else null. */
  async markEmailVerified(tx: Tx, id: string, email: string, at: Date): Promise<User | null> {
    const [row] = await tx.user.updateManyAndReturn({
      where: { id, emailKey: comparisonKey(email), emailVerifiedAt: null },
      data: { emailVerifiedAt: at, updatedAt: at },
      select: USER_COLUMNS,
    });
    return row ?? null;
  }

  async hasAdmin(tx: Tx | null): Promise<boolean> {
    const client = tx ?? this.#database.prisma;
    return (await client.user.findFirst({ where: { role: 'ADMIN' }, select: { id: true } })) !== null;
  }

  /**
   * Of two transactions that may take an admin away (demote, disable, delete), the second one waits here for the first,
   * so that what `hasOtherAbleAdmin` says afterwards holds until the end.
   */
  async lockAdmins(tx: Tx): Promise<void> {
    await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended('pockity:admins', 0))`;
  }

  /** Whether somebody else can act as admin: verified, not disabled, not about to be deleted. */
  async hasOtherAbleAdmin(tx: Tx, id: string): Promise<boolean> {
    const other = await tx.user.findFirst({
      where: { id: { not: id }, role: 'ADMIN', disabledAt: null, deletionDueAt: null, emailVerifiedAt: { not: null } },
      select: { id: true },
    });
    return other !== null;
  }

  /** Holds a living account (neither disabled nor about to be deleted) as it is until the transaction ends; null without one. */
  async holdLiving(tx: Tx, id: string): Promise<User | null> {
    await tx.$queryRaw`SELECT 1 FROM users WHERE id = ${id}::uuid FOR SHARE`;
    return tx.user.findFirst({ where: { id, disabledAt: null, deletionDueAt: null }, select: USER_COLUMNS });
  }

  /**
   * The same for an admin who acts on others: whoever has ceased to be one since the request was let in, or ceases at the
   * same moment, cannot any more. FORBIDDEN.
   */
  async holdAdmin(tx: Tx, id: string): Promise<void> {
    const admin = await this.holdLiving(tx, id);
    if (admin?.role !== 'ADMIN' || admin.emailVerifiedAt === null) throw new AppError('FORBIDDEN');
  }

  /** With the hash of the password; null when there is no such user. */
  async findWithPassword(id: string): Promise<UserWithPassword | null> {
    const row = await this.#database.prisma.user.findUnique({
      where: { id },
      select: { ...USER_COLUMNS, passwordHash: true },
    });
    if (!row) return null;
    const { passwordHash, ...user } = row;
    return { user, passwordHash };
  }

  /** Of two transactions that both mean to make the first admin, the second one waits here for the first. */
  async lockFirstAdmin(tx: Tx): Promise<void> {
    await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended('pockity:first-admin', 0))`;
  }

  /** Addresses of the admins who can act. */
  async findAdminEmails(tx: Tx): Promise<string[]> {
    const rows = await tx.user.findMany({
      where: { role: 'ADMIN', disabledAt: null, deletionDueAt: null, emailVerifiedAt: { not: null } },
      select: { email: true },
      orderBy: { id: 'asc' },
    });
    return rows.map(({ email }) => email);
  }
}
