import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  FileListingRepository,
  FolderRepository,
  FolderWalkRepository,
  LevelListing,
} from '../../src/features/storage/index.ts';
import { newId } from '../../src/platform/crypto/random.ts';
import { Database } from '../../src/platform/db/database.ts';
import { encodeCursor } from '../../src/platform/keyset.ts';
import { silentLogger } from '../../src/platform/logging/logger.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { createTestSpace } from '../support/spaces.ts';

type Query = Parameters<FileListingRepository['list']>[1] & { readonly delimited: boolean };
type Kind = 'KEY' | 'DRIVE';
type Space = { readonly id: string; readonly kind: Kind };

let testDatabase: TestDatabase;
let database: Database;
let files: FileListingRepository;
let folderRows: FolderRepository;
let levels: LevelListing;

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  database = new Database({ url: testDatabase.url, maxConnections: 4, log: silentLogger() });
  files = new FileListingRepository(database);
  folderRows = new FolderRepository(database);
  levels = new LevelListing({ files, folders: folderRows, walk: new FolderWalkRepository(database) });
});

afterAll(async () => {
  await database.close();
  await testDatabase.drop();
});

/** A space with a row for each path; size and date go by the place in the list, with ties. A drive has its folders too. */
async function spaceWith(paths: readonly string[], kind: Kind = 'KEY'): Promise<Space> {
  const { id } = await createTestSpace(database, { bytes: 1e9, objects: 1e6 });
  await database.prisma.space.update({ where: { id }, data: { kind } });
  await addFiles({ id, kind }, paths);
  return { id, kind };
}

async function addFiles(space: Space, paths: readonly string[]): Promise<void> {
  await database.query(
    {
      name: 'test_insert_files',
      text: `INSERT INTO files (id, space_id, path, object_key, size_bytes, sha256, etag, content_type, category, extension, tags, uploaded_at)
        SELECT id, $1::uuid, path, id::text, n / 2, repeat('a', 64), 'e', 'text/plain', 'document', 'txt', '{}',
          timestamptz '2026-01-01 00:00Z' + (n / 3) * interval '1 second'
        FROM unnest($2::uuid[], $3::text[]) WITH ORDINALITY AS file(id, path, n)`,
    },
    [space.id, paths.map(() => newId()), paths],
  );
  if (space.kind === 'DRIVE') await addFolders(space.id, foldersAbove(paths));
}

/** Folder rows, made a second apart in this order, two at a time. */
async function addFolders(spaceId: string, paths: readonly string[]): Promise<void> {
  const statement = {
    name: 'test_insert_folder',
    text: `INSERT INTO folders (id, space_id, parent_id, path, created_at)
      SELECT $1, $2, (SELECT id FROM folders WHERE space_id = $2 AND path = path_parent($3)), $3,
        timestamptz '2026-01-01 00:00Z' + $4 * interval '1 second'
      ON CONFLICT DO NOTHING`,
  };
  for (const [n, path] of paths.entries()) {
    await database.query(statement, [newId(), spaceId, path, Math.floor(n / 2)]);
  }
}

/** Each before those in it. */
function foldersAbove(paths: readonly string[]): string[] {
  const above = (path: string) =>
    path
      .split('/')
      .slice(0, -1)
      .map((_, depth, segments) => segments.slice(0, depth + 1).join('/'));
  return [...new Set(paths.flatMap(above))];
}

function query(part: Partial<Query>): Query {
  return { prefix: '', delimited: true, sort: 'name', order: 'asc', limit: 50, ...part };
}

async function pageOf(space: Space, { delimited, ...asked }: Query) {
  return delimited ? levels.listNames(space, asked) : { folders: [], ...(await files.list(space.id, asked)) };
}

/** Every page, each held against its limit. */
async function pagesOf(space: Space, part: Partial<Query>) {
  const pages: { files: string[]; folders: string[] }[] = [];
  let cursor: string | undefined;
  do {
    const asked = query({ ...part, cursor });
    const page = await pageOf(space, asked);
    const size = page.files.length + page.folders.length;
    expect(size).toBeLessThanOrEqual(asked.limit);
    // Filters may leave a page short.
    if (page.nextCursor !== null && asked.search === undefined && (asked.delimited || asked.sort === 'name')) {
      expect(size).toBe(asked.limit);
    }
    pages.push({ files: page.files.map(({ path }) => path), folders: [...page.folders] });
    expect(pages.length).toBeLessThan(5000);
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
  return pages;
}

async function everything(space: Space, part: Partial<Query>) {
  const pages = await pagesOf(space, part);
  return { files: pages.flatMap((page) => page.files), folders: pages.flatMap((page) => page.folders) };
}

const byBytes = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));

