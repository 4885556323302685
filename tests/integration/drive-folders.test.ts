import supertest from 'supertest';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { newId } from '../../src/platform/crypto/random.ts';
import { type Site, startAccounts } from '../support/accounts.ts';
import { DriveClient } from '../support/drive-client.ts';
import { auditSpace } from '../support/spaces.ts';
import { World } from '../support/world.ts';

let site: Site;
let world: World;
let me: DriveClient;

beforeAll(async () => {
  site = await startAccounts();
  world = new World(site.accounts);
});
beforeEach(async () => {
  me = await DriveClient.of(world);
});
afterEach(async () => {
  expect((await auditSpace(world.database, me.spaceId)).faults).toEqual([]);
});
afterAll(() => site.stop());

describe('a folder', () => {
  it('is made in the drive or in another, and is there while it is empty', async () => {
    const photos = await me.folder('photos');
    const reply = await me.post('/drive', { name: '2026', parentId: photos });
    expect(reply.status).toBe(201);
    expect(reply.body.data.folder).toEqual({
      id: expect.any(String),
      name: '2026',
      path: 'photos/2026',
      parentId: photos,
      createdAt: expect.any(String),
    });
    expect(await me.level(photos)).toMatchObject({
      folder: { id: photos, path: 'photos' },
      path: [{ id: photos, name: 'photos' }],
      folders: [{ name: '2026' }],
      files: [],
    });
    expect(await me.level(null)).toMatchObject({ folder: null, path: [], folders: [{ id: photos }] });
  });

  it('has one name: NFC, one segment, as files have', async () => {
    const reply = await me.post('/drive', { name: 'e\u0301' });
    expect(reply.body.data.folder.name).toBe('\u00e9');
    for (const name of ['', 'a/b', '/', '.', '..', 'a\u0000', 'a\n', 'x'.repeat(1025), '\ud800']) {
      const refused = await me.post('/drive', { name });
      expect(refused.status, JSON.stringify(name)).toBe(400);
      expect(refused.body.error.details).toEqual([{ path: 'name', message: expect.any(String) }]);
    }
  });

  it('may lie as deep as its path has room', async () => {
    const outer = await me.folder('x'.repeat(1000));
    expect((await me.post('/drive', { name: 'y'.repeat(23), parentId: outer })).status).toBe(201);
    expect((await me.post('/drive', { name: 'y'.repeat(24), parentId: outer })).status).toBe(400);
  });

  it('is there once, with its id in the refusal of another', async () => {
    const id = await me.folder('photos');
    const reply = await me.post('/drive', { name: 'photos' });
    expect([reply.status, reply.body.error]).toMatchObject([409, { code: 'FOLDER_EXISTS', details: { id } }]);
    const both = await Promise.all([me.post('/drive', { name: 'b' }), me.post('/drive', { name: 'b' })]);
    expect(both.map(({ status }) => status).toSorted()).toEqual([201, 409]);
  });

  it('is not made below one that is not there, or is no id, or somebody else’s', async () => {
    const other = await DriveClient.of(world);
    for (const parentId of [newId(), 'x', '\0', await other.folder('theirs')]) {
      const reply = await me.post('/drive', { name: 'a', parentId });
      expect([reply.status, reply.body.error.code]).toEqual([404, 'FOLDER_NOT_FOUND']);
    }
  });

  it('comes no more when there are as many as there may be', async () => {
    await world.database.prisma.space.update({ where: { id: me.spaceId }, data: { folderCount: 1000 } });
    const reply = await me.post('/drive', { name: 'one more' });
    expect([reply.status, reply.body.error.code]).toEqual([409, 'CONFLICT']);
    await world.database.prisma.space.update({ where: { id: me.spaceId }, data: { folderCount: 0 } });
  });
});

