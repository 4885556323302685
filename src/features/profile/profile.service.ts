import { AppError } from '../../errors/app-error.ts';
import type { Clock } from '../../platform/clock/clock.ts';
import type { Tx, UnitOfWork } from '../../platform/db/unit-of-work.ts';
import type { SpaceSnapshot } from '../access/index.ts';
import type { ApiKey, ApiKeyService } from '../api-keys/index.ts';
import type { AuditActor, AuditOrigin, AuditRepository } from '../audit/index.ts';
import type { EmailVerificationService } from '../auth/index.ts';
import type { MailService } from '../mail/index.ts';
import { comparisonKey, type User, type UserRepository } from '../users/index.ts';
import type { ProfileChange, ProfileRepository } from './profile.repository.ts';

export interface ProfileDependencies {
  readonly uow: UnitOfWork;
  readonly profiles: ProfileRepository;
  readonly users: UserRepository;
  readonly keys: ApiKeyService;
  readonly verification: EmailVerificationService;
  readonly audit: AuditRepository;
  readonly mail: MailService;
  readonly clock: Clock;
}

export interface Profile {
  readonly user: User;
  readonly apiKeys: readonly ApiKey[];
}

/** A key and its pocket's counters. */
export interface KeyWithSpace {
  readonly key: ApiKey;
  readonly space: SpaceSnapshot;
}

/** More than anybody has at once; the whole list is at `GET /apiKeys`. */
const SHOWN_KEYS = 200;

/** What users see and change of their own accounts. */
export class ProfileService {
  readonly #deps: ProfileDependencies;

  constructor(deps: ProfileDependencies) {
    this.#deps = deps;
  }

  /** The account and its latest 200 keys, newest first. */
  async get(userId: string): Promise<Profile> {
    const { keys } = this.#deps;
    const [user, page] = await Promise.all([
      this.#getUser(userId),
      keys.list(userId, { limit: SHOWN_KEYS, cursor: undefined }),
    ]);
    return { user, apiKeys: page.entries };
  }

  /** The account and its latest 200 keys with their counters; the same number of statements however many keys. */
  async summarize(userId: string): Promise<{ readonly user: User; readonly apiKeys: readonly KeyWithSpace[] }> {
    const [user, apiKeys] = await Promise.all([
      this.#getUser(userId),
      this.#deps.keys.listWithSpaces(userId, SHOWN_KEYS),
    ]);
    return { user, apiKeys };
  }

  /**
   * Changes what is given. A new address is unproven: its code is sent at once, unless one was sent a moment ago, and the
   * old address, if it was proven, is told. Errors: EMAIL_TAKEN, USERNAME_TAKEN.
   */
  async change(userId: string, input: ProfileChange, actor: AuditActor, origin: AuditOrigin): Promise<User> {
    const { uow, profiles, verification, clock } = this.#deps;
    const change = { ...input, email: input.email?.normalize('NFC') };
    const current = await this.#getUser(userId);
    return uow.run(async (tx) => {
      // A new address makes an admin unable to act until it is proven: in line with whatever else takes admins away.
      if (change.email !== undefined && current.role === 'ADMIN') await this.#deps.users.lockAdmins(tx);
      // By the look before the transaction: if another change came between, at worst a code has to be asked for.
      if (change.email !== undefined && isOther(change.email, current.email)) {
        await verification.sendToNewAddress(tx, { id: userId, email: change.email });
      }
      const changed = await profiles.change(tx, userId, change, clock.now());
      if (changed === 'email_taken') throw new AppError('EMAIL_TAKEN');
      if (changed === 'username_taken') throw new AppError('USERNAME_TAKEN');
      if (changed === null) throw new AppError('UNAUTHENTICATED');
      await this.#note(tx, changed, actor, origin);
      return changed.after;
    });
  }

  async #note(
    tx: Tx,
    { before, after }: { readonly before: User; readonly after: User },
    actor: AuditActor,
    origin: AuditOrigin,
  ): Promise<void> {
    const { audit, mail } = this.#deps;
    const subject = { type: 'user', id: after.id } as const;
    const fields = {
      name: before.name !== after.name,
      email: before.email !== after.email,
      username: before.username !== after.username,
    };
    if (!Object.values(fields).includes(true)) return;
    await audit.append(tx, { action: 'user.profile_changed', actor, origin, subject, metadata: fields });
    if (!isOther(after.email, before.email)) return;
    const wasVerified = before.emailVerifiedAt !== null;
    await audit.append(tx, { action: 'user.email_changed', actor, origin, subject, metadata: { wasVerified } });
    if (wasVerified) await mail.sendEmailChanged(tx, before.email, { newEmail: after.email, ip: origin.ip });
  }

  async #getUser(userId: string): Promise<User> {
    const user = await this.#deps.users.findById(userId);
    // Erased since the request was let in.
    if (!user) throw new AppError('UNAUTHENTICATED');
    return user;
  }
}

function isOther(email: string, than: string): boolean {
  return comparisonKey(email) !== comparisonKey(than);
}
