import type { Database } from '../../platform/db/database.ts';
import type { Tx } from '../../platform/db/unit-of-work.ts';
import type { QuotaCounters } from '../access/index.ts';
import { lastSegment } from '../ingest/index.ts';
import type { LinkSubject, ShareLink } from './link.ts';

const OWN_COLUMNS = {
  id: true,
  fileId: true,
  folderId: true,
  passwordHash: true,
  expiresAt: true,
  maxDownloads: true,
  downloads: true,
  maxUploadBytes: true,
  maxUploadFiles: true,
  createdAt: true,
  lastUsedAt: true,
} as const;

const COLUMNS = {
  ...OWN_COLUMNS,
  file: { select: { path: true } },
  folder: { select: { path: true } },
  reservation: { select: { objects: true, heldObjects: true } },
} as const;

interface LinkRow {
  readonly id: string;
  readonly fileId: string | null;
  readonly folderId: string | null;
  readonly passwordHash: string | null;
  readonly expiresAt: Date | null;
  readonly maxDownloads: number | null;
  readonly downloads: number;
  readonly maxUploadBytes: bigint | null;
  readonly maxUploadFiles: bigint | null;
  readonly createdAt: Date;
  readonly lastUsedAt: Date | null;
  readonly file: { readonly path: string } | null;
  readonly folder: { readonly path: string } | null;
  readonly reservation: { readonly objects: bigint; readonly heldObjects: bigint } | null;
}

export interface NewLink {
  readonly id: string;
  readonly ownerId: string;
  readonly subject: LinkSubject;
  /** Of the subject. */
  readonly path: string;
  readonly tokenHash: Buffer;
  readonly passwordHash: string | null;
  readonly expiresAt: Date | null;
  readonly maxDownloads: number | null;
  readonly drop: { readonly maxBytes: number; readonly maxFiles: number; readonly reservationId: string } | null;
  readonly createdAt: Date;
}

/** Links as their owner makes and ends them. */
export class LinkRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Whoever makes or ends links of a space holds its row first; answers the counters, null where there is no such space. */
  async lockSpace(tx: Tx, spaceId: string): Promise<QuotaCounters | null> {
    const [row] = await tx.$queryRaw<QuotaCounters[]>`
      SELECT quota_bytes::float8 AS "quotaBytes", quota_objects::float8 AS "quotaObjects", used_bytes::float8 AS "usedBytes",
             used_objects::float8 AS "usedObjects", reserved_bytes::float8 AS "reservedBytes",
             reserved_objects::float8 AS "reservedObjects"
      FROM spaces WHERE id = ${spaceId}::uuid FOR NO KEY UPDATE`;
    return row ?? null;
  }

  /** The path of a living file or of a folder; null where the space has none. */
  async findPath(tx: Tx, spaceId: string, subject: LinkSubject): Promise<string | null> {
    const found =
      subject.kind === 'file'
        ? await tx.file.findFirst({ where: { id: subject.fileId, spaceId, deletedAt: null }, select: { path: true } })
        : await tx.folder.findFirst({ where: { id: subject.folderId, spaceId }, select: { path: true } });
    return found?.path ?? null;
  }

  countOf(tx: Tx, spaceId: string, subject: LinkSubject): Promise<number> {
    return tx.shareLink.count({ where: { spaceId, ...idOf(subject) } });
  }

  async create(tx: Tx, spaceId: string, link: NewLink): Promise<ShareLink> {
    const { id, ownerId, subject, path, passwordHash, expiresAt, maxDownloads, drop, createdAt } = link;
    const row = await tx.shareLink.create({
      data: {
        id,
        spaceId,
        ownerId,
        ...idOf(subject),
        tokenHash: new Uint8Array(link.tokenHash),
        passwordHash,
        expiresAt,
        maxDownloads,
        maxUploadBytes: drop ? BigInt(drop.maxBytes) : null,
        maxUploadFiles: drop ? BigInt(drop.maxFiles) : null,
        reservationId: drop?.reservationId ?? null,
        createdAt,
      },
      select: OWN_COLUMNS,
    });
    // Relations are read by statements beside each other, which one transaction cannot run.
    const objects = row.maxUploadFiles;
    const reservation = objects === null ? null : { objects, heldObjects: objects };
    return toLink({ ...row, file: { path }, folder: null, reservation });
  }

  /** Newest first, up to one more than `limit`; of one file or folder where one is named. */
  async list(
    ownerId: string,
    {
      fileId,
      folderId,
      cursor,
      limit,
    }: {
      readonly fileId: string | undefined;
      readonly folderId: string | undefined;
      readonly cursor: string | undefined;
      readonly limit: number;
    },
  ): Promise<ShareLink[]> {
    const rows = await this.#database.prisma.shareLink.findMany({
      where: {
        ownerId,
        ...(fileId === undefined ? {} : { fileId }),
        ...(folderId === undefined ? {} : { folderId }),
        ...(cursor === undefined ? {} : { id: { lt: cursor } }),
      },
      orderBy: { id: 'desc' },
      take: limit + 1,
      select: COLUMNS,
    });
    return rows.map(toLink);
  }

  /** With the path of what it opens; null where the owner has none of this id. */
  async find(ownerId: string, id: string): Promise<{ readonly link: ShareLink; readonly path: string } | null> {
    const row = await this.#database.prisma.shareLink.findFirst({ where: { id, ownerId }, select: COLUMNS });
    return row && { link: toLink(row), path: pathOf(row) };
  }

  /** Ends a link; false where the owner has none of this id. */
  async delete(tx: Tx, ownerId: string, id: string): Promise<boolean> {
    const { count } = await tx.shareLink.deleteMany({ where: { id, ownerId } });
    return count > 0;
  }
}

function idOf(subject: LinkSubject): { readonly fileId: string } | { readonly folderId: string } {
  return subject.kind === 'file' ? { fileId: subject.fileId } : { folderId: subject.folderId };
}

function pathOf(row: LinkRow): string {
  return row.file?.path ?? row.folder?.path ?? '';
}

function toLink(row: LinkRow): ShareLink {
  const { id, fileId, folderId, expiresAt, maxDownloads, downloads, createdAt, lastUsedAt, reservation } = row;
  const { maxUploadBytes, maxUploadFiles } = row;
  return {
    id,
    fileId,
    folderId,
    name: lastSegment(pathOf(row)),
    hasPassword: row.passwordHash !== null,
    expiresAt,
    maxDownloads,
    downloads,
    drop:
      maxUploadBytes === null || maxUploadFiles === null
        ? null
        : { maxBytes: Number(maxUploadBytes), maxFiles: Number(maxUploadFiles) },
    uploadedFiles: reservation ? Number(reservation.objects - reservation.heldObjects) : null,
    createdAt,
    lastUsedAt,
  };
}
