import type { Database } from '../../platform/db/database.ts';
import { containing } from '../../platform/db/like.ts';
import { decodeCursor, encodeCursor } from '../../platform/keyset.ts';
import { FILE_COLUMNS, type FileRow, toFile } from './file.repository.ts';
import { folderKey } from './folder-walk.repository.ts';
import { endOfPrefix } from './path-range.ts';
import type { ListQuery, ListSort, StoredFile } from './stored-file.ts';

/** What to list: all below the prefix, or only what lies directly in a folder. */
export interface FileQuery extends ListQuery {
  /** Path without a slash at its end; '' is the space itself. */
  readonly folder?: string | undefined;
}

export interface FilePage {
  readonly files: readonly StoredFile[];
  readonly nextCursor: string | null;
}

/** What sorts a listing, besides the id that makes it unique; one index for each, and one for each within a folder. */
const SORT_COLUMN = { name: 'path', date: 'uploaded_at', size: 'size_bytes' } as const satisfies Record<
  ListSort,
  string
>;

/**
 * How many files a filtered page looks at in the list's own order, for each entry that it may have: first so many; then, where
 * some of them matched, so many that an even spread fills the page.
 */
const WINDOW = 20;
const WIDE_WINDOW = 160;
const WIDE_WINDOWS = 4;
/** How many matches may be sorted for a page instead, and how long it may take to find them. */
const MATCHES = 20_000;
const MATCHING_MS = 200;

/** Answers the placeholder of a value. */
type Bind = (value: unknown) => string;

/** Lists the living files of a space by keyset: a page costs the same wherever in the list it lies. */
export class FileListingRepository {
  readonly #database: Database;
  readonly #matches: number;

  /** `matches`: fewer that may be sorted for a page, for tests. */
  constructor(database: Database, { matches = MATCHES }: { readonly matches?: number } = {}) {
    this.#database = database;
    this.#matches = matches;
  }

  /**
   * A page of files. Where a filter finds many files, and none of them near the page, the page may be short, even empty:
   * only `nextCursor` says where the list ends. Errors: VALIDATION_FAILED (the cursor is of another list).
   */
  async list(spaceId: string, query: FileQuery): Promise<FilePage> {
    if (isServedBySort(query)) return this.#walk(spaceId, query);
    const near = await this.#filter(spaceId, query, WINDOW * query.limit);
    if (near.isComplete) return near.page;
    const isFrequent = near.page.files.length >= (query.limit * WINDOW) / WIDE_WINDOW;
    const matched = isFrequent ? null : await this.#match(spaceId, query);
    return matched ?? this.#filterWidely(spaceId, query);
  }