/** What a level is by its definition; folders by their names, without the slash. */
function levelOf(paths: readonly string[], prefix: string) {
  const below = paths.filter((path) => path.startsWith(prefix));
  const isDeep = (path: string) => path.slice(prefix.length).includes('/');
  const folders = below.filter(isDeep).map((path) => path.slice(0, path.indexOf('/', prefix.length)));
  return {
    files: below.filter((path) => !isDeep(path)),
    folders: [...new Set(folders)].sort(byBytes).map((folder) => `${folder}/`),
  };
}

const PATHS = [
  ...['a', 'a/b', 'a/c/d', 'a-b', 'a-b/x', 'a0', 'a0/y', 'a.txt', 'a /z', 'A', 'b/only/deep'],
  ...[
    'ä',
    'ä/ö',
    'é/1',
    '日本',
    '日本/東京',
    '🗂',
    '🗂/📄',
    '\uffee/x',
    '100%/x',
    '100%',
    '_/x',
    "it's/x",
    'back\\slash/x',
  ],
];

describe.each(['KEY', 'DRIVE'] as const)('a level of a %s', (kind) => {
  describe.each(['name', 'date', 'size'] as const)('by %s', (sort) => {
    it.each([
      ['asc', 1],
      ['asc', 7],
      ['asc', 200],
      ['desc', 1],
      ['desc', 2],
      ['desc', 7],
    ] as const)('%s has each folder and file once, in order, in pages of %i', async (order, limit) => {
      const space = await spaceWith(PATHS, kind);
      for (const prefix of ['', 'a', 'a/', 'a/c', 'ä', '日本/', 'b/', 'none', 'none/', '/', 'a//']) {
        const { files: found, folders } = await everything(space, { prefix, sort, order, limit });
        const level = levelOf(PATHS, prefix);
        const flat = await everything(space, { prefix, sort, order, limit: 200, delimited: false });
        expect(found).toEqual(flat.files.filter((path) => level.files.includes(path)));
        expect(found.toSorted(byBytes)).toEqual(level.files.toSorted(byBytes));
        const byDate = sort === 'date' && kind === 'DRIVE';
        const expected = sort === 'name' && order === 'desc' ? level.folders.toReversed() : level.folders;
        expect(byDate ? folders.toSorted() : folders).toEqual(byDate ? expected.toSorted() : expected);
      }
    });
  });

  it('has its folders first, also over the borders of pages', async () => {
    const space = await spaceWith(['a', 'b/x', 'c', 'd/x', 'e', 'f/x', 'g'], kind);
    for (const limit of [1, 2, 3, 4, 7]) {
      const entries = (await pagesOf(space, { limit })).flatMap((page) => [...page.folders, ...page.files]);
      expect(entries).toEqual(['b/', 'd/', 'f/', 'a', 'c', 'e', 'g']);
    }
  });

  it('filters files and still shows the folders once', async () => {
    const space = await spaceWith(PATHS, kind);
    for (const sort of ['name', 'size'] as const) {
      const found = await everything(space, { sort, limit: 1, search: 'A' });
      expect(found.files.toSorted(byBytes)).toEqual(['A', 'a', 'a-b', 'a.txt', 'a0']);
      expect(found.folders).toEqual(levelOf(PATHS, '').folders);
    }
  });

  it('of 2500 folders cuts none off', async () => {
    const space = await spaceWith(
      Array.from({ length: 2500 }, (_, i) => `folder-${i}/file`),
      kind,
    );
    const pages = await pagesOf(space, { sort: 'size', limit: 200 });
    expect(pages).toHaveLength(13);
    expect(new Set(pages.flatMap(({ folders }) => folders)).size).toBe(2500);
  });

  it('neither repeats nor skips what was there before when others come and go between its pages', async () => {
    const old = Array.from({ length: 30 }, (_, i) => (i % 3 === 0 ? `old-${i}/file` : `old-${i}`));
    for (const sort of ['name', 'date', 'size'] as const) {
      for (const order of ['asc', 'desc'] as const) {
        const space = await spaceWith(old, kind);
        const found: string[] = [];
        let cursor: string | undefined;
        for (let n = 0; ; n += 1) {
          const page = await levels.listNames(space, query({ sort, order, limit: 4, cursor }));
          found.push(...page.folders, ...page.files.map(({ path }) => path));
          if (page.nextCursor === null) break;
          cursor = page.nextCursor;
          await addFiles(space, [`new-${n}`, `new-${n}/file`, `old-${n}-new`, `zzz-${n}/file`]);
        }
        const level = levelOf(old, '');
        const expected = [...level.folders, ...level.files].toSorted(byBytes);
        expect(found.filter((name) => name.startsWith('old-') && !name.includes('new')).toSorted(byBytes)).toEqual(
          expected,
        );
        expect(new Set(found).size).toBe(found.length);
      }
    }
  });
});