describe('a level', () => {
  it('has folders first, then files, by name, date and size, both ways, in pages', async () => {
    const top = await me.folder('top');
    for (const name of ['b', 'a', 'c']) await me.folder(name, top);
    for (const [name, size] of [
      ['y', 2],
      ['x', 3],
      ['z', 1],
    ] as const)
      await me.upload(name, top, 'x'.repeat(size));
    const namesBy = async (query: string) => {
      const names: string[] = [];
      let cursor: string | null = null;
      do {
        const at = cursor === null ? '' : `&cursor=${cursor}`;
        const reply = await me.get(`/drive/${top}?limit=2&${query}${at}`);
        expect(reply.status).toBe(200);
        const { folders, files } = reply.body.data;
        names.push(...[...folders, ...files].map(({ name }: { name: string }) => name));
        cursor = reply.body.meta.nextCursor;
      } while (cursor !== null);
      return names.join('');
    };
    expect(await namesBy('')).toBe('abcxyz');
    expect(await namesBy('order=desc')).toBe('cbazyx');
    expect(await namesBy('sort=date')).toBe('bacyxz');
    expect(await namesBy('sort=date&order=desc')).toBe('cabzxy');
    expect(await namesBy('sort=size')).toBe('abczyx');
    expect(await namesBy('sort=size&order=desc')).toBe('abcxyz');
  });

  it('says of each thing in which folder it lies', async () => {
    const top = await me.folder('top');
    const sub = await me.folder('sub', top);
    const file = await me.upload('a.txt', sub);
    const level = await me.level(sub);
    expect(level.path).toEqual([
      { id: top, name: 'top' },
      { id: sub, name: 'sub' },
    ]);
    expect(level.files).toMatchObject([{ id: file, name: 'a.txt', fileName: 'top/sub/a.txt', folderId: sub }]);
    expect((await me.level(null)).folders).toMatchObject([{ id: top, parentId: null }]);
  });
});

describe('a folder as a ZIP', () => {
  it('has all files below it, by names from it on', async () => {
    const top = await me.folder('top');
    await me.upload('a.txt', await me.folder('sub', top));
    const reply = await me
      .get(`/drive/${top}/zip`)
      .buffer(true)
      .parse((res, done) => {
        const chunks: Buffer[] = [];
        res.on('data', (chunk: Buffer) => chunks.push(chunk));
        res.on('end', () => done(null, Buffer.concat(chunks)));
      });
    expect([reply.status, reply.headers['content-disposition']]).toEqual([200, 'attachment; filename=top.zip']);
    const bytes = (reply.body as Buffer).toString('latin1');
    expect(bytes).toContain('sub/a.txt');
    expect(bytes).not.toContain('top/');
    const named = await me.get(`/drive/${top}/zip?name=x.zip`);
    expect(named.headers['content-disposition']).toBe('attachment; filename=x.zip');
  });

  it('is only looked at by HEAD: named as it would be, and not recorded', async () => {
    const top = await me.folder('top');
    const head = (query = '') => supertest(world.app).head(`/api/drive/${top}/zip${query}`).set(me.person.headers);
    expect((await head()).status).toBe(404);
    await me.upload('a.txt', top);
    const [plain, named] = [await head(), await head('?name=x.zip')];
    expect([plain.status, plain.headers['content-disposition']]).toEqual([200, 'attachment; filename=top.zip']);
    expect(named.headers['content-disposition']).toBe('attachment; filename=x.zip');
    const where = { action: 'file.zip', actorId: me.person.userId };
    expect(await world.database.prisma.auditLog.count({ where })).toBe(0);
  });

  it('is not made of nothing, nor under a name that is none', async () => {
    const top = await me.folder('top');
    const nothing = await me.get(`/drive/${top}/zip`);
    expect([nothing.status, nothing.body.error]).toMatchObject([
      404,
      { code: 'FILE_NOT_FOUND', details: { folderId: top } },
    ]);
    expect((await me.get(`/drive/${top}/zip?name=`)).status).toBe(400);
  });
});