  /** Goes on until something matches, so far as one answer may. */
  async #filterWidely(spaceId: string, query: FileQuery): Promise<FilePage> {
    for (let cursor = query.cursor, n = 1; ; n += 1) {
      const { page, isComplete } = await this.#filter(spaceId, { ...query, cursor }, WIDE_WINDOW * query.limit);
      if (isComplete || page.files.length > 0 || n === WIDE_WINDOWS) return page;
      cursor = page.nextCursor ?? undefined;
    }
  }

  /** Every file of the list is one of the page. */
  async #walk(spaceId: string, query: FileQuery): Promise<FilePage> {
    const { values, bind } = binder(spaceId);
    const text = `SELECT ${FILE_COLUMNS} FROM files WHERE ${walked(query, bind)} ORDER BY ${orderBy(query)}
      LIMIT ${bind(query.limit + 1)}`;
    const rows = await this.#database.query<FileRow>({ name: `files_list_${shapeOf(query)}`, text }, values);
    return cut(rows, query);
  }

  /** Looks at the next so many files of the list; complete when they filled the page or the list has ended. */
  async #filter(spaceId: string, query: FileQuery, window: number) {
    const { values, bind } = binder(spaceId);
    const inner = `SELECT ${FILE_COLUMNS}, row_number() OVER (ORDER BY ${orderBy(query)}) AS n FROM files
      WHERE ${walked(query, bind)} ORDER BY ${orderBy(query)} LIMIT ${bind(window)}`;
    const filters = conditions(query, bind, false).join(' AND ');
    const text = `SELECT * FROM (SELECT *, (${filters}) AS matches FROM (${inner}) walked) seen
      WHERE matches OR n = ${bind(window)} ORDER BY ${orderBy(query)} LIMIT ${bind(query.limit + 1)}`;
    const statement = { name: `files_filter_${shapeOf(query)}`, text };
    const rows = await this.#database.query<FileRow & { n: number; matches: boolean }>(statement, values);
    const last = rows.at(-1);
    const matching = rows.filter((row) => row.matches);
    if (matching.length > query.limit || last?.n !== window) return { isComplete: true, page: cut(matching, query) };
    const files = matching.slice(0, query.limit).map(toFile);
    return { isComplete: false, page: { files, nextCursor: encodeCursor(positionOf(toFile(last), query.sort)) } };
  }

  /** Finds all that match behind the cursor and sorts them; null where that are too many. */
  async #match(spaceId: string, query: FileQuery): Promise<FilePage | null> {
    // Nothing of one or two characters is in the index.
    const isIndexed =
      query.category !== undefined || query.tag !== undefined || query.prefix !== '' || isRare(query.status);
    if (!isIndexed && (query.search === undefined || !/[\p{L}\p{N}]{3}/u.test(query.search))) return null;
    const { values, bind } = binder(spaceId);
    const ways = [conditions(query, bind, true), ...(searchesMetadata(query) ? [inMetadata(query, bind)] : [])];
    const found = ways.map(
      (filters) => `(SELECT id, ${SORT_COLUMN[query.sort]} FROM files
        WHERE ${[walked(query, bind, true), ...filters].join(' AND ')} LIMIT ${bind(this.#matches + 1)})`,
    );
    const text = `WITH found AS MATERIALIZED (
        ${found.join(' UNION ')}
      ), page AS MATERIALIZED (
        SELECT id FROM found ORDER BY ${orderBy(query)} LIMIT ${bind(query.limit + 1)}
      ) SELECT ${FILE_COLUMNS}, (SELECT count(*) FROM found) AS total FROM files WHERE id IN (SELECT id FROM page)
      ORDER BY ${orderBy(query)}`;
    const rows = await this.#database.queryByBitmap<FileRow & { total: number }>(text, values, MATCHING_MS);
    return rows === null || (rows[0]?.total ?? 0) > this.#matches ? null : cut(rows, query);
  }
}

function binder(spaceId: string): { values: unknown[]; bind: Bind } {
  const values: unknown[] = [spaceId];
  return { values, bind: (value) => `$${values.push(value)}` };
}

function orderBy({ sort, order }: FileQuery): string {
  return sort === 'name' ? `path ${order}` : `${SORT_COLUMN[sort]} ${order}, id ${order}`;
}

/**
 * What the index of the sort order finds by itself: the space or folder, and what comes behind the cursor. `cheaply`: for
 * what another index has found.
 */
function walked(query: FileQuery, bind: Bind, cheaply = false): string {
  const { sort, order, folder, cursor } = query;
  // Only with the last of these are the indexes of lists used.
  const found = ['space_id = $1', 'deleted_at IS NULL', `path <> ''`];
  if (folder !== undefined && cheaply) found.push(...directlyIn(folder, bind));
  else if (folder !== undefined) found.push(`path_folder_key(path) = ${bind(folderKey(folder))}`);
  if (sort === 'name' && hasPrefix(query)) found.push(...prefixed(query.prefix, bind));
  const comparison = order === 'asc' ? '>' : '<';
  if (cursor !== undefined && sort === 'name') {
    found.push(`path ${comparison} ${bind(decodeCursor(cursor, 'string')[0])}`);
  } else if (cursor !== undefined) {
    const [position, id] = decodeCursor(cursor, sort === 'date' ? 'time' : 'count', 'id');
    const value = bind(sort === 'date' ? new Date(position) : position);
    found.push(`(${SORT_COLUMN[sort]}, id) ${comparison} (${value}, ${bind(id)}::uuid)`);
  }
  return found.join(' AND ');
}