describe('a drive', () => {
  it('shows folders that are empty, and where they lie', async () => {
    const space = await spaceWith(['docs/file', 'top'], 'DRIVE');
    await addFolders(space.id, ['empty', 'docs/void', 'docs/void/deep']);
    expect(await everything(space, { limit: 1 })).toEqual({ folders: ['docs/', 'empty/'], files: ['top'] });
    expect(await everything(space, { prefix: 'docs/', limit: 1 })).toEqual({
      folders: ['docs/void/'],
      files: ['docs/file'],
    });
    expect(await everything(space, { prefix: 'empty/' })).toEqual({ folders: [], files: [] });
    const parent = await folderRows.findByPath(space.id, 'docs/void');
    const page = await levels.list(space, { ...query({}), parent });
    expect(page.folders).toMatchObject([{ path: 'docs/void/deep', parentId: parent?.id, spaceId: space.id }]);
    expect(await folderRows.find(space.id, parent?.id ?? '')).toEqual(parent);
    expect(await folderRows.find(newId(), parent?.id ?? '')).toBeNull();
    expect(await folderRows.findByPath(newId(), 'docs')).toBeNull();
  });

  it('has folders by when they were made, both ways, where it is sorted by date', async () => {
    const space = await spaceWith([], 'DRIVE');
    await addFolders(space.id, ['m', 'a', 'z', 'b', 'y']);
    for (const limit of [1, 2, 5]) {
      const up = (await everything(space, { sort: 'date', limit })).folders;
      expect((await everything(space, { sort: 'date', order: 'desc', limit })).folders).toEqual(up.toReversed());
      expect([up.slice(0, 2).toSorted(), up.slice(2, 4).toSorted(), up[4]]).toEqual([['a/', 'm/'], ['b/', 'z/'], 'y/']);
    }
  });
});

