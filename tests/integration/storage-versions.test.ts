import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { newId } from '../../src/platform/crypto/random.ts';
import { type Site, startAccounts } from '../support/accounts.ts';
import { SpaceClient } from '../support/space-client.ts';
import { World } from '../support/world.ts';

let site: Site;
let world: World;
let drive: SpaceClient;
let pocket: SpaceClient;

beforeAll(async () => {
  site = await startAccounts({}, { workers: false });
  world = new World(site.accounts);
});
beforeEach(async () => {
  const person = await world.person();
  drive = new SpaceClient(world, person);
  pocket = new SpaceClient(world, await world.key(person));
});
afterEach(async () => {
  for (const client of [drive, pocket]) await client.audited();
});
afterAll(() => site.stop());

/** The contents of a name, one after the other. */
async function write(client: SpaceClient, name: string, ...contents: string[]) {
  let file: Awaited<ReturnType<SpaceClient['put']>>;
  for (const content of contents) file = await client.put(name, content);
  return file;
}

async function sizes(client: SpaceClient, name: string): Promise<number[]> {
  return (await client.versions(name)).map(({ size }: { size: number }) => size);
}

function onVersion(client: SpaceClient, name: string, id: string, rest = '') {
  return client.file(name, `/versions/${id}${rest}`);
}

async function quota(client: SpaceClient, bytes: number, objects: number): Promise<void> {
  const data = { quotaBytes: BigInt(bytes), quotaObjects: BigInt(objects) };
  await world.database.prisma.space.update({ where: { id: await client.spaceId() }, data });
}

/** Removes the objects that nothing names any more, as the job would; answers what is left in the space's place. */
async function objects(client: SpaceClient): Promise<number> {
  await site.accounts.composition.tombstones.purge();
  const space = await world.database.prisma.space.findUniqueOrThrow({ where: { id: await client.spaceId() } });
  let count = 0;
  for await (const _object of site.accounts.infrastructure.store.list(space.prefix)) count += 1;
  return count;
}

