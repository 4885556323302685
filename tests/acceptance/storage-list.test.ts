import { beforeAll, describe, expect, test } from 'vitest';
import { type ClaimedKey, signUpAndGetKey } from '../support/client-accounts.ts';
import type { FileView } from '../support/client-api.ts';
import { useService } from '../support/server-fixture.ts';

const service = useService();
let key: ClaimedKey;
/** As the service answered them at upload, in that order. */
const stored: FileView[] = [];

beforeAll(async () => {
  key = await signUpAndGetKey(service);
  const names = [
    'readme.md',
    'Zebra.txt',
    'a.txt',
    'a/b.txt',
    'a-b.txt',
    'ä.txt',
    '日本.txt',
    '🗂.txt',
    'photos/2025/one.mp3',
    'photos/2026/two.MP3',
    'photos/2026/deep/three.mp3',
    'photos0/four.mp3',
    'photos.tar',
    '100%_done.txt',
    ...Array.from({ length: 16 }, (_, i) => `many/${i % 4}/file-${String(i).padStart(2, '0')}.bin`),
  ];
  for (const [i, name] of names.entries()) {
    // Some sizes are shared, so that paging has ties to break.
    const answer = await key.client.upload(name, 'x'.repeat((i * 7) % 5), { tags: i % 3 === 0 ? 'third,all' : 'all' });
    stored.push(answer.data.file);
  }
});

/** COLLATE "C": by the bytes of UTF-8. */
function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

const ORDERINGS = {
  name: (a: FileView, b: FileView) => byBytes(a.fileName, b.fileName),
  date: (a: FileView, b: FileView) => byBytes(a.uploadedAt + a.id, b.uploadedAt + b.id),
  size: (a: FileView, b: FileView) => a.size - b.size || byBytes(a.id, b.id),
};

describe.each(['name', 'date', 'size'] as const)('sorted by %s', (sort) => {
  test.each(['asc', 'desc'] as const)('%s, every file comes once over all pages', async (order) => {
    const expected = stored.toSorted(ORDERINGS[sort]).map(({ fileName }) => fileName);
    if (order === 'desc') expected.reverse();
    for (const limit of [1, 7, 200]) {
      const { files, pages } = await key.client.listAll({ sort, order, limit });
      expect(files.map(({ fileName }) => fileName)).toEqual(expected);
      expect(pages).toBe(Math.ceil(stored.length / limit));
    }
  });
});

describe('a page', () => {
  test('tells its limit, the total and where to go on', async () => {
    const page = await key.client.list({ limit: 3 });
    expect(page.meta).toMatchObject({ limit: 3, total: stored.length, nextCursor: expect.any(String) });
    expect(page.data.files).toHaveLength(3);
    const last = await key.client.list({ limit: 200 });
    expect(last.meta).toMatchObject({ limit: 200, nextCursor: null });
    expect((await key.client.list()).meta['limit']).toBe(50);
  });

  test('holds each file as its metadata shows it', async () => {
    const { files } = await key.client.listAll();
    for (const file of files.slice(0, 5)) {
      expect((await key.client.metadata(file.fileName)).data.file).toEqual(file);
    }
  });

  test('goes on behind what was deleted and before what was added', async () => {
    const names = ['moving/a', 'moving/b', 'moving/c', 'moving/d'];
    for (const name of names) await key.client.upload(name, '');
    const first = await key.client.list({ prefix: 'moving/', limit: 2 });
    await key.client.delete('moving/b');
    await key.client.upload('moving/a2', '');
    const cursor = String(first.meta['nextCursor']);
    const second = await key.client.list({ prefix: 'moving/', limit: 2, cursor });
    expect(second.data.files.map(({ fileName }) => fileName)).toEqual(['moving/c', 'moving/d']);
    await key.client.bulkDelete({ prefix: 'moving/' });
  });

  test.each([
    ['limit', { limit: 0 }],
    ['limit', { limit: 201 }],
    ['limit', { limit: 'many' }],
    ['cursor', { cursor: 'not-a-cursor' }],
    ['sort', { sort: 'colour' }],
    ['order', { order: 'up' }],
    ['delimiter', { delimiter: '-' }],
    ['category', { category: 'nonsense' }],
  ])('with a faulty %s is refused by that name', async (path, query) => {
    const answer = await key.client.list(query);
    expect(answer.outcome).toBe('400 VALIDATION_FAILED');
    expect(answer.error.details).toEqual([{ path, message: expect.any(String) }]);
  });

  test('takes no cursor of another order', async () => {
    const { meta } = await key.client.list({ sort: 'size', limit: 1 });
    const answer = await key.client.list({ sort: 'name', limit: 1, cursor: String(meta['nextCursor']) });
    expect(answer.outcome).toBe('400 VALIDATION_FAILED');
  });
});

