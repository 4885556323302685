import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { newId } from '../../src/platform/crypto/random.ts';
import { encodeCursor } from '../../src/platform/keyset.ts';
import { type Site, startAccounts } from '../support/accounts.ts';
import { auditSpace } from '../support/spaces.ts';
import { type Actor, type Person, World } from '../support/world.ts';

const GIB = 1024 ** 3;
const HISTORY = '/storage/usage/history';
const ANALYTICS = '/storage/analytics';

let site: Site;
let world: World;
let me: Person;

beforeAll(async () => {
  site = await startAccounts();
  world = new World(site.accounts);
});
afterAll(() => site.stop());
beforeEach(async () => {
  me = await world.person();
});

async function read(path: string, who: Actor = me) {
  const reply = await world.send('get', { path }, who.headers);
  return { status: reply.status, data: reply.body.data, meta: reply.body.meta, error: reply.body.error };
}

async function upload(name: string, size: number, query = ''): Promise<void> {
  const attach = { field: 'file', bytes: Buffer.alloc(size), name: 'file' };
  const call = { path: `/storage/upload?fileName=${encodeURIComponent(name)}${query}`, attach };
  expect((await world.send('post', call, me.headers)).status).toBe(201);
}

const remove = (name: string) =>
  world.send('delete', { path: `/storage/files/${encodeURIComponent(name)}` }, me.headers);

async function spaceId(): Promise<string> {
  return (await world.database.prisma.space.findFirstOrThrow({ where: { ownerId: me.userId } })).id;
}

describe('the history of usage', () => {
  it('explains every change, newest first, and adds up to the usage over all pages', async () => {
    await upload('a.txt', 10);
    await upload('a.txt', 4);
    await upload('b.txt', 100);
    await remove('b.txt');
    const entries: Record<string, number | string>[] = [];
    let cursor = '';
    do {
      const page = await read(`${HISTORY}?limit=1${cursor === '' ? '' : `&cursor=${cursor}`}`);
      expect(page.data.entries).toHaveLength(1);
      expect('days' in page.data).toBe(cursor === '');
      entries.push(...page.data.entries);
      cursor = page.meta.nextCursor ?? '';
    } while (cursor !== '');
    expect(entries.at(-1)).toEqual({
      id: expect.any(String),
      at: expect.any(String),
      reason: 'upload',
      ...{ deltaBytes: 10, deltaObjects: 1, deltaTrashBytes: 0, deltaVersionBytes: 0 },
      ...{ fileId: expect.any(String), fileName: 'a.txt' },
    });
    expect(entries.map(({ id }) => id)).toEqual(
      entries
        .map(({ id }) => id)
        .toSorted()
        .toReversed(),
    );
    const sum = (name: string) => entries.reduce((total, entry) => total + Number(entry[name]), 0);
    const { data } = await read('/storage/usage');
    expect(sum('deltaBytes')).toBe(data.usage.bytesUsed);
    expect(sum('deltaObjects')).toBe(data.usage.objects);
    expect(sum('deltaTrashBytes')).toBe(data.usage.trashBytes);
    expect((await read(HISTORY)).data.days).toEqual([
      {
        day: new Date().toISOString().slice(0, 10),
        addedBytes: entries.reduce((total, { deltaBytes }) => total + Math.max(0, Number(deltaBytes)), 0),
        removedBytes: entries.reduce((total, { deltaBytes }) => total + Math.max(0, -Number(deltaBytes)), 0),
        addedObjects: 2,
        removedObjects: 0,
      },
    ]);
    expect((await auditSpace(world.database, await spaceId())).faults).toEqual([]);
  });

  it('goes back over whole days', async () => {
    await upload('a.txt', 10);
    const space = await spaceId();
    const made = (daysAgo: number) => new Date(Date.now() - daysAgo * 24 * 3600 * 1000);
    for (const daysAgo of [1, 6, 8, 400]) {
      const time = made(daysAgo).getTime().toString(16).padStart(12, '0');
      await world.database.prisma.usageEntry.create({
        data: {
          id: `${time.slice(0, 8)}-${time.slice(8)}${newId().slice(13)}`,
          ...{ spaceId: space, deltaBytes: 1n, deltaObjects: 1n, reason: 'upload', path: `${daysAgo}` },
          createdAt: made(daysAgo),
        },
      });
    }
    const within = async (days: number) => {
      const { data } = await read(`${HISTORY}?days=${days}`);
      expect(data.days).toHaveLength(data.entries.length);
      return data.entries.map(({ fileName }: { fileName: string }) => fileName);
    };
    expect(await within(1)).toEqual(['a.txt', '1']);
    expect(await within(7)).toEqual(['a.txt', '1', '6']);
    expect(await within(366)).toEqual(['a.txt', '1', '6', '8']);
  });

  it.each(['days=0', 'days=367', 'days=x', 'limit=0', 'cursor=x', `cursor=${encodeCursor(['x'])}`])(
    'refuses %s',
    async (query) => {
      const { status, error } = await read(`${HISTORY}?${query}`);
      expect([status, error.code]).toEqual([400, 'VALIDATION_FAILED']);
    },
  );

  it('is of one’s own space alone, also by the cursor of another', async () => {
    await upload('mine.txt', 10);
    const { data } = await read(HISTORY);
    const other = await world.person();
    expect((await read(HISTORY, other)).data).toEqual({ entries: [], days: [] });
    const cursor = encodeCursor([data.entries[0].id.replace(/^./, 'f')]);
    expect((await read(`${HISTORY}?cursor=${cursor}`, other)).data).toEqual({ entries: [] });
  });
});

