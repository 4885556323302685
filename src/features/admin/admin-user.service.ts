import { AppError } from '../../errors/app-error.ts';
import type { Clock } from '../../platform/clock/clock.ts';
import { isId } from '../../platform/crypto/random.ts';
import type { Tx, UnitOfWork } from '../../platform/db/unit-of-work.ts';
import { cutPageById } from '../../platform/keyset.ts';
import type { ActingUser, AuditRepository } from '../audit/index.ts';
import type { SessionRepository } from '../auth/index.ts';
import type { User, UserRepository } from '../users/index.ts';
import type { AdminUserRepository } from './admin-user.repository.ts';
import {
  type AdminUserDetail,
  type DriveQuota,
  isAbleAdmin,
  type UserChange,
  type UserPage,
  type UserPageRequest,
} from './admin-user.ts';

const SHOWN_LOGINS = 20;

export interface AdminUserDependencies {
  readonly uow: UnitOfWork;
  readonly accounts: AdminUserRepository;
  readonly users: UserRepository;
  readonly sessions: SessionRepository;
  readonly audit: AuditRepository;
  readonly clock: Clock;
}

/** What admins see of accounts and change about them. */
export class AdminUserService {
  readonly #deps: AdminUserDependencies;

  constructor(deps: AdminUserDependencies) {
    this.#deps = deps;
  }

  /** Newest first, by two statements. */
  async list(request: UserPageRequest): Promise<UserPage> {
    const { accounts, clock } = this.#deps;
    const { limit } = request;
    const [found, counts] = await Promise.all([
      accounts.list({ ...request, limit: limit + 1 }, clock.now()),
      accounts.countByStatus(),
    ]);
    const { entries: users, nextCursor } = cutPageById(found, limit);
    return { users, nextCursor, counts };
  }

  /** USER_NOT_FOUND, also for what is no id. */
  async get(id: string): Promise<AdminUserDetail> {
    const { accounts, clock } = this.#deps;
    if (!isId(id)) throw new AppError('USER_NOT_FOUND');
    // Ids are lower case where they are text: as the audit log's subjects.
    const userId = id.toLowerCase();
    const now = clock.now();
    const [user, recentLogins, activeSessionCount] = await Promise.all([
      accounts.find(userId, now),
      accounts.recentLogins(userId, SHOWN_LOGINS),
      accounts.countSessions(userId, now),
    ]);
    if (!user) throw new AppError('USER_NOT_FOUND');
    return { ...user, recentLogins, activeSessionCount };
  }

  /**
   * Disables or enables, sets the role, sets the drive's quota: all of it or nothing, with an audit entry for each that
   * differs from what was. Disabling ends every session for good. USER_NOT_FOUND; LAST_ADMIN when nobody else could act
   * as admin afterwards; FORBIDDEN when the one who asks has ceased to be an admin.
   */
  async change(id: string, change: UserChange, by: ActingUser): Promise<AdminUserDetail> {
    const { uow, users, accounts } = this.#deps;
    if (!isId(id)) throw new AppError('USER_NOT_FOUND');
    await uow.run(async (tx) => {
      await users.lockAdmins(tx);
      const user = await accounts.lock(tx, id);
      if (!user) throw new AppError('USER_NOT_FOUND');
      await this.#assertAdminStays(tx, user, change);
      // Between being let in and getting here lie the request's body, as slow as the client likes, and the lock.
      await users.holdAdmin(tx, by.userId);
      if (change.disabled !== undefined) await this.#setDisabled(tx, user, change.disabled, by);
      if (change.role !== undefined) await this.#setRole(tx, user, change.role, by);
      // Last: uploads to the drive wait for it.
      if (change.driveQuota !== undefined) await this.#setDriveQuota(tx, user, change.driveQuota, by);
    });
    return this.get(id);
  }

  /** Under the lock of all admins, so that no other transaction takes away the one who is found here. */
  async #assertAdminStays(tx: Tx, user: User, change: UserChange): Promise<void> {
    if (!isAbleAdmin(user) || (change.disabled !== true && change.role !== 'USER')) return;
    if (!(await this.#deps.users.hasOtherAbleAdmin(tx, user.id))) throw new AppError('LAST_ADMIN');
  }

  async #setDisabled(tx: Tx, user: User, disabled: boolean, by: ActingUser): Promise<void> {
    const { accounts, sessions, clock } = this.#deps;
    if (disabled === (user.disabledAt !== null)) return;
    const now = clock.now();
    await accounts.setDisabledAt(tx, user.id, disabled ? now : null, now);
    if (disabled) {
      const sessionsEnded = await sessions.revokeAll(tx, user.id, now);
      await this.#record(tx, by, 'admin.user_disable', user.id, { sessionsEnded });
    } else {
      await this.#record(tx, by, 'admin.user_enable', user.id, {
        disabledAt: user.disabledAt?.toISOString() ?? null,
      });
    }
  }

  async #setRole(tx: Tx, user: User, role: User['role'], by: ActingUser): Promise<void> {
    const { accounts, clock } = this.#deps;
    if (role === user.role) return;
    await accounts.setRole(tx, user.id, role, clock.now());
    await this.#record(tx, by, 'admin.role_change', user.id, { from: user.role, to: role });
  }

  async #setDriveQuota(
    tx: Tx,
    user: User,
    wanted: NonNullable<UserChange['driveQuota']>,
    by: ActingUser,
  ): Promise<void> {
    const { accounts } = this.#deps;
    const old = await accounts.lockDriveQuota(tx, user.id);
    // Every account has its drive until it is erased, the drive first.
    if (!old) throw new AppError('USER_NOT_FOUND');
    const { maxBytes = old.maxBytes, maxObjects = old.maxObjects } = wanted;
    const quota: DriveQuota = { maxBytes, maxObjects };
    if (maxBytes === old.maxBytes && maxObjects === old.maxObjects) return;
    await accounts.setDriveQuota(tx, user.id, quota);
    await this.#record(tx, by, 'admin.drive_quota_change', user.id, {
      oldMaxBytes: old.maxBytes,
      maxBytes,
      oldMaxObjects: old.maxObjects,
      maxObjects,
    });
  }

  #record(
    tx: Tx,
    { actor, origin }: ActingUser,
    action: 'admin.user_disable' | 'admin.user_enable' | 'admin.role_change' | 'admin.drive_quota_change',
    userId: string,
    metadata: Readonly<Record<string, string | number | null>>,
  ): Promise<void> {
    return this.#deps.audit.append(tx, { action, actor, origin, subject: { type: 'user', id: userId }, metadata });
  }
}
