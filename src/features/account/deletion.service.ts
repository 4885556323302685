import { AppError } from '../../errors/app-error.ts';
import type { Clock } from '../../platform/clock/clock.ts';
import { isId } from '../../platform/crypto/random.ts';
import type { Tx, UnitOfWork } from '../../platform/db/unit-of-work.ts';
import type { JobSender } from '../../platform/queue/job-queue.ts';
import type { ActingUser, AuditRepository, Doer } from '../audit/index.ts';
import type { PasswordCheckService, SessionRepository } from '../auth/index.ts';
import type { MailService } from '../mail/index.ts';
import type { User, UserRepository } from '../users/index.ts';
import type { DeletionOrder, DeletionRepository } from './deletion.repository.ts';
import { eraseJob } from './erasure.ts';

const DAY_MS = 24 * 3600 * 1000;

export interface AccountDeletionDependencies {
  readonly uow: UnitOfWork;
  readonly deletions: DeletionRepository;
  readonly users: UserRepository;
  readonly sessions: SessionRepository;
  readonly passwords: PasswordCheckService;
  readonly audit: AuditRepository;
  readonly mail: MailService;
  readonly queue: JobSender;
  readonly clock: Clock;
  /** How long a deletion can be undone; 0: not at all. */
  readonly graceDays: number;
}

/** A deletion that is pending. */
export interface PendingDeletion {
  readonly requestedAt: Date;
  /** From when on the account is erased. */
  readonly dueAt: Date;
}

/** Accounts that are to end: keys and sessions at once, everything else after a time in which it can be undone. */
export class AccountDeletionService {
  readonly #deps: AccountDeletionDependencies;

  constructor(deps: AccountDeletionDependencies) {
    this.#deps = deps;
  }

  /** By the owner. Errors: INVALID_CREDENTIALS (the password), LAST_ADMIN, CONFLICT (pending already). */
  async request(by: ActingUser, password: string): Promise<PendingDeletion> {
    const { passwordHash } = await this.#deps.passwords.check(by.userId, password, by.origin);
    return this.#order(by.userId, { byAdmin: false, passwordHash }, by);
  }

  /**
   * By an admin, whom alone it can be undone by then. Errors: USER_NOT_FOUND, LAST_ADMIN, CONFLICT (pending already, or
   * the admin's own account, which takes a password).
   */
  async requestByAdmin(admin: ActingUser, userId: string): Promise<PendingDeletion> {
    if (userId.toLowerCase() === admin.userId) {
      throw new AppError('CONFLICT', { message: 'Delete your own account by DELETE /users/account' });
    }
    return this.#order(userId, { byAdmin: true, passwordHash: null }, admin);
  }

  /** By the owner. Errors: CONFLICT (none is pending, or the erasure has begun), FORBIDDEN (an admin ordered it). */
  async restore(by: ActingUser): Promise<User> {
    return this.#cancel(by.userId, false, by);
  }

  /** By an admin, whoever ordered it. Errors: USER_NOT_FOUND, CONFLICT (none is pending, or the erasure has begun). */
  async restoreByAdmin(admin: ActingUser, userId: string): Promise<User> {
    return this.#cancel(userId, true, admin);
  }

  async #order(
    userId: string,
    terms: Pick<DeletionOrder, 'byAdmin' | 'passwordHash'>,
    by: ActingUser,
  ): Promise<PendingDeletion> {
    const { uow, deletions, mail, queue, clock, graceDays } = this.#deps;
    if (!isId(userId)) throw new AppError('USER_NOT_FOUND');
    const requestedAt = clock.now();
    const dueAt = new Date(requestedAt.getTime() + graceDays * DAY_MS);
    const { byAdmin } = terms;
    const done = await uow.run(async (tx) => {
      await this.#deps.users.lockAdmins(tx);
      if (byAdmin) await this.#deps.users.holdAdmin(tx, by.userId);
      const user = await deletions.order(tx, userId, { requestedAt, dueAt, ...terms });
      if (!user) return false;
      await this.#assertAdminIsLeft(tx, user);
      await this.#closeDoors(tx, userId, { now: requestedAt, byAdmin }, by);
      await mail.sendAccountDeletion(tx, user.email, { dueAt, byAdmin });
      if (graceDays === 0) await queue.enqueue(tx, eraseJob, { userId });
      return true;
    });
    if (!done) throw await this.#whyNotOrdered(userId);
    return { requestedAt, dueAt };
  }

  async #assertAdminIsLeft(tx: Tx, user: User): Promise<void> {
    // Also one who cannot act just now: an admin who has yet to prove a new address may be the last one there is.
    if (user.role === 'ADMIN' && !(await this.#deps.users.hasOtherAbleAdmin(tx, user.id)))
      throw new AppError('LAST_ADMIN');
  }

  async #closeDoors(
    tx: Tx,
    userId: string,
    { now, byAdmin }: { readonly now: Date; readonly byAdmin: boolean },
    { actor, origin }: Doer,
  ): Promise<void> {
    const { deletions, sessions, audit } = this.#deps;
    const withdrawnRequests = await deletions.withdrawRequests(tx, userId);
    const revokedKeys = await deletions.revokeKeys(tx, userId, now);
    const endedSessions = await sessions.revokeAll(tx, userId, now);
    await audit.append(tx, {
      action: 'user.delete',
      actor,
      origin,
      subject: { type: 'user', id: userId },
      metadata: { byAdmin, revokedKeys, endedSessions, withdrawnRequests },
    });
  }

  async #whyNotOrdered(userId: string): Promise<AppError> {
    const state = await this.#deps.deletions.find(userId);
    if (!state) return new AppError('USER_NOT_FOUND');
    if (state.pending) return new AppError('CONFLICT', { message: 'The account is about to be deleted already' });
    return new AppError('INVALID_CREDENTIALS', { message: 'The password has just been changed' });
  }

  async #cancel(userId: string, byAdmin: boolean, by: ActingUser): Promise<User> {
    const { uow, deletions, users, audit, clock } = this.#deps;
    const { actor, origin } = by;
    if (!isId(userId)) throw new AppError('USER_NOT_FOUND');
    const cancelled = await uow.run(async (tx) => {
      if (byAdmin) await users.holdAdmin(tx, by.userId);
      if (!(await deletions.cancel(tx, userId, { now: clock.now(), alsoByAdmin: byAdmin }))) return false;
      const restoredKeys = await deletions.restoreKeys(tx, userId);
      await audit.append(tx, {
        action: 'user.restore',
        actor,
        origin,
        subject: { type: 'user', id: userId },
        metadata: { byAdmin, restoredKeys },
      });
      return true;
    });
    if (!cancelled) throw await this.#whyNotCancelled(userId);
    const user = await users.findById(userId);
    if (!user) throw new AppError('USER_NOT_FOUND');
    return user;
  }

  async #whyNotCancelled(userId: string): Promise<AppError> {
    const state = await this.#deps.deletions.find(userId);
    if (!state) return new AppError('USER_NOT_FOUND');
    if (!state.pending) return new AppError('CONFLICT', { message: 'The account is not about to be deleted' });
    if (state.erasing) return new AppError('CONFLICT', { message: 'It is too late: the account is being erased' });
    return new AppError('FORBIDDEN', { message: 'An admin deleted the account; only an admin can undo it' });
  }
}
