import { decodeCursor, encodeCursor, foreignCursor, type Page } from '../../platform/keyset.ts';
import type { FileListingRepository, FilePage } from './file-listing.repository.ts';
import type { Folder, FolderRepository } from './folder.repository.ts';
import type { FolderWalkRepository } from './folder-walk.repository.ts';
import type { ListQuery, StoredFile } from './stored-file.ts';

/** What lies directly in a folder of a drive. */
export interface FolderQuery extends Omit<ListQuery, 'prefix'> {
  /** null: the drive itself. */
  readonly parent: Pick<Folder, 'id' | 'path'> | null;
  /** What the names in it begin with; '' for all. Filters besides this one are for files: folders show all the same. */
  readonly prefix: string;
}

export interface FolderPage {
  readonly folders: readonly Folder[];
  readonly files: readonly StoredFile[];
  readonly nextCursor: string | null;
}

export interface LevelListingDependencies {
  readonly files: FileListingRepository;
  readonly folders: FolderRepository;
  readonly walk: FolderWalkRepository;
}

type ReadFolders<F> = (cursor: string | undefined, limit: number) => Promise<Page<F>>;

/**
 * One level of a space: all its folders, then its files, in pages under one cursor. Folders come by name, and by when they
 * were made where a drive is sorted by date; what has no such order (size; a pocket's folders by date) comes by name upwards.
 */
export class LevelListing {
  readonly #deps: LevelListingDependencies;

  constructor(deps: LevelListingDependencies) {
    this.#deps = deps;
  }

  /** A page of a drive's folder, empty folders among them. Errors: VALIDATION_FAILED (the cursor is of another list). */
  list(space: { readonly id: string }, query: FolderQuery): Promise<FolderPage> {
    const { parent, prefix } = query;
    const readFolders: ReadFolders<Folder> = (cursor, limit) =>
      this.#deps.folders.children(space.id, { parent, prefix, ...folderOrder(query, 'DRIVE'), limit, cursor });
    const path = parent?.path ?? '';
    return this.#page(space.id, { ...query, path, prefix: below(path, prefix) }, readFolders);
  }

  /**
   * The same of either kind of space by a beginning of names, which need not end at a folder; folders as paths that end
   * in `/`. Errors: VALIDATION_FAILED (the cursor is of another list).
   */
  async listNames(
    space: { readonly id: string; readonly kind: 'KEY' | 'DRIVE' },
    query: ListQuery,
  ): Promise<FilePage & { readonly folders: readonly string[] }> {
    const slash = query.prefix.lastIndexOf('/');
    const path = query.prefix.slice(0, Math.max(0, slash));
    // No name has an empty segment.
    if (slash === 0 || path.endsWith('/')) return { folders: [], files: [], nextCursor: null };
    const prefix = query.prefix.slice(slash + 1);
    if (space.kind === 'DRIVE') {
      const parent = path === '' ? null : await this.#deps.folders.findByPath(space.id, path);
      if (path !== '' && parent === null) return { folders: [], files: [], nextCursor: null };
      const page = await this.list(space, { ...query, parent, prefix });
      return { ...page, folders: page.folders.map((folder) => `${folder.path}/`) };
    }
    const { order } = folderOrder(query, space.kind);
    const readFolders: ReadFolders<string> = (cursor, limit) =>
      this.#deps.walk.children(space.id, { parent: path, prefix, order, limit, cursor });
    const page = await this.#page(space.id, { ...query, path }, readFolders);
    return { ...page, folders: page.folders.map((folder) => `${folder}/`) };
  }

  /** The cursor says in which part to go on, and from where in it; '' from its beginning. */
  async #page<F>(spaceId: string, { path, ...query }: ListQuery & { path: string }, readFolders: ReadFolders<F>) {
    const { part, inner } = placeOf(query.cursor);
    let folders: readonly F[] = [];
    if (part === 'folders') {
      const page = await readFolders(inner, query.limit);
      folders = page.entries;
      if (page.nextCursor !== null)
        return { folders, files: [], nextCursor: encodeCursor(['folders', page.nextCursor]) };
    }
    const room = query.limit - folders.length;
    const cursor = part === 'files' ? inner : undefined;
    if (cursor !== undefined && query.sort === 'name' && !decodeCursor(cursor, 'string')[0].startsWith(query.prefix)) {
      throw foreignCursor();
    }
    // Where folders fill the page, this asks only whether any file follows.
    const found = await this.#deps.files.list(spaceId, { ...query, folder: path, cursor, limit: Math.max(room, 1) });
    const files = found.files.slice(0, room);
    if (room === 0) {
      const more = found.files.length > 0 || found.nextCursor !== null;
      return { folders, files, nextCursor: more ? encodeCursor(['files', '']) : null };
    }
    return { folders, files, nextCursor: found.nextCursor === null ? null : encodeCursor(['files', found.nextCursor]) };
  }
}

function placeOf(cursor: string | undefined): { part: 'folders' | 'files'; inner: string | undefined } {
  if (cursor === undefined) return { part: 'folders', inner: undefined };
  const [part, inner] = decodeCursor(cursor, 'string', 'string');
  if (part !== 'folders' && part !== 'files') throw foreignCursor();
  return { part, inner: inner === '' ? undefined : inner };
}

function folderOrder({ sort, order }: Pick<ListQuery, 'sort' | 'order'>, kind: 'KEY' | 'DRIVE') {
  if (sort === 'date' && kind === 'DRIVE') return { sort, order } as const;
  return { sort: 'name', order: sort === 'name' ? order : 'asc' } as const;
}

function below(path: string, prefix: string): string {
  return path === '' ? prefix : `${path}/${prefix}`;
}
