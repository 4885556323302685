import { AppError } from '../../errors/app-error.ts';
import type { Clock } from '../../platform/clock/clock.ts';
import type { Sealer } from '../../platform/crypto/seal.ts';
import { foreignCursor } from '../../platform/keyset.ts';
import { ANONYMOUS_ACTOR, type AuditOrigin } from '../audit/index.ts';
import { fileNameFault, lastSegment, normalizeFileName, readableKey } from '../ingest/index.ts';
import type { SpaceScope } from '../ledger/index.ts';
import {
  type ContentChoice,
  type FolderRepository,
  fileNotFound,
  type LevelListing,
  type ReadingService,
  type StorageService,
  type StoredFile,
  type ZipOptions,
  type ZipService,
} from '../storage/index.ts';
import type { PublicLinkRepository } from './public-link.repository.ts';
import type { PublicFile, PublicLink, PublicListing } from './public-link.ts';

export interface PublicLinkDependencies {
  readonly links: PublicLinkRepository;
  readonly storage: StorageService;
  readonly folders: FolderRepository;
  readonly levels: LevelListing;
  readonly reading: ReadingService;
  readonly zips: ZipService;
  readonly sealer: Sealer;
  readonly clock: Clock;
}

/** Which part of a listing. */
export interface ListingRequest {
  /** Below what is shared; '' for itself. */
  readonly path: string;
  readonly limit: number;
  readonly cursor: string | undefined;
}

/** A folder, where it was found. */
interface Place {
  readonly id: string;
  readonly path: string;
}

/**
 * What those get who have entered by a link: lists and content. Nothing tells them where in the drive it lies, so what is
 * not found goes unnamed.
 */
export class PublicLinkService {
  readonly #deps: PublicLinkDependencies;

  constructor(deps: PublicLinkDependencies) {
    this.#deps = deps;
  }

