import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FileRepository } from '../../src/features/storage/index.ts';
import { newId } from '../../src/platform/crypto/random.ts';
import { Database } from '../../src/platform/db/database.ts';
import { encodeCursor } from '../../src/platform/keyset.ts';
import { silentLogger } from '../../src/platform/logging/logger.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { createTestSpace } from '../support/spaces.ts';

type Query = Parameters<FileRepository['list']>[1];

let testDatabase: TestDatabase;
let database: Database;
let files: FileRepository;

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  database = new Database({ url: testDatabase.url, maxConnections: 4, log: silentLogger() });
  files = new FileRepository(database);
});

afterAll(async () => {
  await database.close();
  await testDatabase.drop();
});

/** A space with a row for each path; size and date go by the place in the list, with ties. */
async function spaceWith(paths: readonly string[]): Promise<string> {
  const space = await createTestSpace(database, { bytes: 1e9, objects: 1e6 });
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
  return space.id;
}

function query(part: Partial<Query>): Query {
  return { prefix: '', delimited: true, sort: 'name', order: 'asc', limit: 50, ...part };
}

/** Every page, each held against its limit. */
async function pagesOf(spaceId: string, part: Partial<Query>) {
  const pages: { files: string[]; folders: string[] }[] = [];
  let cursor: string | undefined;
  do {
    const asked = query({ ...part, cursor });
    const page = await files.list(spaceId, asked);
    expect(page.files.length + page.folders.length).toBeLessThanOrEqual(asked.limit);
    pages.push({ files: page.files.map(({ path }) => path), folders: [...page.folders] });
    expect(pages.length).toBeLessThan(5000);
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
  return pages;
}

async function everything(spaceId: string, part: Partial<Query>) {
  const pages = await pagesOf(spaceId, part);
  return { files: pages.flatMap((page) => page.files), folders: pages.flatMap((page) => page.folders) };
}

const byBytes = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));

/** What a level is by its definition. */
function levelOf(paths: readonly string[], prefix: string) {
  const below = paths.filter((path) => path.startsWith(prefix));
  const isDeep = (path: string) => path.slice(prefix.length).includes('/');
  const folders = below.filter(isDeep).map((path) => path.slice(0, path.indexOf('/', prefix.length) + 1));
  return { files: below.filter((path) => !isDeep(path)), folders: [...new Set(folders)].sort(byBytes) };
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

describe.each(['name', 'date', 'size'] as const)('a level by %s', (sort) => {
  describe.each(['asc', 'desc'] as const)('%s', (order) => {
    it.each([1, 2, 7, 200])('has each file and folder once, in order, in pages of %i', async (limit) => {
      const space = await spaceWith(PATHS);
      for (const prefix of ['', 'a', 'a/', 'ä', '日本/', 'b/', 'none']) {
        const { files: found, folders } = await everything(space, { prefix, sort, order, limit });
        const level = levelOf(PATHS, prefix);
        const flat = await everything(space, { prefix, sort, order, limit, delimited: false });
        expect(found).toEqual(flat.files.filter((path) => level.files.includes(path)));
        expect(found.toSorted(byBytes)).toEqual(level.files.toSorted(byBytes));
        expect(folders).toEqual(sort === 'name' && order === 'desc' ? level.folders.toReversed() : level.folders);
      }
    });
  });
});

it('by name goes through files and folders in one order', async () => {
  const space = await spaceWith(PATHS);
  const { files: named, folders } = levelOf(PATHS, '');
  const expected = [...named, ...folders].sort(byBytes);
  const namesOf = async (order: 'asc' | 'desc') =>
    (await pagesOf(space, { order, limit: 1 })).map(({ files: [file], folders: [folder] }) => file ?? folder);
  expect(await namesOf('asc')).toEqual(expected);
  expect(await namesOf('desc')).toEqual(expected.toReversed());
});

it('filters files and still shows the folders once', async () => {
  const space = await spaceWith(PATHS);
  for (const sort of ['name', 'date'] as const) {
    for (const order of ['asc', 'desc'] as const) {
      const found = await everything(space, { sort, order, limit: 1, search: 'A' });
      expect(found.files.toSorted(byBytes)).toEqual(['A', 'a', 'a-b', 'a.txt', 'a0']);
      expect(found.folders).toEqual(levelOf(PATHS, '').folders);
    }
  }
});

describe('a level of very many', () => {
  it('folders cuts none off', async () => {
    const space = await spaceWith(Array.from({ length: 2500 }, (_, i) => `folder-${i}/file`));
    const pages = await pagesOf(space, { sort: 'date', limit: 200 });
    expect(pages).toHaveLength(13);
    expect(new Set(pages.flatMap(({ folders }) => folders)).size).toBe(2500);
  });

  it('files before a folder finds it, and has no empty page on the way', async () => {
    const paths = [...Array.from({ length: 3500 }, (_, i) => `file-${i}`), 'last/one', 'z'];
    const space = await spaceWith(paths);
    const pages = await pagesOf(space, { sort: 'size', order: 'desc', limit: 200 });
    expect(pages.flatMap(({ folders }) => folders)).toEqual(['last/']);
    expect(new Set(pages.flatMap((page) => page.files)).size).toBe(3501);
    expect(pages.every((page) => page.files.length > 0)).toBe(true);
    // Where a filter leaves next to no files, pages are short, and still the folder comes.
    const filtered = await everything(space, { sort: 'size', search: 'file-7', limit: 200 });
    expect(filtered.folders).toEqual(['last/']);
    expect(filtered.files).toHaveLength(levelOf(paths, 'file-7').files.length);
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
    for (const cursor of [encodeCursor(position), encodeCursor(['', encodeCursor(position)])]) {
      for (const delimited of [false, true]) {
        await expect(files.list(space, query({ sort, delimited, cursor }))).rejects.toMatchObject({
          code: 'VALIDATION_FAILED',
          details: [{ path: 'cursor', message: expect.any(String) }],
        });
      }
    }
  });

  it('of another prefix is refused', async () => {
    const space = await spaceWith(['a/one', 'b/one', 'b/two']);
    const { nextCursor } = await files.list(space, query({ limit: 1 }));
    const elsewhere = query({ prefix: 'b/', cursor: nextCursor ?? '' });
    await expect(files.list(space, elsewhere)).rejects.toMatchObject({ code: 'VALIDATION_FAILED' });
    const byDate = { ...elsewhere, sort: 'date', cursor: encodeCursor(['a/', '']) } as const;
    await expect(files.list(space, byDate)).rejects.toMatchObject({ code: 'VALIDATION_FAILED' });
  });

  it.each([
    ['date', [0, id]],
    ['date', [253_402_300_799_999, id]],
    ['size', [0, id]],
    ['size', [Number.MAX_SAFE_INTEGER, id]],
  ] as const)('by %s %j is another place of the list', async (sort, position) => {
    const space = await spaceWith(['a']);
    const cursor = encodeCursor(position);
    expect(await files.list(space, query({ sort, delimited: false, cursor }))).toMatchObject({ nextCursor: null });
  });
});
