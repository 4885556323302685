import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { newId } from '../../src/platform/crypto/random.ts';
import { type Site, startAccounts } from '../support/accounts.ts';
import { seedFiles } from '../support/seeded-files.ts';
import { SpaceClient } from '../support/space-client.ts';
import { World } from '../support/world.ts';

const NEVER = new AbortController().signal;

let site: Site;
let world: World;
let drive: SpaceClient;
let pocket: SpaceClient;

beforeAll(async () => {
  site = await startAccounts({ TRASH_DAYS: '30' }, { workers: false });
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

/** Uploads and deletes; answers the file's id. */
async function trashed(client: SpaceClient, name: string, content = 'content'): Promise<string> {
  const { id } = await client.put(name, content);
  await client.call('delete', client.file(name)).expect(200);
  return id;
}

async function permit(permissions: string[]): Promise<void> {
  const { accessKeyId } = pocket.actor as unknown as { accessKeyId: string };
  await world.database.prisma.apiKey.update({ where: { accessKeyId }, data: { permissions } });
}

describe('deleting', () => {
  it('moves a drive’s file into the trash, where it counts, and its name is free', async () => {
    await drive.put('a.txt', 'one');
    const reply = await drive.call('delete', drive.file('a.txt'));
    expect(reply.body.data).toMatchObject({ fileName: 'a.txt', sizeFreed: 0, trashed: true });
    expect(await drive.names()).toEqual([]);
    await drive.put('a.txt', 'two');
    expect(await drive.audited()).toMatchObject({ usedBytes: 6, usedObjects: 2, trashBytes: 3, trashObjects: 1 });
    const { usage } = (await drive.call('get', '/usage')).body.data;
    expect(usage).toMatchObject({ bytesUsed: 6, objects: 2, trashBytes: 3 });
    expect((await drive.call('get', '/files')).body.meta.total).toBe(1);
  });

  it('of a pocket’s file is for good, unless the pocket keeps a trash', async () => {
    await pocket.put('a.txt');
    expect((await pocket.call('delete', pocket.file('a.txt'))).body.data).toMatchObject({
      trashed: false,
      sizeFreed: 7,
    });
    await pocket.settings({ trashDays: 1 });
    await trashed(pocket, 'a.txt');
    expect((await pocket.trash()).data.files).toHaveLength(1);
  });

  it('goes past the trash when it is to be permanent', async () => {
    await drive.put('a.txt');
    const one = await drive.call('delete', `${drive.file('a.txt')}?permanent=true`);
    expect(one.body.data).toMatchObject({ trashed: false, sizeFreed: 7 });
    for (const name of ['a', 'b', 'c/d', 'c/e']) await drive.put(name);
    const many = await drive.call('post', '/files/bulk-delete', { fileNames: ['a', 'b'], permanent: true });
    expect(many.body.data.summary).toMatchObject({ deleted: 2, sizeFreed: 14 });
    const below = await drive.call('post', '/files/bulk-delete', { prefix: 'c/', permanent: true });
    expect(below.body.data.summary).toMatchObject({ deleted: 2, sizeFreed: 14 });
    expect(await drive.audited()).toMatchObject({ usedObjects: 0, trashObjects: 0, folders: 0 });
    expect((await drive.call('delete', `${drive.file('a')}?permanent=yes`)).status).toBe(400);
  });
});

describe('the trash', () => {
  it('lists what was deleted, newest first, page by page', async () => {
    const ids: string[] = [];
    for (const name of ['a/1', 'b/1', 'a/2', 'a/1', 'b/2']) ids.push(await trashed(drive, name));
    const seen: string[] = [];
    for (let cursor = ''; ; ) {
      const { data, meta } = await drive.trash(`?limit=2${cursor && `&cursor=${cursor}`}`);
      expect(meta.total).toBe(5);
      seen.push(...data.files.map(({ id }: { id: string }) => id));
      if (meta.nextCursor === null) break;
      cursor = meta.nextCursor;
    }
    expect(seen).toEqual(ids.toReversed());
    const { data, meta } = await drive.trash('?prefix=a/');
    expect(data.files.map(({ fileName }: { fileName: string }) => fileName)).toEqual(['a/1', 'a/2', 'a/1']);
    expect(meta.total).toBeUndefined();
    const [{ deletedAt, expiresAt, ...file }] = data.files;
    expect(Date.parse(expiresAt) - Date.parse(deletedAt)).toBe(30 * 24 * 3600 * 1000);
    expect(file).toMatchObject({ size: 7, tags: [], uploadedAt: expect.any(String) });
    expect((await drive.call('get', '/trash?cursor=x')).status).toBe(400);
    expect((await pocket.trash()).data.files).toEqual([]);
  });

  it('is read from its index, however much else there is', async () => {
    const spaceId = await drive.spaceId();
    await seedFiles(world.database, spaceId, { prefix: 'x', count: 3000, trashed: true });
    const plan = await world.database.prisma.$transaction(async (tx) => {
      await tx.$executeRaw`ANALYZE files`;
      return tx.$queryRaw<{ 'QUERY PLAN': string }[]>`
        EXPLAIN SELECT id FROM files WHERE space_id = ${spaceId}::uuid AND deleted_at IS NOT NULL AND path >= '' 
        ORDER BY deleted_at DESC, id DESC LIMIT 51`;
    });
    const text = plan.map((row) => row['QUERY PLAN']).join('\n');
    expect(text).toContain('files_trash');
    expect(text).not.toContain('Sort');
  });
});

describe('restoring', () => {
  const restore = (client: SpaceClient, id: string, body: object = {}) =>
    client.call('post', `/trash/${id}/restore`, body);

  it('brings a file back as it was, and its folders', async () => {
    const file = await drive.put('deep/er/a.txt');
    await drive.call('post', '/files/bulk-delete', { prefix: 'deep/' }).expect(200);
    expect((await drive.audited()).folders).toBe(0);
    const reply = await restore(drive, file.id);
    expect(reply.status).toBe(200);
    expect(reply.body.data.file).toEqual(file);
    expect(reply.body.data.usage).toMatchObject({ bytesUsed: 7, objects: 1, trashBytes: 0 });
    expect(await drive.content('deep/er/a.txt')).toBe('content');
    expect(await drive.audited()).toMatchObject({ folders: 2, trashObjects: 0 });
    expect(await site.accounts.auditOf(file.id)).toEqual([
      'file.upload',
      'file.delete',
      'file.restore',
      'file.download',
    ]);
  });

  it('into a place that is taken: as told', async () => {
    const old = await trashed(drive, 'a.txt', 'old');
    const present = await drive.put('a.txt', 'new');
    const refused = await restore(drive, old);
    expect(refused.body.error).toMatchObject({ code: 'FILE_EXISTS', details: { id: present.id, fileName: 'a.txt' } });
    const both = await restore(drive, old, { conflict: 'keepBoth' });
    expect(both.body.data.file.fileName).toBe('a (1).txt');
    await drive.call('delete', drive.file('a (1).txt'));
    await drive.put('a (1).txt', 'other');
    const replacing = await restore(drive, old, { conflict: 'replace' });
    expect(replacing.body.data.file).toMatchObject({ id: old, fileName: 'a (1).txt' });
    expect((await drive.trash()).data.files.map(({ fileName }: { fileName: string }) => fileName)).toEqual([
      'a (1).txt',
    ]);
  });

  it('to replace needs a key that may delete', async () => {
    await pocket.settings({ trashDays: 5 });
    const id = await trashed(pocket, 'a.txt', 'old');
    await pocket.put('a.txt', 'new');
    await permit(['write']);
    for (const [path, body] of [
      [`/trash/${id}/restore`, {}],
      ['/trash/restore', { ids: [id] }],
    ] as const) {
      const { body: answer } = await pocket.call('post', path, { ...body, conflict: 'replace' });
      expect(answer.error).toMatchObject({ code: 'PERMISSION_MISSING', details: { permission: 'delete' } });
    }
    expect((await restore(pocket, id, { conflict: 'keepBoth' })).status).toBe(200);
  });

  it('happens once, and to nobody else’s files', async () => {
    const id = await trashed(drive, 'a.txt');
    const foreign = new SpaceClient(world, await world.person());
    for (const reply of [
      await restore(foreign, id),
      await restore(pocket, id),
      await restore(drive, newId()),
      await foreign.call('delete', `/trash/${id}`),
    ]) {
      expect([reply.status, reply.body.error.code]).toEqual([404, 'FILE_NOT_FOUND']);
    }
    const replies = await Promise.all([1, 2, 3].map(() => restore(drive, id, { conflict: 'keepBoth' })));
    expect(replies.map(({ status }) => status).toSorted()).toEqual([200, 404, 404]);
  });

  it('does not make more folders than a drive may have', async () => {
    const id = await trashed(drive, 'a/b.txt');
    const where = { id: await drive.spaceId() };
    await world.database.prisma.folder.deleteMany({ where: { spaceId: where.id } });
    await world.database.prisma.space.update({ where, data: { folderCount: 1000n } });
    expect((await restore(drive, id)).body.error.code).toBe('CONFLICT');
    const many = await drive.call('post', '/trash/restore', { ids: [id] });
    expect(many.body.data.failed).toEqual([{ id, fileName: 'a/b.txt', reason: 'CONFLICT' }]);
    await world.database.prisma.space.update({ where, data: { folderCount: 0n } });
  });

  it('of many: the last deleted of a name wins', async () => {
    const [first, second] = [await trashed(drive, 'a.txt', 'first'), await trashed(drive, 'a.txt', 'second')];
    const other = await trashed(drive, 'b.txt');
    const gone = newId();
    const reply = await drive.call('post', '/trash/restore', { ids: [first, 'x', other, second, gone, second] });
    expect(reply.body.data.restored.map(({ id }: { id: string }) => id).toSorted()).toEqual([other, second].toSorted());
    expect(reply.body.data.failed).toEqual([
      { id: first, fileName: 'a.txt', reason: 'FILE_EXISTS' },
      { id: 'x', fileName: null, reason: 'FILE_NOT_FOUND' },
      { id: gone, fileName: null, reason: 'FILE_NOT_FOUND' },
    ]);
    expect(reply.body.data.summary).toEqual({ requested: 5, restored: 2, failed: 3 });
    expect(await drive.content('a.txt')).toBe('second');
    await drive.call('delete', drive.file('a.txt'));
    await drive.put('a.txt', 'third');
    const replacing = await drive.call('post', '/trash/restore', { ids: [first, second], conflict: 'replace' });
    expect(replacing.body.data.summary).toMatchObject({ restored: 1, failed: 1 });
    expect(await drive.content('a.txt')).toBe('second');
  });

  it('of a prefix: of each name the last deleted, and only below it', async () => {
    for (const [name, content] of [
      ['a/1', 'old'],
      ['a/1', 'new'],
      ['a/2', 'x'],
      ['ab', 'y'],
    ] as const) {
      await trashed(drive, name, content);
    }
    const reply = await drive.call('post', '/trash/restore', { prefix: 'a/', conflict: 'keepBoth' });
    expect(reply.body.data.summary).toEqual({ requested: 2, restored: 2, failed: 0 });
    expect(await drive.content('a/1')).toBe('new');
    expect((await drive.trash()).data.files).toHaveLength(2);
    const none = await drive.call('post', '/trash/restore', { prefix: 'nothing/' });
    expect(none.body.data.summary).toEqual({ requested: 0, restored: 0, failed: 0 });
  });

  it('refuses what says neither or both', async () => {
    for (const body of [{}, { ids: [], prefix: 'a' }, { ids: [newId()], prefix: 'a' }, { ids: [] }]) {
      expect((await drive.call('post', '/trash/restore', body)).status).toBe(400);
    }
  });
});

describe('for good', () => {
  it('goes one file, with its versions', async () => {
    await drive.settings({ versionsKept: 3 });
    for (const content of ['1', '22', '333']) await drive.put('a.txt', content);
    const id = await trashed(drive, 'a.txt', '4444');
    expect(await drive.audited()).toMatchObject({ usedBytes: 10, trashBytes: 4, versionBytes: 6 });
    const reply = await drive.call('delete', `/trash/${id}`);
    expect(reply.body.data).toEqual({ fileName: 'a.txt', sizeFreed: 10, deletedAt: expect.any(String) });
    expect(Number(reply.headers['x-quota-objects-remaining'])).toBe(1000);
    expect((await drive.call('delete', `/trash/${id}`)).body.error.code).toBe('FILE_NOT_FOUND');
    expect(await drive.audited()).toMatchObject({ usedBytes: 0, usedObjects: 0 });
  });

  it('goes no living file', async () => {
    const { id } = await drive.put('a.txt');
    expect((await drive.call('delete', `/trash/${id}`)).status).toBe(404);
  });

  it('goes all of it, and nothing else', async () => {
    await trashed(drive, 'a.txt');
    await trashed(drive, 'b.txt');
    await drive.put('c.txt');
    const reply = await drive.call('delete', '/trash');
    expect([reply.status, reply.body.data]).toEqual([200, { summary: { deleted: 2, sizeFreed: 14 } }]);
    expect((await drive.call('delete', '/trash')).body.data).toEqual({ summary: { deleted: 0, sizeFreed: 0 } });
    expect(await drive.audited()).toMatchObject({ usedObjects: 1, trashObjects: 0 });
  });

  it('goes what has lain its time, by the sweep, as the system’s doing', async () => {
    const [due, later] = [await trashed(drive, 'a.txt'), await trashed(drive, 'b.txt')];
    await world.database.prisma.file.update({ where: { id: due }, data: { trashExpiresAt: new Date(0) } });
    const { trash } = site.accounts.composition;
    await Promise.all([trash.purgeOverdue(NEVER), trash.purgeOverdue(NEVER)]);
    expect((await drive.trash()).data.files.map(({ id }: { id: string }) => id)).toEqual([later]);
    const entries = await world.database.prisma.auditLog.findMany({ where: { subjectId: due, action: 'file.purge' } });
    expect(entries.map(({ actorType }) => actorType)).toEqual(['system']);
  });
});

describe('the settings', () => {
  it('are the server’s until they are changed, and again with null', async () => {
    const get = async (client: SpaceClient) => (await client.call('get', '/settings')).body.data.settings;
    expect(await get(drive)).toEqual({ trashDays: 30, versionsKept: 0 });
    expect(await get(pocket)).toEqual({ trashDays: 0, versionsKept: 0 });
    const changed = await drive.settings({ trashDays: 3, versionsKept: 5 });
    expect(changed.body.data.settings).toEqual({ trashDays: 3, versionsKept: 5 });
    expect((await drive.settings({ trashDays: null })).body.data.settings).toEqual({ trashDays: 30, versionsKept: 5 });
    expect((await drive.settings({ versionsKept: 0 })).body.data.settings).toEqual({ trashDays: 30, versionsKept: 0 });
    expect(await get(drive)).toEqual({ trashDays: 30, versionsKept: 0 });
    const entries = await world.database.prisma.auditLog.findMany({
      where: { subjectId: await drive.spaceId(), action: 'space.settings_changed' },
      orderBy: { id: 'asc' },
    });
    expect(entries.map(({ metadata }) => metadata)).toEqual([
      { trashDays: 3, versionsKept: 5 },
      { trashDays: null },
      { versionsKept: 0 },
    ]);
  });

  it.each([
    {},
    { trashDays: -1 },
    { trashDays: 3651 },
    { versionsKept: 101 },
    { versionsKept: null },
    { trashDays: 1.5 },
  ])('refuse %o', async (body) => {
    const reply = await drive.call('patch', '/settings', body);
    expect([reply.status, reply.body.error.code]).toEqual([400, 'VALIDATION_FAILED']);
  });

  it('are changed only by a key that may delete', async () => {
    await permit(['read', 'write', 'list']);
    const reply = await pocket.call('patch', '/settings', { trashDays: 1 });
    expect(reply.body.error.code).toBe('PERMISSION_MISSING');
    expect((await pocket.call('get', '/settings')).status).toBe(200);
  });
});
