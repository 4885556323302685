import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { newId } from '../../src/platform/crypto/random.ts';
import { type Site, startAccounts } from '../support/accounts.ts';
import { DriveClient } from '../support/drive-client.ts';
import { auditSpace } from '../support/spaces.ts';
import { World } from '../support/world.ts';

const MAX_FILE_BYTES = 1000;
const NOT_THERE = [newId(), 'x', '%00'];

let site: Site;
let world: World;
let me: DriveClient;

beforeAll(async () => {
  site = await startAccounts({ MAX_FILE_BYTES: String(MAX_FILE_BYTES) });
  world = new World(site.accounts);
});
beforeEach(async () => {
  me = await DriveClient.of(world);
});
afterEach(async () => {
  expect((await auditSpace(world.database, me.spaceId)).faults).toEqual([]);
});
afterAll(() => site.stop());

async function setQuota(bytes: number): Promise<void> {
  await world.database.prisma.space.update({ where: { id: me.spaceId }, data: { quotaBytes: BigInt(bytes) } });
}

async function blockPath(path: string): Promise<void> {
  const params = { from: path, to: 'elsewhere' };
  await world.database.prisma.operation.create({
    data: { id: newId(), spaceId: me.spaceId, kind: 'folder.move', params, total: 1n },
  });
}

describe('an upload by id', () => {
  it('lands in the folder, with the usage right after', async () => {
    const folder = await me.folder('a');
    const reply = await me.form('post', `/files?folderId=${folder}&tags=cats,year=2026`, 'four', 'dir/cat.mp3');
    expect(reply.status).toBe(201);
    expect(reply.body.data).toMatchObject({
      file: { name: 'cat.mp3', fileName: 'a/cat.mp3', folderId: folder, size: 4, tags: ['cats', 'year=2026'] },
      usage: { bytesUsed: 4, objects: 1 },
    });
    const root = await me.form('post', '/files?fileName=b.txt', 'x');
    expect(root.body.data.file).toMatchObject({ fileName: 'b.txt', folderId: null });
  });

  it('replaces, keeps both, or fails with the file that is there', async () => {
    const folder = await me.folder('a');
    const id = await me.upload('x.txt', folder);
    const send = (conflict: string) =>
      me.form('post', `/files?folderId=${folder}&fileName=x.txt&conflict=${conflict}`, 'new');
    expect((await send('replace')).body.data.file.id).toBe(id);
    expect((await send('keepBoth')).body.data.file).toMatchObject({ name: 'x (1).txt', folderId: folder });
    const failed = await send('fail');
    expect([failed.status, failed.body.error]).toMatchObject([
      409,
      { code: 'FILE_EXISTS', details: { id, fileName: 'a/x.txt' } },
    ]);
  });

  it('is refused for a folder that is not there, a name that is none, and what does not fit', async () => {
    const theirs = await (await DriveClient.of(world)).folder('theirs');
    for (const folderId of [...NOT_THERE, theirs]) {
      const reply = await me.form('post', `/files?folderId=${folderId}`, 'x');
      expect([reply.status, reply.body.error.code]).toEqual([404, 'FOLDER_NOT_FOUND']);
    }
    for (const query of ['fileName=a/b', 'fileName=..', 'conflict=x', `tags=${'x,'.repeat(2)}`]) {
      expect((await me.form('post', `/files?${query}`, 'x')).status).toBe(400);
    }
    expect((await me.form('post', '/files', 'x', 'a/..')).status).toBe(400);
    const large = await me.form('post', '/files', 'x'.repeat(MAX_FILE_BYTES + 1));
    expect([large.status, large.body.error.code]).toEqual([413, 'FILE_TOO_LARGE']);
    await setQuota(3);
    const full = await me.form('post', '/files', 'four');
    expect([full.status, full.body.error.details]).toMatchObject([413, { limit: 'bytes', quota: 3, used: 0 }]);
  });

  it('waits for what still leaves the folder’s place', async () => {
    const folder = await me.folder('a');
    await blockPath('a');
    const reply = await me.form('post', `/files?folderId=${folder}`, 'x');
    expect([reply.status, reply.body.error.code]).toEqual([409, 'CONFLICT']);
  });
});