describe('versions', () => {
  it('are kept where the space keeps them, as many as it says, the newest first', async () => {
    await write(pocket, 'a.txt', '1', '22');
    expect(await sizes(pocket, 'a.txt')).toEqual([]);
    await pocket.settings({ versionsKept: 2 });
    const file = await write(pocket, 'a.txt', '333', '4444', '55555', '666666', '7777777');
    const versions = await pocket.versions('a.txt');
    expect(versions.map(({ size }: { size: number }) => size)).toEqual([6, 5]);
    expect(versions[0]).toEqual({
      id: expect.any(String),
      size: 6,
      contentType: file.contentType,
      checksumSha256: expect.stringMatching(/^[0-9a-f]{64}$/),
      etag: expect.any(String),
      status: 'READY',
      uploadedAt: expect.any(String),
      replacedAt: file.uploadedAt,
    });
    expect(await pocket.audited()).toMatchObject({
      usedBytes: 18,
      usedObjects: 3,
      versionBytes: 11,
      versionObjects: 2,
    });
    expect(await objects(pocket)).toBe(3);
    const { usage } = (await pocket.call('get', '/usage')).body.data;
    expect(usage).toMatchObject({ bytesUsed: 18, objects: 3, versionBytes: 11 });
  });

  it('can be read, as the present content can', async () => {
    await pocket.settings({ versionsKept: 2 });
    await write(pocket, 'a.html', '<b>one</b>', 'two');
    const [version] = await pocket.versions('a.html');
    const path = onVersion(pocket, 'a.html', version.id, '/content');
    const get = (headers: Record<string, string> = {}) =>
      pocket.call('get', path).set(headers).buffer().responseType('text');
    const reply = await get();
    expect([reply.status, String(reply.body)]).toEqual([200, '<b>one</b>']);
    expect(reply.headers).toMatchObject({
      etag: `"${version.etag}"`,
      'content-security-policy': "default-src 'none'; sandbox",
      'content-disposition': 'attachment; filename=a.html',
    });
    expect((await get({ range: 'bytes=3-5' })).status).toBe(206);
    expect((await get({ 'if-none-match': `"${version.etag}"` })).status).toBe(304);
    expect((await get({ 'if-match': '"other"' })).status).toBe(412);
    expect((await get({ range: 'bytes=100-' })).status).toBe(416);
    expect((await pocket.call('get', onVersion(pocket, 'a.html', newId(), '/content'))).body.error.code).toBe(
      'VERSION_NOT_FOUND',
    );
    expect((await pocket.call('get', onVersion(pocket, 'b', newId(), '/content'))).body.error.code).toBe(
      'FILE_NOT_FOUND',
    );
  });

  it('are paid for: a replacement costs its size and an object, less what falls out', async () => {
    await pocket.settings({ versionsKept: 2 });
    await quota(pocket, 30, 3);
    await write(pocket, 'a.txt', 'x'.repeat(10), 'x'.repeat(10), 'x'.repeat(10));
    // The first of 10 falls out for the fourth.
    expect((await pocket.upload('a.txt', 'x'.repeat(11))).body.error.code).toBe('QUOTA_EXCEEDED');
    expect((await pocket.upload('a.txt', 'x'.repeat(10))).status).toBe(201);
    expect(await sizes(pocket, 'a.txt')).toEqual([10, 10]);
    await pocket.settings({ versionsKept: 3 });
    const { body } = await pocket.upload('a.txt', '');
    expect(body.error.details).toMatchObject({ limit: 'objects', quota: 3, used: 3, requested: 1 });
  });

  it('are fewer from the next replacement on, when fewer are wanted', async () => {
    await pocket.settings({ versionsKept: 4 });
    await write(pocket, 'a.txt', '1', '22', '333', '4444');
    await pocket.settings({ versionsKept: 1 });
    expect(await sizes(pocket, 'a.txt')).toEqual([3, 2, 1]);
    await pocket.put('a.txt', '55555');
    expect(await sizes(pocket, 'a.txt')).toEqual([4]);
    await pocket.settings({ versionsKept: 0 });
    await pocket.put('a.txt', '666666');
    expect(await sizes(pocket, 'a.txt')).toEqual([]);
    expect(await objects(pocket)).toBe(1);
  });

  it('follow the file: renamed, into the trash and back; a copy has none', async () => {
    await drive.settings({ versionsKept: 5 });
    const { id } = await write(drive, 'a.txt', '1', '22', '333');
    const versions = await drive.versions('a.txt');
    await drive.call('patch', drive.file('a.txt'), { fileName: 'b.txt' }).expect(200);
    await drive.call('delete', drive.file('b.txt')).expect(200);
    expect((await drive.call('get', drive.file('b.txt', '/versions'))).body.error.code).toBe('FILE_NOT_FOUND');
    expect(await drive.audited()).toMatchObject({ usedBytes: 6, trashBytes: 3, versionBytes: 3 });
    await drive.call('post', `/trash/${id}/restore`, {}).expect(200);
    expect(await drive.versions('b.txt')).toEqual(versions);
    await drive.call('post', '/copy', { from: 'b.txt', to: 'c.txt' }).expect(201);
    expect(await sizes(drive, 'c.txt')).toEqual([]);
    expect(await drive.content('c.txt')).toBe('333');
  });

  it('go with the file when that goes for good', async () => {
    await pocket.settings({ versionsKept: 5 });
    await write(pocket, 'a.txt', '1', '22', '333');
    const reply = await pocket.call('delete', pocket.file('a.txt'));
    expect(reply.body.data.sizeFreed).toBe(6);
    expect(Number(reply.headers['x-quota-objects-remaining'])).toBe(100);
    expect(await pocket.audited()).toMatchObject({ usedBytes: 0, usedObjects: 0 });
    expect(await objects(pocket)).toBe(0);
  });

  it('come of each of two replacements at once', async () => {
    await pocket.settings({ versionsKept: 50 });
    await pocket.put('a.txt', 'x');
    const replies = await Promise.all(Array.from({ length: 12 }, (_, i) => pocket.upload('a.txt', 'x'.repeat(i + 2))));
    expect(replies.every(({ status }) => status === 201)).toBe(true);
    const present = (await pocket.call('get', pocket.file('a.txt', '/metadata'))).body.data.file.size;
    const all = [...(await sizes(pocket, 'a.txt')), present];
    expect(all.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 13 }, (_, i) => i + 1));
    expect(await objects(pocket)).toBe(13);
  });
});

