import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { newId } from '../../src/platform/crypto/random.ts';
import { type Site, startAccounts } from '../support/accounts.ts';
import { DriveClient } from '../support/drive-client.ts';
import { auditSpace } from '../support/spaces.ts';
import { World } from '../support/world.ts';

// Folders with more files than one answer takes, which here are more than three.

const LIMITS = { movedFiles: 3, deletedFiles: 3 };
const NAMES = ['1', '2', '3', '4', '5'];

let working: Site;
let idle: Site;

beforeAll(async () => {
  working = await startAccounts({}, { folderLimits: LIMITS });
  idle = await startAccounts({}, { folderLimits: LIMITS, workers: false });
});
afterAll(() => Promise.all([working.stop(), idle.stop()]));

async function someoneWithFiles(site: Site) {
  const me = await DriveClient.of(new World(site.accounts));
  const big = await me.folder('big');
  const sub = await me.folder('sub', big);
  for (const name of NAMES) await me.upload(name, sub);
  return { me, big, sub };
}

async function pathsOf({ world, spaceId }: DriveClient): Promise<string[]> {
  const where = { spaceId, deletedAt: null };
  const files = await world.database.prisma.file.findMany({ where, select: { path: true }, orderBy: { path: 'asc' } });
  return files.map(({ path }) => path);
}

describe('many files below a folder', () => {
  it('follow it when it is moved, by a job that tells how far it is', async () => {
    const { me, big, sub } = await someoneWithFiles(working);
    const reply = await me.patch(`/drive/${big}`, { name: 'moved' });
    expect([reply.status, reply.body.data]).toEqual([
      202,
      { folder: expect.objectContaining({ id: big, path: 'moved' }), jobId: expect.any(String) },
    ]);
    const job = async () => (await me.get(`/storage/jobs/${reply.body.data.jobId}`)).body.data.job;
    await expect.poll(async () => (await job()).state).toBe('DONE');
    expect(await job()).toMatchObject({ done: 5, total: 5 });
    expect(await pathsOf(me)).toEqual(NAMES.map((name) => `moved/sub/${name}`));
    expect((await me.level(sub)).files).toHaveLength(5);
    expect((await auditSpace(me.world.database, me.spaceId)).faults).toEqual([]);
  });

  it('go into the trash when it is deleted, by a job', async () => {
    const { me, big } = await someoneWithFiles(working);
    const reply = await me.delete(`/drive/${big}`);
    expect([reply.status, reply.body.data]).toEqual([202, { jobId: expect.any(String) }]);
    expect(await me.level(null)).toMatchObject({ folders: [], files: [] });
    await expect.poll(() => pathsOf(me)).toEqual([]);
    expect(await auditSpace(me.world.database, me.spaceId)).toMatchObject({ faults: [], trashObjects: 5, folders: 0 });
  });
});