describe('a file by id', () => {
  it('is shown, read in whole and in part, and linked to', async () => {
    const id = await me.upload('x.txt', await me.folder('a'), 'content');
    const { file } = (await me.get(`/files/${id}`)).body.data;
    expect(file).toMatchObject({ id, name: 'x.txt', fileName: 'a/x.txt', size: 7 });
    const whole = await me.get(`/files/${id}/content`);
    expect([whole.status, whole.text, whole.headers['content-disposition']]).toEqual([
      200,
      'content',
      'inline; filename=x.txt',
    ]);
    expect(whole.headers['x-content-type-options']).toBe('nosniff');
    const read = (headers: Record<string, string>) =>
      world.send('get', { path: `/files/${id}/content` }, { ...me.person.headers, ...headers });
    const part = await read({ range: 'bytes=0-2' });
    expect([part.status, part.text]).toEqual([206, 'con']);
    expect((await read({ 'if-none-match': `"${file.etag}"` })).status).toBe(304);
    expect((await read({ 'if-match': '"other"' })).body.error.code).toBe('PRECONDITION_FAILED');
    expect((await read({ range: 'bytes=9-' })).body.error.code).toBe('RANGE_NOT_SATISFIABLE');
    const link = await me.get(`/files/${id}/link?expiresIn=60`);
    expect(link.body.data).toEqual({ id, downloadUrl: expect.stringContaining('http'), expiresIn: 60 });
    expect((await me.get(`/files/${id}/link?expiresIn=1`)).status).toBe(400);
    expect(await site.accounts.auditOf(id)).toEqual(['file.upload', 'file.download', 'file.download', 'file.link']);
  });

  it('is not there for strangers, nor by ids that are none, nor a file of a pocket', async () => {
    const stranger = await DriveClient.of(world);
    const id = await me.upload('x.txt', null);
    const key = await world.key(me.person);
    await world.file(key, 'in-a-pocket.txt');
    const pocketed = await world.database.prisma.file.findFirstOrThrow({ where: { path: 'in-a-pocket.txt' } });
    for (const [who, ids] of [
      [stranger, [id]],
      [me, [...NOT_THERE, pocketed.id]],
    ] as const) {
      for (const each of ids) {
        const replies = await Promise.all([
          who.get(`/files/${each}`),
          who.get(`/files/${each}/content`),
          who.get(`/files/${each}/link`),
          who.patch(`/files/${each}`, { name: 'y' }),
          who.post(`/files/${each}/copy`, {}),
          who.delete(`/files/${each}`),
          who.form('put', `/files/${each}/content`, 'x'),
        ]);
        for (const { status, body } of replies) expect([status, body.error.code]).toEqual([404, 'FILE_NOT_FOUND']);
      }
    }
  });

  it('is renamed, moved and tagged, all at once or each', async () => {
    const [a, b] = [await me.folder('a'), await me.folder('b')];
    const id = await me.upload('x.txt', a);
    const all = await me.patch(`/files/${id}`, { name: 'y.jpg', folderId: b, tags: ['t'] });
    expect([all.status, all.body.data.file]).toMatchObject([
      200,
      { id, fileName: 'b/y.jpg', folderId: b, tags: ['t'], extension: 'jpg' },
    ]);
    expect((await me.patch(`/files/${id}`, { folderId: null })).body.data.file).toMatchObject({
      fileName: 'y.jpg',
      tags: ['t'],
    });
    expect((await me.patch(`/files/${id}`, { tags: [] })).body.data.file).toMatchObject({
      fileName: 'y.jpg',
      tags: [],
    });
    for (const body of [{}, { conflict: 'replace' }, { name: 'a/b' }, { name: '' }, { folderId: 7 }]) {
      expect((await me.patch(`/files/${id}`, body)).status, JSON.stringify(body)).toBe(400);
    }
    for (const folderId of [newId(), 'x']) {
      const reply = await me.patch(`/files/${id}`, { folderId });
      expect([reply.status, reply.body.error.code]).toEqual([404, 'FOLDER_NOT_FOUND']);
    }
  });

  it('takes a name that is taken as it is told to', async () => {
    const a = await me.folder('a');
    const [x, y] = [await me.upload('x.txt', a), await me.upload('y.txt', a)];
    const failed = await me.patch(`/files/${y}`, { name: 'x.txt' });
    expect([failed.status, failed.body.error]).toMatchObject([
      409,
      { code: 'FILE_EXISTS', details: { id: x, fileName: 'a/x.txt' } },
    ]);
    const both = await me.patch(`/files/${y}`, { name: 'x.txt', conflict: 'keepBoth' });
    expect(both.body.data.file.name).toBe('x (1).txt');
    const replaced = await me.patch(`/files/${y}`, { name: 'x.txt', conflict: 'replace' });
    expect(replaced.body.data.file).toMatchObject({ id: y, name: 'x.txt' });
    expect((await me.get(`/files/${x}`)).status).toBe(404);
    await me.folder('busy');
    await blockPath('busy');
    const busy = (await me.level(null)).folders.find(({ name }: { name: string }) => name === 'busy').id;
    for (const reply of [
      await me.patch(`/files/${y}`, { folderId: busy }),
      await me.post(`/files/${y}/copy`, { folderId: busy }),
    ]) {
      expect([reply.status, reply.body.error.code]).toEqual([409, 'CONFLICT']);
    }
  });

  it('is copied beside itself, under another name, and elsewhere', async () => {
    const [a, b] = [await me.folder('a'), await me.folder('b')];
    const id = await me.upload('x.txt', a, 'four');
    const beside = await me.post(`/files/${id}/copy`, {});
    expect([beside.status, beside.body.data]).toMatchObject([
      201,
      { file: { fileName: 'a/x (1).txt', folderId: a, size: 4 }, usage: { bytesUsed: 8, objects: 2 } },
    ]);
    expect((await me.get(`/files/${beside.body.data.file.id}/content`)).text).toBe('four');
    const there = await me.post(`/files/${id}/copy`, { folderId: b, name: 'y.txt' });
    expect(there.body.data.file).toMatchObject({ fileName: 'b/y.txt', folderId: b });
    expect((await me.post(`/files/${id}/copy`, { folderId: null })).body.data.file.fileName).toBe('x.txt');
    const failed = await me.post(`/files/${id}/copy`, { conflict: 'fail' });
    expect([failed.status, failed.body.error]).toMatchObject([409, { code: 'FILE_EXISTS', details: { id } }]);
    expect((await me.post(`/files/${id}/copy`, { folderId: newId() })).body.error.code).toBe('FOLDER_NOT_FOUND');
    await setQuota(16);
    expect((await me.post(`/files/${id}/copy`, {})).body.error.code).toBe('QUOTA_EXCEEDED');
  });

  it('gets another content under the same id and name', async () => {
    const id = await me.upload('x.txt', await me.folder('a'), 'four');
    const reply = await me.form('put', `/files/${id}/content?tags=new`, 'sixsix', 'other.bin');
    expect([reply.status, reply.body.data]).toMatchObject([
      200,
      { file: { id, fileName: 'a/x.txt', size: 6, tags: ['new'] }, usage: { bytesUsed: 6, objects: 1 } },
    ]);
    expect((await me.get(`/files/${id}/content`)).text).toBe('sixsix');
    expect((await world.send('put', { path: `/files/${id}/content`, body: {} }, me.person.headers)).status).toBe(400);
    const large = await me.form('put', `/files/${id}/content`, 'x'.repeat(MAX_FILE_BYTES + 1));
    expect(large.body.error.code).toBe('FILE_TOO_LARGE');
    await setQuota(7);
    expect((await me.form('put', `/files/${id}/content`, '8 bytes!')).body.error.code).toBe('QUOTA_EXCEEDED');
    await blockPath('a');
    expect((await me.form('put', `/files/${id}/content`, 'x')).body.error.code).toBe('CONFLICT');
  });

  it('goes into the trash, once', async () => {
    const id = await me.upload('x.txt', await me.folder('a'), 'four');
    const replies = await Promise.all([me.delete(`/files/${id}`), me.delete(`/files/${id}`)]);
    expect(replies.map(({ status }) => status).toSorted()).toEqual([200, 404]);
    const { data } = replies.find(({ status }) => status === 200)?.body ?? {};
    expect(data).toEqual({ id, fileName: 'a/x.txt', sizeFreed: 0, trashed: true, deletedAt: expect.any(String) });
  });

  it('goes into a folder that is renamed at the same time', async () => {
    for (let round = 0; round < 5; round += 1) {
      const folder = await me.folder(`from${round}`);
      const id = await me.upload(`x${round}.txt`, null);
      const replies = await Promise.all([
        me.patch(`/files/${id}`, { folderId: folder }),
        me.patch(`/drive/${folder}`, { name: `to${round}` }),
      ]);
      expect(replies.map(({ status }) => status)).toEqual([200, 200]);
      expect((await me.level(folder)).files).toMatchObject([{ id, fileName: `to${round}/x${round}.txt` }]);
    }
  });
});
