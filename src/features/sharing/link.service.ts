import { randomBytes } from 'node:crypto';
import { AppError } from '../../errors/app-error.ts';
import type { Clock } from '../../platform/clock/clock.ts';
import type { PasswordHasher } from '../../platform/crypto/password-hasher.ts';
import { isId, newId, sha256 } from '../../platform/crypto/random.ts';
import type { Tx, UnitOfWork } from '../../platform/db/unit-of-work.ts';
import { cutPageById, type Page, type PageRequest } from '../../platform/keyset.ts';
import type { QuotaCounters } from '../access/index.ts';
import type { ActingUser, AuditRepository } from '../audit/index.ts';
import { quotaExceeded, type ReservationRepository } from '../ledger/index.ts';
import type { LinkRepository } from './link.repository.ts';
import type { DropLimits, LinkSubject, LinkWish, ShareLink } from './link.ts';

const TOKEN_BYTES = 32;
/** Of one file or folder. */
const MAX_LINKS = 100;

export interface LinkDependencies {
  readonly uow: UnitOfWork;
  readonly links: LinkRepository;
  readonly reservations: ReservationRepository;
  readonly audit: AuditRepository;
  readonly passwordHasher: PasswordHasher;
  readonly clock: Clock;
}

/** Somebody in the own drive. */
export interface LinkOwner extends ActingUser {
  readonly spaceId: string;
}

export interface LinkFilter extends PageRequest {
  readonly fileId: string | undefined;
  readonly folderId: string | undefined;
}

/** Public links of a drive, made, listed and ended by its owner. */
export class LinkService {
  readonly #deps: LinkDependencies;

  constructor(deps: LinkDependencies) {
    this.#deps = deps;
  }

  /**
   * Makes a link and the token that opens it, which nobody can ask for again. The room of a drop is taken from the quota at once.
   * Errors: FILE_NOT_FOUND, FOLDER_NOT_FOUND, VALIDATION_FAILED (an end that has passed), CONFLICT (100 links of one
   * file or folder), QUOTA_EXCEEDED, DEPENDENCY_UNAVAILABLE (too many hashes at once).
   */
  async create(owner: LinkOwner, wish: LinkWish): Promise<{ readonly link: ShareLink; readonly token: string }> {
    const { uow, links, audit, passwordHasher, clock } = this.#deps;
    const { subject, expiresAt, maxDownloads, drop } = wish;
    const { spaceId, userId: ownerId, actor, origin } = owner;
    const now = clock.now();
    if (expiresAt && expiresAt <= now) {
      throw new AppError('VALIDATION_FAILED', {
        details: [{ path: 'expiresAt', message: 'must lie in the future' }],
      });
    }
    if (!isId(subject.kind === 'file' ? subject.fileId : subject.folderId)) throw subjectNotFound(subject);
    const passwordHash = wish.password === null ? null : await passwordHasher.hash(wish.password);
    const token = randomBytes(TOKEN_BYTES).toString('base64url');
    const link = await uow.run(async (tx) => {
      const counters = await links.lockSpace(tx, spaceId);
      const path = counters && (await links.findPath(tx, spaceId, subject));
      if (!path) throw subjectNotFound(subject);
      if ((await links.countOf(tx, spaceId, subject)) >= MAX_LINKS) {
        throw new AppError('CONFLICT', { message: `It has ${MAX_LINKS} links already; revoke one of them first` });
      }
      const made = await links.create(tx, spaceId, {
        id: newId(),
        ownerId,
        subject,
        path,
        tokenHash: sha256(token),
        passwordHash,
        expiresAt,
        maxDownloads,
        drop: drop && { ...drop, reservationId: await this.#carve(tx, { spaceId, drop, expiresAt, counters }) },
        createdAt: now,
      });
      await audit.append(tx, {
        action: 'link.create',
        actor,
        origin,
        subject: { type: 'link', id: made.id },
        secret: { token },
        metadata: {
          ...nameOf(made, path),
          hasPassword: made.hasPassword,
          expiresAt: expiresAt?.toISOString() ?? null,
          maxDownloads,
          maxUploadBytes: drop?.maxBytes ?? null,
          maxUploadFiles: drop?.maxFiles ?? null,
        },
      });
      return made;
    });
    return { link, token };
  }

  /** Errors: LINK_NOT_FOUND. */
  async get(ownerId: string, id: string): Promise<ShareLink> {
    const found = isId(id) ? await this.#deps.links.find(ownerId, id) : null;
    if (!found) throw new AppError('LINK_NOT_FOUND');
    return found.link;
  }

  /** Newest first, those that have ended but were not revoked too. */
  async list(ownerId: string, { limit, cursor, fileId, folderId }: LinkFilter): Promise<Page<ShareLink>> {
    if (![fileId, folderId].every((id) => id === undefined || isId(id))) return { entries: [], nextCursor: null };
    return cutPageById(await this.#deps.links.list(ownerId, { fileId, folderId, cursor, limit }), limit);
  }

  /** Ends a link: its next request fails, in every process, and what is coming by it does not land. Errors: LINK_NOT_FOUND. */
  async revoke(owner: LinkOwner, id: string): Promise<ShareLink> {
    const { uow, links, audit } = this.#deps;
    const { spaceId, userId: ownerId, actor, origin } = owner;
    const found = isId(id) ? await links.find(ownerId, id) : null;
    if (!found) throw new AppError('LINK_NOT_FOUND');
    return uow.run(async (tx) => {
      await links.lockSpace(tx, spaceId);
      if (!(await links.delete(tx, ownerId, id))) throw new AppError('LINK_NOT_FOUND');
      await audit.append(tx, {
        action: 'link.delete',
        actor,
        origin,
        subject: { type: 'link', id },
        metadata: nameOf(found.link, found.path),
      });
      return found.link;
    });
  }

  async #carve(
    tx: Tx,
    {
      spaceId,
      drop,
      expiresAt,
      counters,
    }: {
      readonly spaceId: string;
      readonly drop: DropLimits;
      readonly expiresAt: Date | null;
      readonly counters: QuotaCounters;
    },
  ): Promise<string> {
    const id = newId();
    const { maxBytes: bytes, maxFiles: objects } = drop;
    const held = await this.#deps.reservations.open(tx, spaceId, { id, bytes, objects, expiresAt });
    if (!held) throw quotaExceeded(counters, bytes, objects);
    return id;
  }
}

function subjectNotFound(subject: LinkSubject): AppError {
  return subject.kind === 'file'
    ? new AppError('FILE_NOT_FOUND', { details: { id: subject.fileId } })
    : new AppError('FOLDER_NOT_FOUND', { details: { id: subject.folderId } });
}

function nameOf(link: ShareLink, path: string): Readonly<Record<string, string>> {
  return link.folderId === null ? { fileName: path } : { folderName: path };
}
