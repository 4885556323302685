import type { Response } from 'supertest';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
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
  vi.restoreAllMocks();
  for (const client of [drive, pocket]) await client.audited();
});
afterAll(() => site.stop());

function rename(client: SpaceClient, name: string, body: object) {
  return client.call('patch', client.file(name), body);
}

/** Requests of which each waits, in this order, for the lock of the space; answers what they answered. */
async function queued(client: SpaceClient, requests: readonly (() => PromiseLike<Response>)[]): Promise<Response[]> {
  const spaceId = await client.spaceId();
  const sent: Promise<Response>[] = [];
  await world.database.prisma.$transaction(async (tx) => {
    await tx.$queryRaw`SELECT 1 FROM spaces WHERE id = ${spaceId}::uuid FOR UPDATE`;
    for (const request of requests) {
      sent.push(Promise.resolve(request()));
      await expect.poll(waiting).toBe(sent.length);
    }
  });
  return Promise.all(sent);
}

async function waiting(): Promise<number> {
  const [row] = await world.database.prisma.$queryRaw<{ n: number }[]>`
    SELECT count(*)::integer AS n FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
  return row?.n ?? 0;
}

async function quota(client: SpaceClient, bytes: number, objects: number): Promise<void> {
  const data = { quotaBytes: BigInt(bytes), quotaObjects: BigInt(objects) };
  await world.database.prisma.space.update({ where: { id: await client.spaceId() }, data });
}

/** Removes the objects that no file names any more, as the job would. */
async function purge(): Promise<void> {
  await site.accounts.composition.tombstones.purge();
}

describe('a rename', () => {
  it('keeps id, content, ETag, times, tags, versions and shares', async () => {
    await drive.settings({ versionsKept: 2 });
    await drive.put('a.txt', 'one');
    await drive.upload('a.txt', 'two', '&tags=x,y%3D1');
    const before = (await drive.call('get', drive.file('a.txt', '/metadata'))).body.data.file;
    const share = {
      id: newId(),
      spaceId: await drive.spaceId(),
      ownerId: drive.actor.userId,
      fileId: before.id,
      subjectId: before.id,
      granteeKey: 'username:somebody',
      granteeUsername: 'somebody',
      permission: 'VIEW' as const,
    };
    await world.database.prisma.share.create({ data: share });
    const versions = await drive.versions('a.txt');
    const reply = await rename(drive, 'a.txt', { fileName: 'deep/er/b.pdf' });
    expect(reply.status).toBe(200);
    expect(reply.body.data.file).toEqual({ ...before, fileName: 'deep/er/b.pdf', extension: 'pdf' });
    expect(await drive.content('deep/er/b.pdf')).toBe('two');
    expect(await drive.versions('deep/er/b.pdf')).toEqual(versions);
    expect(versions).toHaveLength(1);
    expect(await world.database.prisma.share.count({ where: { fileId: before.id } })).toBe(1);
    expect((await drive.call('get', drive.file('a.txt', '/metadata'))).status).toBe(404);
    const folders = await world.database.prisma.folder.findMany({ where: { spaceId: share.spaceId } });
    expect(folders.map(({ path }) => path).toSorted()).toEqual(['deep', 'deep/er']);
  });

  it('onto itself changes nothing, whatever the policy', async () => {
    const file = await pocket.put('a/b.txt');
    for (const conflict of ['fail', 'keepBoth', 'replace']) {
      const reply = await rename(pocket, 'a/b.txt', { fileName: 'a/b.txt', conflict });
      expect([reply.status, reply.body.data.file]).toEqual([200, file]);
    }
    expect((await pocket.audited()).folders).toBe(0);
  });

  it('fails where the name is taken, and names who has it', async () => {
    const [, taken] = [await pocket.put('a.txt', 'A'), await pocket.put('b.txt', 'B')];
    const reply = await rename(pocket, 'a.txt', { fileName: 'b.txt' });
    expect(reply.status).toBe(409);
    expect(reply.body.error).toMatchObject({ code: 'FILE_EXISTS', details: { id: taken.id, fileName: 'b.txt' } });
    expect(await pocket.content('b.txt')).toBe('B');
  });

  it('replaces when told, for a key only with the permission to delete', async () => {
    const [moved] = [await pocket.put('a.txt', 'A'), await pocket.put('b.txt', 'BBB')];
    const { accessKeyId } = pocket.actor as unknown as { accessKeyId: string };
    const permit = (permissions: string[]) =>
      world.database.prisma.apiKey.update({ where: { accessKeyId }, data: { permissions } });
    await permit(['read', 'write', 'list']);
    const refused = await rename(pocket, 'a.txt', { fileName: 'b.txt', conflict: 'replace' });
    expect(refused.body.error).toMatchObject({ code: 'PERMISSION_MISSING', details: { permission: 'delete' } });
    expect(await pocket.content('b.txt')).toBe('BBB');
    await permit(['read', 'write', 'list', 'delete']);
    const reply = await rename(pocket, 'a.txt', { fileName: 'b.txt', conflict: 'replace' });
    expect(reply.body.data.file.id).toBe(moved.id);
    expect(Number(reply.headers['x-quota-objects-remaining'])).toBe(99);
    expect(await pocket.audited()).toMatchObject({ usedBytes: 1, usedObjects: 1, trashObjects: 0 });
    // A drive's replaced file lies in the trash.
    await drive.put('a.txt', 'A');
    await drive.put('b.txt', 'B');
    await rename(drive, 'a.txt', { fileName: 'b.txt', conflict: 'replace' }).expect(200);
    expect(await drive.audited()).toMatchObject({ usedObjects: 2, trashObjects: 1 });
  });

  it('keeps both: of 20 at once onto one name all succeed, each with a name of its own', async () => {
    const names = Array.from({ length: 20 }, (_, i) => `old ${i}.txt`);
    for (const name of names) await pocket.put(name);
    const replies = await Promise.all(
      names.map((name) => rename(pocket, name, { fileName: 'new.txt', conflict: 'keepBoth' })),
    );
    expect(replies.map(({ status }) => status)).toEqual(names.map(() => 200));
    const wanted = ['new.txt', ...Array.from({ length: 19 }, (_, i) => `new (${i + 1}).txt`)];
    expect((await pocket.names()).toSorted()).toEqual(wanted.toSorted());
  });

  it('and a replacement of the same file at once: both hold, in some order', async () => {
    for (let i = 0; i < 5; i += 1) {
      await pocket.put('a.txt', 'old');
      const [renamed, replaced] = await Promise.all([
        rename(pocket, 'a.txt', { fileName: 'b.txt', conflict: 'replace' }),
        pocket.upload('a.txt', 'new'),
      ]);
      expect([renamed.status, replaced.status]).toEqual([200, 201]);
      // Either the new content went along, or it has the old name for itself.
      const names = await pocket.names();
      expect([['a.txt', 'b.txt'], ['b.txt']]).toContainEqual(names);
      expect(await pocket.content(names.length === 2 ? 'a.txt' : 'b.txt')).toBe('new');
    }
  });

  it('refuses what is no name, no change, or not there', async () => {
    await pocket.put('a.txt');
    for (const body of [{ fileName: '../x' }, { fileName: 'a//b' }, {}, { conflict: 'fail' }, { fileName: '' }]) {
      const reply = await rename(pocket, 'a.txt', body);
      expect([reply.status, reply.body.error.code]).toEqual([400, 'VALIDATION_FAILED']);
    }
    for (const name of ['missing', '../a.txt', 'x'.repeat(2000)]) {
      expect((await rename(pocket, name, { fileName: 'b.txt' })).body.error.code).toBe('FILE_NOT_FOUND');
    }
    const foreign = new SpaceClient(world, await world.person());
    expect((await rename(foreign, 'a.txt', { fileName: 'b.txt' })).body.error.code).toBe('FILE_NOT_FOUND');
  });

  it('does not make more folders than a drive may have, nor does a copy or an upload', async () => {
    await drive.put('a.txt');
    const where = { id: await drive.spaceId() };
    await world.database.prisma.space.update({ where, data: { folderCount: 1000n } });
    const replies = [
      await rename(drive, 'a.txt', { fileName: 'new/a.txt' }),
      await drive.call('post', '/copy', { from: 'a.txt', to: 'new/a.txt' }),
      await drive.upload('new/a.txt', 'x'),
    ];
    expect(replies.map(({ body }) => body.error?.code)).toEqual(['CONFLICT', 'CONFLICT', 'CONFLICT']);
    await world.database.prisma.space.update({ where, data: { folderCount: 0n } });
  });
});

describe('tags', () => {
  it('are set as a whole, and found', async () => {
    await pocket.put('a.txt');
    const reply = await rename(pocket, 'a.txt', { tags: ['cats', 'year=2026', ' k = v '] });
    expect(reply.body.data.file.tags).toEqual(['cats', 'year=2026', 'k=v']);
    expect((await pocket.call('get', '/files?tag=cats')).body.data.files).toHaveLength(1);
    expect((await rename(pocket, 'a.txt', { tags: [] })).body.data.file.tags).toEqual([]);
    expect(await site.accounts.auditOf(reply.body.data.file.id)).toEqual(['file.upload', 'file.tag', 'file.tag']);
  });

  it.each([
    ['eleven', Array.from({ length: 11 }, (_, i) => `t${i}`)],
    ['a long key', ['x'.repeat(129)]],
    ['a long value', [`k=${'x'.repeat(257)}`]],
    ['one key twice', ['a=1', 'a=2']],
    ['a comma', ['a,b']],
    ['a control character', ['a\u0000']],
    ['an empty one', ['']],
  ])('refuses %s', async (_what, tags) => {
    await pocket.put('a.txt');
    expect((await rename(pocket, 'a.txt', { tags })).status).toBe(400);
  });
});

describe('a copy', () => {
  const copy = (client: SpaceClient, body: object) => client.call('post', '/copy', body);

  it('has the content, the tags and a life of its own, and pays quota', async () => {
    await drive.upload('a.txt', 'content', '&tags=x,y%3D1');
    const reply = await copy(drive, { from: 'a.txt', to: 'new/b.txt' });
    expect(reply.status).toBe(201);
    expect(reply.body.data.file).toMatchObject({ fileName: 'new/b.txt', size: 7, tags: ['x', 'y=1'] });
    expect(reply.body.data.usage).toMatchObject({ bytesUsed: 14, objects: 2 });
    await drive.call('delete', drive.file('a.txt')).expect(200);
    await purge();
    expect(await drive.content('new/b.txt')).toBe('content');
  });

  it('onto itself: harmless, refused or numbered, as told', async () => {
    const file = await pocket.put('a.txt', 'content');
    expect((await copy(pocket, { from: 'a.txt', to: 'a.txt' })).body.error.details.id).toBe(file.id);
    const replaced = await copy(pocket, { from: 'a.txt', to: 'a.txt', conflict: 'replace' });
    expect([replaced.status, replaced.body.data.file.id]).toEqual([201, file.id]);
    await purge();
    expect(await pocket.content('a.txt')).toBe('content');
    const numbered = await copy(pocket, { from: 'a.txt', to: 'a.txt', conflict: 'keepBoth' });
    expect(numbered.body.data.file.fileName).toBe('a (1).txt');
  });

  it('fits exactly or not at all', async () => {
    await pocket.put('a.txt', 'x'.repeat(100));
    await quota(pocket, 200, 2);
    expect((await copy(pocket, { from: 'a.txt', to: 'b.txt' })).status).toBe(201);
    const full = await copy(pocket, { from: 'a.txt', to: 'c.txt' });
    expect([full.status, full.body.error.code]).toEqual([413, 'QUOTA_EXCEEDED']);
    await pocket.call('delete', pocket.file('b.txt'));
    await quota(pocket, 199, 2);
    const { body } = await copy(pocket, { from: 'a.txt', to: 'b.txt' });
    expect(body.error.details).toEqual({ limit: 'bytes', quota: 199, used: 100, reserved: 0, requested: 100 });
    await quota(pocket, 1000, 4);
    const replies = await Promise.all(
      Array.from({ length: 8 }, (_, i) => copy(pocket, { from: 'a.txt', to: `c${i}` })),
    );
    expect(replies.filter(({ status }) => status === 201)).toHaveLength(3);
    expect(await pocket.audited()).toMatchObject({ usedObjects: 4, reservedObjects: 0 });
  });

  it('takes the new content where the source is replaced meanwhile, and none where it is deleted', async () => {
    const { store } = site.accounts.infrastructure;
    const real = store.copy.bind(store);
    await pocket.put('a.txt', 'old');
    const meanwhile = (what: () => PromiseLike<unknown>) =>
      vi.spyOn(store, 'copy').mockImplementationOnce(async (from, to) => {
        await what();
        await purge();
        return real(from, to);
      });
    meanwhile(() => pocket.upload('a.txt', 'newer'));
    expect((await copy(pocket, { from: 'a.txt', to: 'b.txt' })).status).toBe(201);
    expect(await pocket.content('b.txt')).toBe('newer');
    meanwhile(() => pocket.call('delete', pocket.file('a.txt')));
    expect((await copy(pocket, { from: 'a.txt', to: 'c.txt' })).body.error.code).toBe('FILE_NOT_FOUND');
    expect(await pocket.audited()).toMatchObject({ usedObjects: 1, reservedObjects: 0, uploads: 0 });
  });

  it('needs a key that may read and write', async () => {
    await pocket.put('a.txt');
    const { accessKeyId } = pocket.actor as unknown as { accessKeyId: string };
    for (const missing of ['read', 'write']) {
      const permissions = ['read', 'write'].filter((name) => name !== missing);
      await world.database.prisma.apiKey.update({ where: { accessKeyId }, data: { permissions } });
      const { body } = await copy(pocket, { from: 'a.txt', to: 'b.txt' });
      expect(body.error).toMatchObject({ code: 'PERMISSION_MISSING', details: { permission: missing } });
    }
  });

  it('of what is not there is 404, to what is no name 400', async () => {
    await pocket.put('a.txt');
    expect((await copy(pocket, { from: 'missing', to: 'b' })).body.error.code).toBe('FILE_NOT_FOUND');
    expect((await copy(pocket, { from: 'a.txt', to: '/b' })).status).toBe(400);
    expect((await copy(pocket, { from: 'a.txt', to: 'b', conflict: 'other' })).status).toBe(400);
  });
});

describe('a deletion by prefix', () => {
  const deletion = () => drive.call('post', '/files/bulk-delete', { prefix: 'here/' });

  it('spares what was renamed out of the prefix before its turn, and the folder of what came into it', async () => {
    for (const name of ['here/a.txt', 'here/b.txt', 'else.txt']) await drive.put(name);
    const [out, into, gone] = await queued(drive, [
      () => rename(drive, 'here/a.txt', { fileName: 'there/a.txt' }),
      () => rename(drive, 'else.txt', { fileName: 'here/sub/else.txt' }),
      deletion,
    ]);
    expect([out?.status, into?.status, gone?.status]).toEqual([200, 200, 200]);
    expect(await drive.names()).toEqual(['there/a.txt']);
    const folders = await world.database.prisma.folder.findMany({ where: { spaceId: await drive.spaceId() } });
    expect(folders.map(({ path }) => path)).toEqual(['there']);
  });

  it('leaves every file alive whose rename was answered well', async () => {
    const names = Array.from({ length: 12 }, (_, i) => `${i}.txt`);
    for (let round = 0; round < 3; round += 1) {
      for (const name of names) await drive.put(`here/${name}`);
      const [gone, ...renamed] = await Promise.all([
        deletion(),
        ...names.map((name) => rename(drive, `here/${name}`, { fileName: `there/${round}/${name}` })),
      ]);
      expect(gone?.status).toBe(200);
      const kept = names.filter((_, i) => renamed[i]?.status === 200).map((name) => `there/${round}/${name}`);
      expect(await drive.names(`there/${round}/`)).toEqual(kept.toSorted());
      expect(await drive.names('here/')).toEqual([]);
    }
  });
});