describe('a filter', () => {
  const namesOf = async (query: Record<string, string | number>) =>
    (await key.client.listAll({ limit: 2, ...query })).files.map(({ fileName }) => fileName);
  const expected = (test: (file: FileView) => boolean) =>
    stored
      .filter(test)
      .map(({ fileName }) => fileName)
      .sort(byBytes);

  test('by prefix takes exactly the names that begin so', async () => {
    for (const prefix of ['photos', 'photos/', 'photos/2026/', 'a', 'ä', '🗂', 'Z', 'none/']) {
      expect(await namesOf({ prefix })).toEqual(expected(({ fileName }) => fileName.startsWith(prefix)));
    }
  });

  test('by search finds parts of names in any case, and % and _ are only characters', async () => {
    expect(await namesOf({ search: 'MP3' })).toEqual(expected(({ fileName }) => /mp3/i.test(fileName)));
    expect(await namesOf({ search: '%' })).toEqual(['100%_done.txt']);
    expect(await namesOf({ search: '_' })).toEqual(['100%_done.txt']);
    expect(await namesOf({ search: '\\' })).toEqual([]);
    expect(await namesOf({ search: 'o', prefix: 'photos/' })).toEqual(
      expected(({ fileName }) => /^photos\//.test(fileName)),
    );
  });

  test('by category and by tag', async () => {
    expect(await namesOf({ category: 'audio' })).toEqual(expected(({ category }) => category === 'audio'));
    expect(await namesOf({ category: 'archive' })).toEqual(['photos.tar']);
    expect(await namesOf({ tag: 'third' })).toEqual(expected(({ tags }) => tags.includes('third')));
    expect(await namesOf({ tag: 'thir' })).toEqual([]);
    expect(await namesOf({ tag: 'third', category: 'audio' })).toEqual(
      expected(({ tags, category }) => tags.includes('third') && category === 'audio'),
    );
  });
});

describe('with a delimiter', () => {
  const level = (query: Record<string, string | number>) => key.client.listAll({ delimiter: '/', ...query });

  test.each([1, 3, 200])('a level shows its files and folders once, in pages of %i', async (limit) => {
    const root = await level({ limit });
    expect(root.folders.toSorted(byBytes)).toEqual(['a/', 'many/', 'photos/', 'photos0/']);
    const flat = stored.map(({ fileName }) => fileName).filter((name) => !name.includes('/'));
    expect(root.files.map(({ fileName }) => fileName).sort(byBytes)).toEqual(flat.sort(byBytes));
    const photos = await level({ limit, prefix: 'photos/2026/' });
    expect(photos.folders).toEqual(['photos/2026/deep/']);
    expect(photos.files.map(({ fileName }) => fileName)).toEqual(['photos/2026/two.MP3']);
  });

  test('works downwards and with every sort', async () => {
    for (const order of ['asc', 'desc']) {
      for (const sort of ['name', 'date', 'size']) {
        const { folders, files } = await level({ prefix: 'many/', sort, order, limit: 2 });
        expect(folders.toSorted(byBytes)).toEqual(['many/0/', 'many/1/', 'many/2/', 'many/3/']);
        expect(files).toEqual([]);
      }
    }
    const down = await level({ order: 'desc', limit: 3 });
    expect(down.folders).toEqual(['photos0/', 'photos/', 'many/', 'a/']);
  });

  test('a prefix that is no folder shows the names that go on from it', async () => {
    const { folders, files } = await level({ prefix: 'photo' });
    expect(folders).toEqual(['photos/', 'photos0/']);
    expect(files.map(({ fileName }) => fileName)).toEqual(['photos.tar']);
  });
});