describe('renaming and moving a folder', () => {
  it('takes everything below it along, and keeps the ids', async () => {
    const [a, b] = [await me.folder('a'), await me.folder('b')];
    const sub = await me.folder('sub', a);
    const file = await me.upload('x.txt', sub);
    const moved = await me.patch(`/drive/${a}`, { parentId: b, name: 'c' });
    expect(moved.status).toBe(200);
    expect(moved.body.data).toEqual({ folder: expect.objectContaining({ id: a, path: 'b/c', parentId: b }) });
    expect((await me.get(`/files/${file}`)).body.data.file).toMatchObject({ fileName: 'b/c/sub/x.txt', folderId: sub });
    const back = await me.patch(`/drive/${a}`, { parentId: null });
    expect(back.body.data.folder).toMatchObject({ path: 'c', parentId: null });
    expect((await me.get(`/files/${file}`)).body.data.file.fileName).toBe('c/sub/x.txt');
    expect((await me.patch(`/drive/${a}`, { name: 'c' })).status).toBe(200);
  });

  it('never goes into itself or below, nor onto another folder', async () => {
    const [a, b] = [await me.folder('a'), await me.folder('b')];
    const sub = await me.folder('sub', a);
    for (const parentId of [a, sub]) {
      const reply = await me.patch(`/drive/${a}`, { parentId });
      expect([reply.status, reply.body.error.code]).toEqual([409, 'CONFLICT']);
    }
    const taken = await me.patch(`/drive/${a}`, { name: 'b' });
    expect([taken.status, taken.body.error]).toMatchObject([409, { code: 'FOLDER_EXISTS', details: { id: b } }]);
  });

  it('wants something to do, a name that is one, and room for the paths below', async () => {
    const a = await me.folder('a');
    await me.folder('x'.repeat(1000), a);
    for (const body of [{}, { name: 'a/b' }, { name: 'y'.repeat(50) }]) {
      const reply = await me.patch(`/drive/${a}`, body);
      expect([reply.status, reply.body.error.code]).toEqual([400, 'VALIDATION_FAILED']);
    }
  });

  it('goes nowhere that is not there or somebody else’s', async () => {
    const [a, theirs] = [await me.folder('a'), await (await DriveClient.of(world)).folder('theirs')];
    for (const parentId of [newId(), 'x', theirs]) {
      const reply = await me.patch(`/drive/${a}`, { parentId });
      expect([reply.status, reply.body.error.code]).toEqual([404, 'FOLDER_NOT_FOUND']);
    }
  });

  it('into each other at once ends with one of them in the other', async () => {
    for (let round = 0; round < 5; round += 1) {
      const [a, b] = [await me.folder(`a${round}`), await me.folder(`b${round}`)];
      const replies = await Promise.all([
        me.patch(`/drive/${a}`, { parentId: b }),
        me.patch(`/drive/${b}`, { parentId: a }),
      ]);
      expect(replies.map(({ status }) => status).toSorted()).toEqual([200, 409]);
      const names = (await me.level(null)).folders.map(({ name }: { name: string }) => name);
      expect(names.filter((name: string) => name.endsWith(String(round)))).toHaveLength(1);
    }
  });

  it('and making a folder in it at once ends with that in it', async () => {
    for (let round = 0; round < 5; round += 1) {
      const a = await me.folder(`from${round}`);
      const [made, moved] = await Promise.all([
        me.post('/drive', { name: 'new', parentId: a }),
        me.patch(`/drive/${a}`, { name: `to${round}` }),
      ]);
      expect([made.status, moved.status]).toEqual([201, 200]);
      expect((await me.level(a)).folders).toMatchObject([{ path: `to${round}/new` }]);
    }
  });
});

describe('deleting a folder', () => {
  it('takes everything below it, files into the trash', async () => {
    const a = await me.folder('a');
    const sub = await me.folder('sub', a);
    const file = await me.upload('x.txt', sub, 'four');
    await me.upload('beside.txt', null);
    const reply = await me.delete(`/drive/${a}`);
    expect(reply.status).toBe(200);
    expect(reply.body.data).toEqual({ folderId: a, files: 1, sizeFreed: 0, deletedAt: expect.any(String) });
    for (const path of [`/drive/${a}`, `/drive/${sub}`, `/files/${file}`])
      expect((await me.get(path)).status).toBe(404);
    expect(await auditSpace(world.database, me.spaceId)).toMatchObject({ trashObjects: 1, trashBytes: 4, folders: 0 });
    expect((await me.delete(`/drive/${a}`)).status).toBe(404);
  });

  it('and uploading into it at once leaves nothing behind, or a file in the trash', async () => {
    for (let round = 0; round < 5; round += 1) {
      const a = await me.folder('a');
      const [upload, deletion] = await Promise.all([
        me.form('post', `/files?folderId=${a}&fileName=x.txt`, 'x'),
        me.delete(`/drive/${a}`),
      ]);
      expect(deletion.status).toBe(200);
      expect([201, 404, 409]).toContain(upload.status);
      expect(await me.level(null)).toMatchObject({ folders: [], files: [] });
    }
  });
});
