import { AppError } from '../../errors/app-error.ts';
import type { Clock } from '../../platform/clock/clock.ts';
import { isId, newId } from '../../platform/crypto/random.ts';
import type { Tx, UnitOfWork } from '../../platform/db/unit-of-work.ts';
import type { Page, PageRequest } from '../../platform/keyset.ts';
import type { ActingUser, AuditRepository } from '../audit/index.ts';
import { comparisonKey, type User, type UserRepository } from '../users/index.ts';
import type { ShareRepository } from './share.repository.ts';
import {
  granteeKeyOf,
  type Share,
  type ShareAddress,
  type ShareChange,
  type SharePermission,
  type ShareSubject,
  type ShareTerms,
} from './share.ts';

const MAX_OF_SUBJECT = 100;
const MAX_OF_OWNER = 10_000;

export interface ShareDependencies {
  readonly uow: UnitOfWork;
  readonly shares: ShareRepository;
  readonly users: UserRepository;
  readonly audit: AuditRepository;
  readonly clock: Clock;
}

/** Somebody who shares, and the drive with what that one may share. */
export interface Sharer extends ActingUser {
  readonly spaceId: string;
}

export interface ShareWish {
  readonly subject: ShareSubject;
  readonly address: ShareAddress;
  readonly permission: SharePermission;
  readonly expiresAt: Date | null;
}

/**
 * What people share of their own drives, and with whom. Whether there is somebody behind an address changes neither the
 * answer nor the statements that make it. What is not the owner's is SHARE_NOT_FOUND, as what does not exist.
 */
export class ShareService {
  readonly #deps: ShareDependencies;

  constructor(deps: ShareDependencies) {
    this.#deps = deps;
  }

  /**
   * Shares a file or folder of the own drive. FILE_NOT_FOUND, FOLDER_NOT_FOUND: also for those that somebody else shares;
   * SHARE_EXISTS: with this address it is shared; CONFLICT: 100 shares a subject, 10,000 an owner; VALIDATION_FAILED: with
   * oneself, or an end that is over.
   */
  async create(sharer: Sharer, { subject, address, permission, expiresAt }: ShareWish): Promise<Share> {
    const { uow, shares, users, clock } = this.#deps;
    const { userId: ownerId, spaceId } = sharer;
    const createdAt = clock.now();
    if (!isId(idOf(subject))) throw subjectNotFound(subject);
    assertAhead(expiresAt, createdAt);
    return uow.run(async (tx) => {
      const owner = await users.holdLiving(tx, ownerId);
      // Since the request was let in.
      if (!owner) throw new AppError('ACCOUNT_DISABLED');
      if (isOwn(address, owner)) throw withOneself(address);
      await shares.lockShares(tx, ownerId);
      const path = await shares.holdSubject(tx, spaceId, subject);
      if (path === null) throw subjectNotFound(subject);
      const grantee = await shares.holdGrantee(tx, address);
      const row = { id: newId(), spaceId, ownerId, subject, address, permission, expiresAt, createdAt };
      const granteeId = grantee?.proven ? grantee.id : null;
      const isNew = await shares.create(tx, { ...row, granteeKey: granteeKeyOf(address), granteeId });
      if (!isNew) throw new AppError('SHARE_EXISTS');
      assertRoom(await shares.count(tx, ownerId, subject));
      await this.#note(tx, sharer, 'share.create', row);
      const { id } = row;
      const nothing = { fileId: null, folderId: null, email: null, username: null };
      return { ...nothing, ...subject, ...address, id, path, permission, expiresAt, createdAt };
    });
  }

  /** Errors: SHARE_NOT_FOUND. */
  async get(ownerId: string, id: string): Promise<Share> {
    const share = isId(id) ? await this.#deps.shares.findOwned(ownerId, id) : null;
    if (!share) throw new AppError('SHARE_NOT_FOUND');
    return share;
  }

  /** Newest first, those that are over too: all that somebody shares, or of one file or folder. */
  async list(ownerId: string, subjectId: string | undefined, page: PageRequest): Promise<Page<Share>> {
    if (subjectId !== undefined && !isId(subjectId)) return { entries: [], nextCursor: null };
    return this.#deps.shares.pageOwned(ownerId, subjectId, page);
  }