describe('restoring a version', () => {
  const restore = (client: SpaceClient, name: string, id: string) =>
    client.call('post', onVersion(client, name, id, '/restore'));

  it('makes it the present content, and the present one a version; costs nothing', async () => {
    await pocket.settings({ versionsKept: 2 });
    const first = await pocket.put('a.txt', 'first');
    const second = await pocket.put('a.txt', 'second!');
    await quota(pocket, 12, 2);
    const [version] = await pocket.versions('a.txt');
    const reply = await restore(pocket, 'a.txt', version.id);
    expect(reply.status).toBe(200);
    expect(reply.body.data.file).toMatchObject({
      id: first.id,
      etag: first.etag,
      checksumSha256: first.checksumSha256,
      uploadedAt: first.uploadedAt,
      size: 5,
    });
    expect(reply.body.data.usage).toMatchObject({ bytesUsed: 12, objects: 2, versionBytes: 7 });
    expect(await pocket.content('a.txt')).toBe('first');
    const [replaced] = await pocket.versions('a.txt');
    expect(replaced).toMatchObject({ etag: second.etag, size: 7 });
    expect(await site.accounts.auditOf(first.id)).toEqual([
      'file.upload',
      'file.upload',
      'file.version_restore',
      'file.download',
    ]);
  });

  it('happens once when it is asked for by several at once', async () => {
    await pocket.settings({ versionsKept: 2 });
    await write(pocket, 'a.txt', 'first', 'second');
    const [version] = await pocket.versions('a.txt');
    const replies = await Promise.all([1, 2, 3].map(() => restore(pocket, 'a.txt', version.id)));
    expect(replies.map(({ status }) => status).toSorted()).toEqual([200, 404, 404]);
    expect(await pocket.content('a.txt')).toBe('first');
  });

  it('is 404 for what is not there, or of another file or space', async () => {
    await pocket.settings({ versionsKept: 2 });
    await write(pocket, 'a.txt', '1', '2');
    await pocket.put('b.txt');
    const [version] = await pocket.versions('a.txt');
    for (const [reply, code] of [
      [await restore(pocket, 'a.txt', newId()), 'VERSION_NOT_FOUND'],
      [await restore(pocket, 'a.txt', 'x'), 'VERSION_NOT_FOUND'],
      [await restore(pocket, 'b.txt', version.id), 'VERSION_NOT_FOUND'],
      [await restore(pocket, 'c.txt', version.id), 'FILE_NOT_FOUND'],
      [await restore(drive, 'a.txt', version.id), 'FILE_NOT_FOUND'],
      [await pocket.call('delete', onVersion(pocket, 'b.txt', version.id)), 'VERSION_NOT_FOUND'],
      [await pocket.call('delete', onVersion(pocket, 'c.txt', version.id)), 'FILE_NOT_FOUND'],
    ] as const) {
      expect([reply.status, reply.body.error.code]).toEqual([404, code]);
    }
  });
});

describe('deleting a version', () => {
  it('frees its room, once', async () => {
    await pocket.settings({ versionsKept: 3 });
    const { id } = await write(pocket, 'a.txt', '1', '22', '333');
    const [, first] = await pocket.versions('a.txt');
    const path = onVersion(pocket, 'a.txt', first.id);
    const reply = await pocket.call('delete', path);
    expect(reply.body.data).toEqual({ versionId: first.id, sizeFreed: 1 });
    expect(Number(reply.headers['x-quota-objects-remaining'])).toBe(98);
    expect((await pocket.call('delete', path)).body.error.code).toBe('VERSION_NOT_FOUND');
    expect(await sizes(pocket, 'a.txt')).toEqual([2]);
    expect(await objects(pocket)).toBe(2);
    expect((await site.accounts.auditOf(id)).at(-1)).toBe('file.version_delete');
  });
});