describe('a filtered list of very many', () => {
  const number = (n: number) => String(n).padStart(5, '0');
  const paths = [
    ...Array.from({ length: 3000 }, (_, n) => `a/${n % 700 === 7 ? 'rare' : 'file'}-${number(n)}`),
    ...Array.from({ length: 7000 }, (_, n) => `b/Masse-${n % 40 === 3 ? 'ÄRGER' : 'x'}-${number(n)}`),
  ];
  let space: Space;
  beforeAll(async () => {
    space = await spaceWith(paths);
  });

  const cases = [
    ['rare', 5, /rare/],
    ['masse', 100, /Masse/],
    ['ärger', 30, /ÄRGER/],
    ['ss', 200, /ss/],
    ['nothing', 50, /nothing/],
    ['%', 50, /%/],
  ] as const;
  it.each(cases)('by %s has each match once, in order, in pages of at most %i', async (search, limit, test) => {
    for (const sort of ['name', 'date', 'size'] as const) {
      for (const order of ['asc', 'desc'] as const) {
        const { files: found } = await everything(space, { search, sort, order, limit, delimited: false });
        const flat = await everything(space, { sort, order, limit: 5000, delimited: false });
        expect(found).toEqual(flat.files.filter((path) => test.test(path)));
      }
    }
  });

  it('has pages without an entry where all matches lie far off, and comes to them', async () => {
    const first = await files.list(space.id, query({ search: 'masse', limit: 1 }));
    expect(first).toMatchObject({ files: [], nextCursor: expect.any(String) });
    let page = first;
    let pages = 1;
    while (page.files.length === 0) {
      page = await files.list(space.id, query({ search: 'masse', limit: 1, cursor: page.nextCursor ?? '' }));
      pages += 1;
    }
    expect(page.files.map(({ path }) => path)).toEqual(['b/Masse-x-00000']);
    expect(pages).toBeLessThan(8);
  });

  it('by prefix and date has each match once', async () => {
    for (const prefix of ['a/rare', 'a/', 'b/', 'b/Masse-ÄRGER']) {
      const { files: found } = await everything(space, { prefix, sort: 'date', limit: 100, delimited: false });
      expect(found.toSorted(byBytes)).toEqual(paths.filter((path) => path.startsWith(prefix)).toSorted(byBytes));
    }
  });

  it('within a folder has each match once', async () => {
    for (const [prefix, search] of [
      ['a/', 'rare'],
      ['b/', 'ärger'],
      ['b/M', 'x-'],
      ['b/', 'rare'],
    ] as const) {
      const { files: found } = await everything(space, { prefix, search, sort: 'size', limit: 20 });
      const expected = paths.filter((path) => path.startsWith(prefix) && path.toLowerCase().includes(search));
      expect(found.toSorted(byBytes)).toEqual(expected.toSorted(byBytes));
    }
  });
});

describe('a forged cursor', () => {
  const id = newId();
  it.each([
    ['date', [Number.MAX_SAFE_INTEGER, id]],
    ['date', [-Number.MAX_SAFE_INTEGER, id]],
    ['date', [-8_640_000_000_000_000, id]],
    ['date', [8_640_000_000_000_000, id]],
    ['date', [-1, id]],
    ['date', [0, 'x']],
    ['date', [0.5, id]],
    ['date', ['0', id]],
    ['size', [-1, id]],
    ['size', [2 ** 60, id]],
    ['size', [1, 'x']],
    ['name', ['a\0b']],
    ['name', ['\ud800']],
    ['name', [1]],
  ] as const)('by %s %j is refused', async (sort, position) => {
    const space = await spaceWith(['a']);
    for (const cursor of [encodeCursor(position), encodeCursor(['files', encodeCursor(position)])]) {
      for (const delimited of [false, true]) {
        await expect(pageOf(space, query({ sort, delimited, cursor }))).rejects.toMatchObject({
          code: 'VALIDATION_FAILED',
          details: [{ path: 'cursor', message: expect.any(String) }],
        });
      }
    }
  });

  it.each(['KEY', 'DRIVE'] as const)('of another level of a %s is refused', async (kind) => {
    const space = await spaceWith(['a/x/one', 'a/y/one', 'a/one', 'a/two', 'b/z/one', 'b/one'], kind);
    const refusal = { code: 'VALIDATION_FAILED', details: [{ path: 'cursor', message: expect.any(String) }] };
    let cursor: string | undefined;
    for (let page = 0; page < 3; page += 1) {
      cursor = (await levels.listNames(space, query({ prefix: 'a/', limit: 1, cursor }))).nextCursor ?? '';
      // That of the second page is the beginning of files, which is the same place everywhere.
      if (page === 1) continue;
      for (const other of ['b/', 'a/q']) {
        await expect(levels.listNames(space, query({ prefix: other, cursor }))).rejects.toMatchObject(refusal);
      }
    }
    for (const forged of [
      ['nowhere', ''],
      ['folders', encodeCursor(['b'])],
      ['files', 'x'],
    ]) {
      const asked = query({ prefix: 'a/', cursor: encodeCursor(forged) });
      await expect(levels.listNames(space, asked)).rejects.toMatchObject(refusal);
    }
  });

  it.each([
    ['date', [0, id]],
    ['date', [253_402_300_799_999, id]],
    ['size', [0, id]],
    ['size', [Number.MAX_SAFE_INTEGER, id]],
  ] as const)('by %s %j is another place of the list', async (sort, position) => {
    const space = await spaceWith(['a']);
    const cursor = encodeCursor(position);
    expect(await files.list(space.id, query({ sort, cursor }))).toMatchObject({ nextCursor: null });
  });
});
