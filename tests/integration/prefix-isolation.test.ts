import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { newAccessKeyId } from '../../src/platform/crypto/random.ts';
import { type Site, startAccounts } from '../support/accounts.ts';
import { SpaceClient } from '../support/space-client.ts';
import { auditSpace } from '../support/spaces.ts';
import { type Actor, type Key, type Person, World } from '../support/world.ts';
import { readZip } from '../support/zip.ts';

let site: Site;
let world: World;

beforeAll(async () => {
  site = await startAccounts({ TRASH_DAYS: '30' });
  world = new World(site.accounts);
});
afterAll(() => site.stop());

/** A key whose id is the other one's and more, as is the prefix of its objects up to the slash. */
async function renamed(key: Key, accessKeyId: string): Promise<Key> {
  const { prisma } = world.database;
  await prisma.apiKey.update({ where: { id: key.apiKeyId }, data: { accessKeyId } });
  await prisma.space.update({ where: { id: await spaceOf(key) }, data: { prefix: `apikeys/${accessKeyId}/` } });
  return { ...key, accessKeyId, headers: { ...key.headers, 'x-access-key-id': accessKeyId } };
}

async function spaceOf(key: Key): Promise<string> {
  return (await world.database.prisma.apiKey.findUniqueOrThrow({ where: { id: key.apiKeyId } })).spaceId;
}

async function zipped(client: SpaceClient, body: object): Promise<string[]> {
  const reply = await client
    .call('post', '/files/zip', body)
    .buffer(true)
    .parse((res, done) => {
      buffer(res as unknown as Readable).then(
        (bytes) => done(null, bytes),
        (error: Error) => done(error, null),
      );
    });
  expect(reply.status).toBe(200);
  return readZip(reply.body)
    .map(({ content }) => content.toString())
    .sort();
}

async function objectsOf(prefix: string): Promise<number> {
  let count = 0;
  for await (const { key } of site.accounts.infrastructure.store.list(prefix)) {
    expect(key.startsWith(prefix)).toBe(true);
    count += 1;
  }
  return count;
}

/** All that reading can tell of a space. */
async function portrait(client: SpaceClient) {
  const get = async (path: string) => (await client.call('get', path)).body.data;
  const { usage } = await get('/usage');
  const { overview, fileTypes, recentFiles } = await get('/analytics');
  return {
    names: await client.names(),
    level: (await get('/files?delimiter=/')).folders,
    found: (await get('/files?search=a')).files.length,
    usage,
    overview,
    fileTypes,
    recent: recentFiles.map(({ fileName }: { fileName: string }) => fileName),
    history: (await get('/usage/history')).entries?.length,
    trash: (await client.trash()).data.files,
  };
}

describe('pockets whose keys share a beginning', () => {
  let short: SpaceClient;
  let long: SpaceClient;
  let keys: readonly [Key, Key];

  beforeEach(async () => {
    const owner = await world.person();
    const id = newAccessKeyId().slice(0, 19);
    keys = [await renamed(await world.key(owner), id), await renamed(await world.key(owner), `${id}0`)];
    [short, long] = keys.map((key) => new SpaceClient(world, key)) as [SpaceClient, SpaceClient];
    for (const name of ['a/x.txt', 'a/y.bin', 'b']) await short.put(name, `short ${name}`);
    for (const name of ['a/x.txt', '0/x.txt', 'c', 'd']) await long.put(name, `long! ${name}`);
  });

  it('see, search, count and pack nothing of each other', async () => {
    expect(await short.names()).toEqual(['a/x.txt', 'a/y.bin', 'b']);
    expect(await long.names()).toEqual(['0/x.txt', 'a/x.txt', 'c', 'd']);
    for (const prefix of ['0', '0/', '/', `${keys[1].accessKeyId}`, '../', `../${keys[1].accessKeyId}/`]) {
      expect(await short.names(prefix), prefix).toEqual([]);
    }
    expect(await short.content('a/x.txt')).toBe('short a/x.txt');
    expect((await short.call('get', short.file('c', '/metadata'))).status).toBe(404);
    expect(await zipped(short, { prefix: '' })).toEqual(['short a/x.txt', 'short a/y.bin', 'short b']);
    expect(await zipped(long, { fileNames: ['a/x.txt', 'c'] })).toEqual(['long! a/x.txt', 'long! c']);
    expect(await portrait(short)).toMatchObject({ overview: { totalFiles: 3 }, level: ['a/'], usage: { objects: 3 } });
    expect(await portrait(long)).toMatchObject({
      overview: { totalFiles: 4 },
      level: ['0/', 'a/'],
      usage: { objects: 4 },
    });
  });

  it.each([
    ['a prefix', (client: SpaceClient) => client.call('post', '/files/bulk-delete', { prefix: 'a' })],
    [
      'names',
      (client: SpaceClient) => client.call('post', '/files/bulk-delete', { fileNames: ['a/x.txt', 'c', 'd', 'b'] }),
    ],
    ['one name', (client: SpaceClient) => client.call('delete', client.file('a/x.txt'))],
    ['an upload', (client: SpaceClient) => client.upload('a/x.txt', 'replaced')],
    [
      'a new name',
      (client: SpaceClient) => client.call('patch', client.file('a/x.txt'), { fileName: 'c', conflict: 'replace' }),
    ],
    [
      'a copy',
      (client: SpaceClient) => client.call('post', '/copy', { from: 'a/x.txt', to: 'd', conflict: 'replace' }),
    ],
    ['settings', (client: SpaceClient) => client.call('patch', '/settings', { trashDays: 7 })],
  ])('are left alone by %s in the other', async (_, act) => {
    for (const [actor, other, key] of [
      [short, long, keys[1]],
      [long, short, keys[0]],
    ] as const) {
      const before = await portrait(other);
      const reply = await act(actor);
      expect(reply.status, JSON.stringify(reply.body)).toBeLessThan(300);
      await site.accounts.composition.tombstones.purge();
      expect(await portrait(other)).toEqual(before);
      for (const name of before.names) expect(await other.content(name)).toMatch(/^(short|long!) |^replaced$/);
      const audit = await auditSpace(world.database, await spaceOf(key));
      expect(audit.faults).toEqual([]);
      expect(await objectsOf(`apikeys/${key.accessKeyId}/`)).toBe(audit.usedObjects);
    }
  });

  it('keep their trash to themselves', async () => {
    for (const client of [short, long]) {
      expect((await client.call('patch', '/settings', { trashDays: 7 })).status).toBe(200);
      await client.call('delete', client.file('a/x.txt'));
    }
    const [ours] = (await short.trash()).data.files;
    const [theirs] = (await long.trash()).data.files;
    expect((await short.call('post', `/trash/${theirs.id}/restore`, {})).status).toBe(404);
    expect((await short.call('delete', `/trash/${theirs.id}`)).status).toBe(404);
    expect((await short.call('delete', '/trash')).status).toBeLessThan(300);
    expect((await long.trash()).data.files).toEqual([theirs]);
    expect((await long.call('post', `/trash/${ours.id}/restore`, {})).status).toBe(404);
    expect((await long.call('post', `/trash/${theirs.id}/restore`, {})).status).toBe(200);
    expect(await long.content('a/x.txt')).toBe('long! a/x.txt');
  });
});