/** What it does not find: by the index of filters, or as is cheapest to ask of each file. */
function conditions(query: FileQuery, bind: Bind, indexed: boolean): string[] {
  const { search, status, category, tag } = query;
  const found: string[] = [];
  if (query.sort !== 'name' && hasPrefix(query)) found.push(...prefixed(query.prefix, bind));
  // Not by bytes: only in a language does a letter have another case.
  if (search !== undefined) {
    const inName = `path COLLATE "default" ILIKE ${bind(containing(search))}`;
    found.push(searchesMetadata(query) && !indexed ? `(${inName} OR ${saysOfItself(search, bind)})` : inName);
  }
  if (status !== undefined) found.push(`status = ${bind(status)}::"FileStatus"`);
  // Only with this is the index of those used.
  if (indexed && isRare(status)) found.push(`status <> 'READY'`);
  if (category !== undefined) found.push(`category = ${bind(category)}`);
  if (tag !== undefined) found.push(indexed ? `tag_terms(tags) @> ARRAY[${bind(tag)}]` : hasTag(tag, bind));
  return found;
}

/** Of a file that is looked at: by its key, so that it costs the same whatever else there is. */
function saysOfItself(search: string, bind: Bind): string {
  return `coalesce((SELECT ${hasWords(search, bind)} FROM file_media m WHERE m.object_key = walked.object_key), false)`;
}

/** The same search by the index of metadata, with the other filters. */
function inMetadata({ search = '', searchesMetadata: _, ...query }: FileQuery, bind: Bind): string[] {
  const found = `object_key IN (SELECT m.object_key FROM file_media m
    WHERE m.space_id = $1 AND m.search_text <> '' AND ${hasWords(search, bind)})`;
  return [...conditions(query, bind, true), found];
}

function hasWords(search: string, bind: Bind): string {
  return `lower(m.search_text) LIKE lower(${bind(containing(search.toLowerCase()))})`;
}

function searchesMetadata({ search, searchesMetadata: isAsked = false }: FileQuery): boolean {
  return search !== undefined && isAsked;
}

function isRare(status: FileQuery['status']): boolean {
  return status !== undefined && status !== 'READY';
}

/** The same as by `path_folder_key`, which takes long for each file that the index does not have it for. */
function directlyIn(folder: string, bind: Bind): string[] {
  if (folder === '') return [`strpos(path, '/') = 0`];
  const start = `${folder}/`;
  return [`starts_with(path, ${bind(start)})`, `strpos(substr(path, ${bind(Array.from(start).length + 1)}), '/') = 0`];
}

/** As `tag_terms` has it: the tag itself, or the key of one with a value. */
function hasTag(tag: string, bind: Bind): string {
  const is = `${bind(tag)} = ANY (tags)`;
  return tag.includes('=')
    ? is
    : `(${is} OR EXISTS (SELECT FROM unnest(tags) t WHERE starts_with(t, ${bind(`${tag}=`)})))`;
}

function prefixed(prefix: string, bind: Bind): string[] {
  const end = endOfPrefix(prefix);
  return [`path >= ${bind(prefix)}`, ...(end === null ? [] : [`path < ${bind(end)}`])];
}

/** Whether the prefix says more than the folder. */
function hasPrefix({ prefix, folder }: FileQuery): boolean {
  return prefix !== '' && prefix !== `${folder}/`;
}

function isServedBySort(query: FileQuery): boolean {
  const { sort, search, status, category, tag } = query;
  return (
    [search, status, category, tag].every((filter) => filter === undefined) && (sort === 'name' || !hasPrefix(query))
  );
}

/** One name for each shape of the statement, as prepared statements must have. */
function shapeOf(query: FileQuery): string {
  const parts = [
    hasPrefix(query) ? (endOfPrefix(query.prefix) === null ? 'q' : 'p') : '',
    query.folder === undefined ? '' : 'f',
    query.search === undefined ? '' : searchesMetadata(query) ? 'm' : 's',
    query.status === undefined ? '' : 'r',
    query.category === undefined ? '' : 'c',
    query.tag === undefined ? '' : query.tag.includes('=') ? 'v' : 't',
    query.cursor === undefined ? '' : 'k',
  ];
  return `${query.sort}_${query.order}_${parts.join('')}`;
}

function cut(rows: readonly FileRow[], { limit, sort }: FileQuery): FilePage {
  const files = rows.slice(0, limit).map(toFile);
  const last = rows.length > limit ? files.at(-1) : undefined;
  return { files, nextCursor: last === undefined ? null : encodeCursor(positionOf(last, sort)) };
}

function positionOf(file: StoredFile, sort: ListSort): (string | number)[] {
  if (sort === 'name') return [file.path];
  return [sort === 'date' ? file.uploadedAt.getTime() : file.sizeBytes, file.id];
}