  /** Other terms, which hold at the next request. VALIDATION_FAILED: an end that is over. */
  async change(owner: ActingUser, id: string, change: ShareChange): Promise<Share> {
    const { uow, shares, clock } = this.#deps;
    const share = await this.get(owner.userId, id);
    assertAhead(change.expiresAt ?? null, clock.now());
    return uow.run(async (tx) => {
      const before = await shares.lockOwned(tx, owner.userId, id);
      if (!before) throw new AppError('SHARE_NOT_FOUND');
      const { permission = before.permission, expiresAt = before.expiresAt } = change;
      const after = { ...share, permission, expiresAt };
      if (permission === before.permission && expiresAt?.getTime() === before.expiresAt?.getTime()) return after;
      await shares.change(tx, owner.userId, { id, permission, expiresAt });
      await this.#note(tx, owner, 'share.change', { ...after, subject: subjectOf(share), before });
      return after;
    });
  }

  /** Ends a share: the next request by it fails, in every process. */
  async delete(owner: ActingUser, id: string): Promise<Share> {
    const { uow, shares } = this.#deps;
    const share = await this.get(owner.userId, id);
    await uow.run(async (tx) => {
      if (!(await shares.delete(tx, owner.userId, id))) throw new AppError('SHARE_NOT_FOUND');
      await this.#note(tx, owner, 'share.delete', { ...share, subject: subjectOf(share) });
    });
    return share;
  }

  /** Never the address. */
  #note(
    tx: Tx,
    { actor, origin }: ActingUser,
    action: 'share.create' | 'share.change' | 'share.delete',
    { id, subject, permission, expiresAt, before }: NotedShare,
  ): Promise<void> {
    const terms = { permission, expiresAt: expiresAt?.toISOString() ?? null };
    const old = before && {
      previousPermission: before.permission,
      previousExpiresAt: before.expiresAt?.toISOString() ?? null,
    };
    const metadata = { ...subject, ...terms, ...old };
    return this.#deps.audit.append(tx, { action, actor, origin, subject: { type: 'share', id }, metadata });
  }
}

interface NotedShare extends ShareTerms {
  readonly id: string;
  readonly subject: ShareSubject;
  readonly before?: ShareTerms;
}

function idOf(subject: ShareSubject): string {
  return 'fileId' in subject ? subject.fileId : subject.folderId;
}

function subjectOf({ fileId, folderId }: Share): ShareSubject {
  return fileId === null ? { folderId: folderId ?? '' } : { fileId };
}

function subjectNotFound(subject: ShareSubject): AppError {
  return new AppError('fileId' in subject ? 'FILE_NOT_FOUND' : 'FOLDER_NOT_FOUND', { details: { id: idOf(subject) } });
}

function isOwn(address: ShareAddress, owner: User): boolean {
  if ('email' in address) return comparisonKey(address.email) === comparisonKey(owner.email);
  return owner.username !== null && comparisonKey(address.username) === comparisonKey(owner.username);
}

function withOneself(address: ShareAddress): AppError {
  return faulty('email' in address ? 'email' : 'username', 'is yours: it is shared with others');
}

function assertAhead(expiresAt: Date | null, now: Date): void {
  if (expiresAt !== null && expiresAt <= now) throw faulty('expiresAt', 'must lie in the future');
}

/** The new share is counted. */
function assertRoom(counts: { readonly subject: number; readonly owner: number }): void {
  if (counts.subject > MAX_OF_SUBJECT) throw full('It has', MAX_OF_SUBJECT);
  if (counts.owner > MAX_OF_OWNER) throw full('You have', MAX_OF_OWNER);
}

function full(whose: 'It has' | 'You have', most: number): AppError {
  return new AppError('CONFLICT', { message: `${whose} ${most} shares already; end one of them first` });
}

function faulty(path: string, message: string): AppError {
  return new AppError('VALIDATION_FAILED', { details: [{ path, message }] });
}