describe('analytics', () => {
  it('of an empty space are zeros', async () => {
    expect((await read(ANALYTICS)).data).toEqual({
      overview: { totalFiles: 0, totalBytes: 0, averageFileSize: 0, largestFile: null },
      fileTypes: {},
      recentFiles: [],
      quota: { usagePercentage: 0, remainingBytes: GIB, daysUntilFull: null },
    });
  });

  it('tell of the living files, and of the quota with all that counts', async () => {
    await upload('large.mp3', 1000);
    await upload('gone.mp3', 5000);
    for (let n = 0; n < 11; n += 1) await upload(`notes/${n}.txt`, n);
    await remove('gone.mp3');
    const { data } = await read(ANALYTICS);
    expect(data.overview).toMatchObject({ totalFiles: 12, totalBytes: 1055, averageFileSize: 88 });
    expect(data.overview.largestFile).toMatchObject({ fileName: 'large.mp3', size: 1000 });
    expect(data.fileTypes).toEqual({ audio: { count: 1, bytes: 1000 }, document: { count: 11, bytes: 55 } });
    const newest = Array.from({ length: 10 }, (_, n) => `notes/${10 - n}.txt`);
    expect(data.recentFiles.map(({ fileName }: { fileName: string }) => fileName)).toEqual(newest);
    const { usage } = (await read('/storage/usage')).data;
    expect(usage.bytesUsed).toBe(6055);
    expect(data.quota.remainingBytes).toBe(GIB - 6055);
    // The space is not a day old: what came so far is taken for a day's.
    expect(data.quota.daysUntilFull).toBe(Math.floor((GIB - 6055) / 6055));
  });

  it('follow the growth of the last 30 days alone', async () => {
    const space = await spaceId();
    const createdAt = new Date(Date.now() - 300 * 24 * 3600 * 1000);
    await world.database.prisma.space.update({ where: { id: space }, data: { createdAt } });
    await upload('a.txt', 3000);
    expect((await read(ANALYTICS)).data.quota.daysUntilFull).toBeGreaterThan((GIB / 3000) * 29);
    // What came longer ago than that is no growth.
    const day = new Date(Date.now() - 40 * 24 * 3600 * 1000);
    await world.database.prisma.usageDay.updateMany({ where: { spaceId: space }, data: { day } });
    expect((await read(ANALYTICS)).data.quota.daysUntilFull).toBeNull();
  });

  it('and the history name files, so a key needs the permission to list', async () => {
    const key = await world.key(me, { permissions: ['read', 'write', 'delete'] });
    for (const path of [ANALYTICS, HISTORY]) {
      const { status, error } = await read(path, key);
      expect([status, error.code, error.details]).toEqual([403, 'PERMISSION_MISSING', { permission: 'list' }]);
    }
    const lister = await world.key(me, { permissions: ['list'] });
    await upload('of-the-drive.txt', 1);
    expect((await read(ANALYTICS, lister)).data.overview.totalFiles).toBe(0);
    expect((await read(HISTORY, lister)).data.entries).toEqual([]);
  });
});

describe('tags', () => {
  const found = async (tag: string) =>
    (await read(`/storage/files?tag=${encodeURIComponent(tag)}`)).data.files.map(
      ({ fileName }: { fileName: string }) => fileName,
    );
  const put = (tags: string) =>
    world.send(
      'post',
      {
        path: `/storage/upload?fileName=t&tags=${encodeURIComponent(tags)}`,
        attach: { field: 'file', bytes: Buffer.from('x'), name: 'x' },
      },
      me.headers,
    );

  it('are found by their key, or by key and value', async () => {
    await upload('1', 1, '&tags=year%3D2025,cat');
    await upload('2', 1, '&tags=year%20%3D%202026,formula%3Da%3Db');
    await upload('3', 1, '&tags=years,empty%3D');
    expect(await found('year')).toEqual(['1', '2']);
    expect(await found('year=2026')).toEqual(['2']);
    expect(await found('year = 2026')).toEqual(['2']);
    expect(await found('year=')).toEqual([]);
    expect(await found('yea')).toEqual([]);
    expect(await found('2026')).toEqual([]);
    expect(await found('formula')).toEqual(['2']);
    expect(await found('formula=a=b')).toEqual(['2']);
    expect(await found('formula=a')).toEqual([]);
    expect(await found('empty')).toEqual(['3']);
    expect(await found('empty=')).toEqual(['3']);
    expect(await found('%')).toEqual([]);
  });

  it.each([
    ['ten', Array.from({ length: 10 }, (_, n) => `t${n}`).join()],
    ['the longest', `${'🗂'.repeat(128)}=${'🗂'.repeat(256)}`],
    ['none', ' , ,'],
  ])('may be %s', async (_, tags) => {
    expect((await put(tags)).status).toBe(201);
  });

  it.each([
    ['eleven', Array.from({ length: 11 }, (_, n) => `t${n}`).join(), 'tags'],
    ['a key of 129', 'k'.repeat(129), 'tags.0'],
    ['a value of 257', `a,k=${'v'.repeat(257)}`, 'tags.1'],
    ['the same twice', 'a,b,a', 'tags.2'],
    ['a key with two values', 'a=1,a=2', 'tags.1'],
    ['no key', '=value', 'tags.0'],
    ['a control character', 'a\u0007', 'tags.0'],
  ])('may not be %s', async (_, tags, path) => {
    const { status, body } = await put(tags);
    expect(status).toBe(400);
    expect(body.error.details).toEqual([{ path, message: expect.any(String) }]);
  });
});