  /**
   * One level, folders first; of a link to a file that file, of a drop nothing.
   * Errors: FOLDER_NOT_FOUND, LINK_NOT_FOUND (the file has gone meanwhile), VALIDATION_FAILED (a foreign cursor).
   */
  async list(link: PublicLink, { path, limit, cursor }: ListingRequest): Promise<PublicListing> {
    const { target, space } = link;
    if (target.kind === 'drop') return { path: '', folders: [], files: [], nextCursor: null, hasFiles: false };
    if (target.kind === 'file') {
      const file = await this.#find(link, '');
      return { path: '', folders: [], files: [toPublic(file, link)], nextCursor: null, hasFiles: true };
    }
    const parent =
      path === '' ? { id: target.folderId, path: target.path } : await this.#findFolder(link, target.path, path);
    const context = `link:${link.id}`;
    const page = await this.#deps.levels.list(space, {
      parent,
      prefix: '',
      sort: 'name',
      order: 'asc',
      limit,
      cursor: cursor === undefined ? undefined : this.#opened(cursor, context),
    });
    return {
      path: below(target.path, parent.path),
      folders: page.folders.map((folder) => ({
        name: lastSegment(folder.path),
        path: below(target.path, folder.path),
      })),
      files: page.files.map((file) => toPublic(file, link)),
      // A place in a list names the whole path.
      nextCursor: page.nextCursor && this.#sealed(page.nextCursor, context),
      hasFiles: page.files.length > 0 || (await this.#deps.zips.hasFiles(space.id, parent.path)),
    };
  }

  /**
   * Opens a file's content, or what `choose` picks of it, and counts the download before its first byte; what is not sent
   * (HEAD, 304, a refusal) and the later parts of a file that is read in parts are not counted.
   * Errors: FORBIDDEN (a drop), FILE_NOT_FOUND, FILE_PROCESSING, VIRUS_FOUND, LINK_NOT_FOUND (used up or ended meanwhile).
   */
  async download(
    link: PublicLink,
    path: string,
    { choose, origin }: { readonly choose: (file: StoredFile) => ContentChoice; readonly origin: AuditOrigin },
  ): ReturnType<ReadingService['open']> {
    assertGives(link);
    const found = await this.#find(link, path);
    const pick = (file: StoredFile) => {
      if (!covers(link, file.path)) throw fileNotFound();
      readableKey(file);
      return choose(file);
    };
    const wanted = pick(found);
    if (wanted === null) return { file: found, opened: null };
    const open = () =>
      this.#deps.reading.open(scopeOf(link, origin), { id: found.id }, { choose: pick, action: 'link.download' });
    if (wanted.range && wanted.range.start > 0) return open();
    return this.#counted(link, open, ({ opened }) => opened !== null);
  }

  /**
   * Opens the shared folder, or one below it, as one ZIP, which is one download. It breaks off when the link ends or the
   * folder is moved.
   * Errors: FORBIDDEN (a drop), FOLDER_NOT_FOUND, FILE_NOT_FOUND (empty), LINK_NOT_FOUND (used up or ended meanwhile),
   * VALIDATION_FAILED (more files than a ZIP takes), RATE_LIMITED (four of this link are under way).
   */
  async zip(link: PublicLink, path: string, origin: AuditOrigin): Promise<Awaited<ReturnType<ZipService['open']>>> {
    const { prefix, options } = await this.#zipped(link, path);
    const open = () => this.#deps.zips.open(scopeOf(link, origin), { prefix }, options);
    return this.#counted(link, open, () => true).catch(withoutPath);
  }

  /** What `zip` would call it; counts nothing. Errors as there, but for those of the count. */
  async zipName(link: PublicLink, path: string): Promise<string> {
    const { prefix, options } = await this.#zipped(link, path);
    return this.#deps.zips.look(link.space.id, prefix, options).catch(withoutPath);
  }

  async #zipped(link: PublicLink, path: string): Promise<{ readonly prefix: string; readonly options: ZipOptions }> {
    assertGives(link);
    const { target } = link;
    if (target.kind !== 'folder') throw new AppError('FOLDER_NOT_FOUND');
    const folder: Place =
      path === '' ? { id: target.folderId, path: target.path } : await this.#findFolder(link, target.path, path);
    const prefix = `${folder.path}/`;
    const guard = () => this.#assertStillOpens(link, folder);
    const name = lastSegment(folder.path);
    return { prefix, options: { action: 'link.download', root: prefix, name, guard, holder: `link:${link.id}` } };
  }

  /** For a ZIP that is being sent. Errors: LINK_NOT_FOUND (ended), FOLDER_NOT_FOUND (no longer where it was). */
  async #assertStillOpens(link: PublicLink, { id, path }: Place): Promise<void> {
    const { links, folders, clock } = this.#deps;
    const [now, folder] = await Promise.all([links.findOpen(link.id, clock.now()), folders.find(link.space.id, id)]);
    if (now?.target.kind !== 'folder') throw new AppError('LINK_NOT_FOUND');
    const isBelow = id === now.target.folderId || path.startsWith(`${now.target.path}/`);
    if (folder?.path !== path || !isBelow) throw new AppError('FOLDER_NOT_FOUND');
  }

  /** Does what is one download; given back when it fails, or `isSent` says that nothing went out. */
  async #counted<T>(link: PublicLink, open: () => Promise<T>, isSent: (opened: T) => boolean): Promise<T> {
    const { links, clock } = this.#deps;
    if (!(await links.countDownload(link.id, clock.now()))) throw new AppError('LINK_NOT_FOUND');
    try {
      const opened = await open();
      if (!isSent(opened)) await links.uncountDownload(link.id);
      return opened;
    } catch (error) {
      await links.uncountDownload(link.id);
      throw error;
    }
  }

  async #find(link: PublicLink, path: string): Promise<StoredFile> {
    const { target, space } = link;
    const { storage } = this.#deps;
    if (target.kind === 'file') {
      const file = path === '' ? await storage.find(space.id, { id: target.fileId }) : null;
      if (!file) throw path === '' ? new AppError('LINK_NOT_FOUND') : fileNotFound();
      return file;
    }
    const inside = insideOf(target.path, path);
    const file = inside === null ? null : await storage.find(space.id, { path: inside });
    if (!file) throw fileNotFound();
    return file;
  }

  async #findFolder(link: PublicLink, root: string, path: string) {
    const inside = insideOf(root, path);
    const folder = inside === null ? null : await this.#deps.folders.findByPath(link.space.id, inside);
    if (!folder) throw new AppError('FOLDER_NOT_FOUND');
    return folder;
  }

  #sealed(cursor: string, context: string): string {
    const { bytes, keyVersion } = this.#deps.sealer.seal(cursor, context);
    return `${keyVersion}.${bytes.toString('base64url')}`;
  }

  #opened(cursor: string, context: string): string {
    const [version = '', text = ''] = cursor.split('.');
    try {
      return this.#deps.sealer.open({ bytes: Buffer.from(text, 'base64url'), keyVersion: Number(version) }, context);
    } catch {
      throw foreignCursor();
    }
  }
}

/** As whom and where a visitor acts. */
export function scopeOf(link: PublicLink, { ip, userAgent, requestId, idempotency }: AuditOrigin): SpaceScope {
  return {
    space: link.space,
    actor: ANONYMOUS_ACTOR,
    origin: { ip, userAgent, requestId, idempotency },
    metadata: { linkId: link.id },
  };
}

function assertGives({ target }: PublicLink): void {
  if (target.kind === 'drop') throw new AppError('FORBIDDEN', { message: 'This link takes files and gives none' });
}

/** The path in the drive; null for what cannot name anything below. */
function insideOf(root: string, path: string): string | null {
  const relative = normalizeFileName(path);
  return fileNameFault(relative) === null ? `${root}/${relative}` : null;
}

function covers({ target }: PublicLink, path: string): boolean {
  return target.kind === 'file' || path.startsWith(`${target.path}/`);
}

function below(root: string, path: string): string {
  return path.slice(root.length + 1);
}

function toPublic(file: StoredFile, { target }: PublicLink): PublicFile {
  const { sizeBytes, contentType, modifiedAt } = file;
  const path = target.kind === 'file' ? '' : below(target.path, file.path);
  return { name: lastSegment(file.path), path, sizeBytes, contentType, modifiedAt };
}

/** What names the path in the drive names nothing. */
function withoutPath(error: unknown): never {
  const tells = error instanceof AppError && error.code === 'FILE_NOT_FOUND';
  throw tells ? fileNotFound() : error;
}