/** Around `a/` in the order of bytes, and what patterns of SQL would take for it. */
const NEIGHBOURS = [
  'a',
  'a ',
  'a b/x',
  'a!/x',
  'a.',
  'a./x',
  'a0',
  'a0/x',
  'a/0',
  'ab/x',
  'aa/x',
  'A/x',
  'á/x',
  'a%/x',
  'a_/x',
  '%/x',
  '_/x',
  'b/a/x',
  'x/a',
  'a\\/x',
];
const BELOW = ['a/x', 'a/b/y', 'a/a/x', 'a/~', 'a/\u{10fffd}', 'a/%', 'a/_/z'];

describe.each(['pocket', 'drive'] as const)('folders of a %s that share a beginning', (kind) => {
  let client: SpaceClient;
  let owner: Person;
  let actor: Actor;

  beforeEach(async () => {
    owner = await world.person();
    actor = kind === 'drive' ? owner : await world.key(owner);
    client = new SpaceClient(world, actor);
    for (const name of [...NEIGHBOURS, ...BELOW]) await client.put(name, name);
  });

  const inByteOrder = (names: readonly string[]) =>
    [...names].sort((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other)));

  async function expectSound(): Promise<void> {
    const [space] = await world.database.prisma.space.findMany({
      where: { ownerId: owner.userId, kind: kind === 'drive' ? 'DRIVE' : 'KEY' },
    });
    const audit = await auditSpace(world.database, space?.id ?? '');
    expect(audit.faults).toEqual([]);
    await site.accounts.composition.tombstones.purge();
    expect(await objectsOf(space?.prefix ?? '')).toBe(audit.usedObjects);
  }

  it('are listed and packed each for itself', async () => {
    expect(await client.names('a/')).toEqual(inByteOrder([...BELOW, 'a/0']));
    for (const prefix of ['a', 'a/b', 'a0', 'a ', 'a%', 'a_', '%', '_', 'a\\', 'A', 'a.', 'a/a/']) {
      const expected = [...NEIGHBOURS, ...BELOW].filter((name) => name.startsWith(prefix));
      expect(await client.names(prefix), prefix).toEqual(inByteOrder(expected));
      expect(await zipped(client, { prefix }), prefix).toEqual(expected.sort());
    }
    const level = await client.call('get', '/files?delimiter=/&prefix=a/&limit=200');
    expect(level.body.data.folders).toEqual(['a/_/', 'a/a/', 'a/b/']);
    const search = await client.call('get', `/files?limit=200&search=${encodeURIComponent('a%/')}`);
    expect(search.body.data.files.map(({ fileName }: { fileName: string }) => fileName)).toEqual(['a%/x']);
  });

  it.each(['a/', 'a0', 'a0/', 'a%', '_', 'a.', 'a /'])('are deleted by the prefix %j and no other', async (prefix) => {
    const all = [...NEIGHBOURS, ...BELOW];
    const reply = await client.call('post', '/files/bulk-delete', { prefix });
    expect(reply.body.data.summary.deleted).toBe(all.filter((name) => name.startsWith(prefix)).length);
    expect(await client.names()).toEqual(inByteOrder(all.filter((name) => !name.startsWith(prefix))));
    await expectSound();
  });

  it('are moved and deleted by id, and no other', async () => {
    // Pockets have no folders of their own.
    if (kind !== 'drive') return;
    const folders = await world.database.prisma.folder.findMany({
      where: { space: { ownerId: owner.userId }, path: 'a' },
    });
    const path = `/drive/${folders[0]?.id}`;
    const moved = await world.send('patch', { path, body: { name: 'zz' } }, actor.headers);
    expect(moved.status, JSON.stringify(moved.body)).toBe(200);
    const below = [...BELOW, 'a/0'].map((name) => `zz${name.slice(1)}`);
    const rest = NEIGHBOURS.filter((name) => name !== 'a/0');
    expect(await client.names()).toEqual(inByteOrder([...below, ...rest]));
    await expectSound();
    expect((await world.send('delete', { path }, actor.headers)).status).toBe(200);
    expect(await client.names()).toEqual(inByteOrder(rest));
    await expectSound();
  });
});