describe('while the files of a moved folder are on their way', () => {
  let me: DriveClient;
  let moved: string;
  let beside: string;
  let file: string;
  let job: string;

  beforeEach(async () => {
    const { me: somebody, big } = await someoneWithFiles(idle);
    me = somebody;
    beside = await me.folder('beside');
    file = await me.upload('1', null);
    const reply = await me.patch(`/drive/${big}`, { name: 'moved' });
    expect(reply.status).toBe(202);
    job = reply.body.data.jobId;
    moved = big;
  });
  afterEach(async () => {
    // Whatever was tried: each of them is there, once, at one of the two places.
    const left = (await pathsOf(me)).filter((path) => /^(big|moved)\/sub\//.test(path));
    expect(left).toHaveLength(NAMES.length);
  });

  it('nothing comes to where they leave', async () => {
    const replies = [
      await me.post('/drive', { name: 'big' }),
      await me.patch(`/drive/${beside}`, { name: 'big' }),
      await me.world.send(
        'post',
        { path: '/storage/upload?fileName=big/sub/1', attach: { field: 'file', bytes: Buffer.from('x'), name: 'x' } },
        me.person.headers,
      ),
      await me.world.send('patch', { path: '/storage/files/1', body: { fileName: 'big/sub/9' } }, me.person.headers),
    ];
    expect(replies.map(({ status, body }) => [status, body.error?.code])).toEqual(replies.map(() => [409, 'CONFLICT']));
    expect((await me.get(`/files/${file}`)).status).toBe(200);
  });

  it('neither the folder itself is moved on or deleted, nor one that it was put into', async () => {
    const replies = [
      await me.patch(`/drive/${moved}`, { name: 'again' }),
      await me.patch(`/drive/${moved}`, { parentId: beside }),
      await me.delete(`/drive/${moved}`),
    ];
    expect(replies.map(({ status, body }) => [status, body.error?.code])).toEqual(replies.map(() => [409, 'CONFLICT']));
  });

  it('nothing comes to where they go', async () => {
    const send = (fileName: string, conflict: string) =>
      me.world.send(
        'post',
        {
          path: `/storage/upload?fileName=${fileName}&conflict=${conflict}`,
          attach: { field: 'file', bytes: Buffer.from('x'), name: 'x' },
        },
        me.person.headers,
      );
    const replies = [
      await me.form('post', `/files?folderId=${moved}&fileName=new.txt`, 'x'),
      await send('moved/sub/1', 'fail'),
      await send('moved/sub/1', 'replace'),
      await send('moved/sub/1', 'keepBoth'),
      await me.post('/drive', { name: 'new', parentId: moved }),
      await me.patch(`/files/${file}`, { folderId: moved }),
    ];
    expect(replies.map(({ status, body }) => [status, body.error?.code])).toEqual(replies.map(() => [409, 'CONFLICT']));
    expect((await send('moved2', 'fail')).status).toBe(201);
  });

  it('neither place is deleted by prefix', async () => {
    const remove = (prefix: string) => me.post('/storage/files/bulk-delete', { prefix });
    for (const prefix of ['m', 'moved', 'moved/', 'moved/sub/', 'moved/sub/1', 'big', 'big/', 'big/sub/']) {
      const { status, body } = await remove(prefix);
      expect([prefix, status, body.error?.code]).toEqual([prefix, 409, 'CONFLICT']);
    }
    for (const prefix of ['moved0', 'beside/', '1']) expect((await remove(prefix)).status).toBe(200);
  });

  it('neither place is a ZIP, until all have come', async () => {
    const zip = (prefix: string) => me.post('/storage/files/zip', { prefix });
    const link = (await me.post('/shares/links', { folderId: moved })).body.data.token;
    const openings = [
      () => zip(''),
      () => zip('moved/'),
      () => zip('big/sub/'),
      () => me.get(`/drive/${moved}/zip`),
      () => me.world.send('get', { path: `/s/${link}/zip` }, {}, true),
    ];
    for (const open of openings) expect((await open()).body.error?.code).toBe('CONFLICT');
    expect((await me.form('post', `/files?folderId=${beside}&fileName=x`, 'x')).status).toBe(201);
    expect((await zip('beside/')).status).toBe(200);
    await idle.accounts.composition.operations.run(job, { signal: new AbortController().signal, retryCount: 0 });
    for (const open of openings) expect((await open()).status).toBe(open === openings[2] ? 404 : 200);
    expect((await me.form('post', `/files?folderId=${moved}&fileName=new.txt`, 'x')).status).toBe(201);
  });
});

describe('while the files of a deleted folder are waiting', () => {
  it('a new folder of its name takes new files, which stay, and no older ones', async () => {
    const { me, big } = await someoneWithFiles(idle);
    const older = await me.upload('older', null);
    await me.delete(`/drive/${big}`);
    const again = await me.folder('big');
    await me.upload('new', again);
    expect((await me.patch(`/files/${older}`, { folderId: again })).body.error.code).toBe('CONFLICT');
    expect((await me.delete(`/drive/${again}`)).body.error.code).toBe('CONFLICT');
  });
});

describe('the progress of a job', () => {
  const GONE = [404, 'JOB_NOT_FOUND'];
  const seenBy = async (who: DriveClient, jobId: string) => {
    const { status, body } = await who.get(`/storage/jobs/${jobId}`);
    return [status, body.error?.code ?? body.data.job];
  };

  it('is for the grantee too who has begun it, and tells no names', async () => {
    const { me, big, sub } = await someoneWithFiles(idle);
    const [guest, other] = [await DriveClient.of(me.world), await DriveClient.of(me.world)];
    for (const who of [guest, other]) await me.share({ folderId: big }, who, 'EDIT');
    const reply = await guest.delete(`/drive/${sub}`);
    expect(reply.status).toBe(202);
    const { jobId } = reply.body.data;
    const [status, job] = await seenBy(guest, jobId);
    expect(status).toBe(200);
    expect(job).toEqual({
      id: jobId,
      kind: 'prefix.delete',
      state: 'QUEUED',
      total: 5,
      done: 0,
      createdAt: expect.any(String),
      finishedAt: null,
      error: null,
    });
    expect(await seenBy(me, jobId)).toEqual([200, job]);
    expect(await seenBy(other, jobId)).toEqual(GONE);
    // A key of the same person has its pocket, and no more.
    const key = await me.world.key(guest.person);
    const byKey = await me.world.send('get', { path: `/storage/jobs/${jobId}` }, key.headers);
    expect([byKey.status, byKey.body.error?.code]).toEqual(GONE);
  });

  it.each(['user', 'admin', 'key'])('is found by who moved a folder as a %s', async (actorType) => {
    const { me } = await someoneWithFiles(idle);
    const guest = await DriveClient.of(me.world);
    const audit = { actor_type: actorType, actor_id: guest.person.userId };
    const params = { from: 'a', to: 'b', before: '2026-01-01 00:00:00+00', audit };
    const id = newId();
    await me.world.database.prisma.operation.create({
      data: { id, spaceId: me.spaceId, kind: 'folder.move', params, total: 5n },
    });
    const [status] = await seenBy(guest, id);
    expect(status).toBe(actorType === 'key' ? 404 : 200);
  });
});
