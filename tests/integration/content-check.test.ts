import supertest from 'supertest';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { ContentCheckRepository, ContentCheckService } from '../../src/features/content-check/index.ts';
import { checkContentJob } from '../../src/features/ingest/index.ts';
import { AntivirusUnavailableError } from '../../src/platform/antivirus/errors.ts';
import { silentLogger } from '../../src/platform/logging/logger.ts';
import { type Accounts, type Site, startAccounts } from '../support/accounts.ts';
import { CLAMD_HINT, type Clamd, EICAR, hasClamd, makeClamd, SIGNATURE, STREAM_MAX_BYTES } from '../support/clamd.ts';
import { LinkOwner } from '../support/links.ts';
import { auditSpace } from '../support/spaces.ts';
import { readZip } from '../support/zip.ts';

const ATTEMPT = { signal: new AbortController().signal, retryCount: 0 };
const LAST_ATTEMPT = { ...ATTEMPT, retryCount: checkContentJob.retryLimit };
const CLEAN = Buffer.from('nothing to be found here');

describe.runIf(hasClamd())(`contents are checked by a real clamd (${CLAMD_HINT})`, () => {
  let clamd: Clamd;
  let site: Site;
  let a: Accounts;
  let owner: LinkOwner;

  beforeAll(async () => {
    clamd = await makeClamd();
    // Jobs are run by hand here, but for one test.
    site = await startAccounts({ CLAMD_URL: clamd.tcpUrl }, { workers: false });
    a = site.accounts;
  });
  afterAll(async () => {
    await site?.stop();
    await clamd?.remove();
  });
  beforeEach(async () => {
    owner = await LinkOwner.make(a);
    await owner.world.database.prisma.space.update({ where: { id: owner.spaceId }, data: { versionsKept: 5 } });
  });
  afterEach(async () => {
    vi.restoreAllMocks();
    expect((await auditSpace(a.database, owner.spaceId)).faults).toEqual([]);
  });

  const prisma = () => owner.world.database.prisma;
  const fileOf = (id: string) => prisma().file.findUniqueOrThrow({ where: { id } });
  const send = (method: 'get' | 'post' | 'patch' | 'delete', path: string, body?: object) =>
    owner.world.send(method, { path, ...(body ? { body } : {}) }, owner.me.headers);
  const check = (objectKey: string, attempt = ATTEMPT) =>
    a.composition.contentChecks.check({ spaceId: owner.spaceId, fileId: '', objectKey }, attempt);
  const checked = async (id: string) => {
    await check((await fileOf(id)).objectKey);
    return (await fileOf(id)).status;
  };
  /** How many jobs wait that would check a content. */
  const waiting = async (objectKey: string) => {
    const rows = await a.database.query(
      {
        name: 'test_waiting_checks',
        text: `SELECT 1 FROM pgboss.job WHERE name = $1 AND state < 'completed' AND data->>'objectKey' = $2`,
      },
      [checkContentJob.name, objectKey],
    );
    return rows.length;
  };

  /** Every way by which a file's bytes leave, as answers. */
  async function readings(id: string, path: string) {
    const name = encodeURIComponent(path);
    const { token } = await owner.link({ fileId: id });
    return [
      await send('get', `/storage/files/${name}`),
      await send('get', `/storage/files/${name}/content`),
      await send('post', '/storage/files/zip', { fileNames: [path] }),
      await send('post', '/storage/copy', { from: path, to: 'copy.txt' }),
      await send('get', `/files/${id}/content`),
      await send('get', `/files/${id}/link`),
      await send('post', `/files/${id}/copy`, { name: 'copy.txt' }),
      await supertest(owner.world.app).get(`/s/${token}/content`),
    ];
  }

  async function expectRefused(id: string, path: string, status: number, code: string) {
    for (const reply of await readings(id, path)) {
      expect([reply.status, reply.body.error?.code], JSON.stringify(reply.body)).toEqual([status, code]);
      expect(reply.headers['retry-after'] !== undefined).toBe(code === 'FILE_PROCESSING');
    }
    const head = await supertest(owner.world.app)
      .head(`/api/storage/files/${encodeURIComponent(path)}/content`)
      .set(owner.me.headers);
    expect(head.status).toBe(status);
    // A link that opens nothing is not used up by that.
    const links = await prisma().shareLink.findMany({ where: { spaceId: owner.spaceId } });
    expect(links.map(({ downloads }) => Number(downloads))).toEqual(links.map(() => 0));
  }

  it('and a file can be read by nobody before that', async () => {
    const id = await owner.file('folder/a.txt', CLEAN);
    const { body } = await send('get', '/storage/files/folder%2Fa.txt/metadata');
    expect(body.data.file).toMatchObject({ status: 'PROCESSING' });
    await expectRefused(id, 'folder/a.txt', 409, 'FILE_PROCESSING');
    expect(await checked(id)).toBe('READY');
    const statuses = (await readings(id, 'folder/a.txt')).map(({ status }) => status);
    expect(statuses).toEqual([200, 200, 200, 201, 200, 200, 201, 200]);
  });

  it('and a copy of what was found clean is not checked again', async () => {
    const id = await owner.file('a.txt', CLEAN);
    await checked(id);
    const copy = (await send('post', '/storage/copy', { from: 'a.txt', to: 'b.txt' })).body.data.file;
    expect(copy).toMatchObject({ status: 'READY' });
    expect(await waiting((await fileOf(copy.id)).objectKey)).toBe(0);
  });

  it('and a virus puts the file into quarantine, on the record', async () => {
    const id = await owner.file('folder/a.txt', EICAR);
    expect(await checked(id)).toBe('QUARANTINED');
    await expectRefused(id, 'folder/a.txt', 422, 'VIRUS_FOUND');
    const entries = await prisma().auditLog.findMany({ where: { action: 'file.quarantine', subjectId: id } });
    expect(entries).toMatchObject([
      { actorType: 'system', metadata: { fileName: 'folder/a.txt', reason: `${SIGNATURE}.UNOFFICIAL` } },
    ]);
    // Once more finds nothing to do, and says nothing twice.
    expect(await checked(id)).toBe('QUARANTINED');
    expect(await prisma().auditLog.count({ where: { action: 'file.quarantine', subjectId: id } })).toBe(1);
  });

  it('and quarantine is not left by a new name, the trash, or a share', async () => {
    const id = await owner.file('a.txt', EICAR);
    await checked(id);
    expect((await send('patch', '/storage/files/a.txt', { fileName: 'b.txt' })).status).toBe(200);
    expect((await send('delete', '/storage/files/b.txt')).body.data.trashed).toBe(true);
    expect((await send('post', `/storage/trash/${id}/restore`, {})).status).toBe(200);
    await expectRefused(id, 'b.txt', 422, 'VIRUS_FOUND');
  });

  it('and what is in the trash meanwhile is checked there', async () => {
    const id = await owner.file('a.txt', EICAR);
    await send('delete', '/storage/files/a.txt');
    expect(await checked(id)).toBe('QUARANTINED');
    await send('post', `/storage/trash/${id}/restore`, {});
    await expectRefused(id, 'a.txt', 422, 'VIRUS_FOUND');
  });

  it('and each version has a verdict of its own', async () => {
    const id = await owner.file('a.txt', EICAR);
    await checked(id);
    await owner.file('a.txt', CLEAN);
    const [bad] = (await send('get', '/storage/files/a.txt/versions')).body.data.versions;
    expect(bad.status).toBe('QUARANTINED');
    const content = (versionId: string) => send('get', `/storage/files/a.txt/versions/${versionId}/content`);
    expect((await content(bad.id)).body.error.code).toBe('VIRUS_FOUND');
    // The present content is another, and still to be checked.
    await expectRefused(id, 'a.txt', 409, 'FILE_PROCESSING');
    expect(await checked(id)).toBe('READY');
    expect((await content(bad.id)).body.error.code).toBe('VIRUS_FOUND');
    expect((await send('post', `/storage/files/a.txt/versions/${bad.id}/restore`)).status).toBe(200);
    await expectRefused(id, 'a.txt', 422, 'VIRUS_FOUND');
    const [good] = (await send('get', '/storage/files/a.txt/versions')).body.data.versions;
    expect((await content(good.id)).status).toBe(200);
  });

  it('and a content that has become a version by then is checked as one', async () => {
    const id = await owner.file('a.txt', EICAR);
    const { objectKey } = await fileOf(id);
    await owner.file('a.txt', CLEAN);
    const [version] = (await send('get', '/storage/files/a.txt/versions')).body.data.versions;
    const content = () => send('get', `/storage/files/a.txt/versions/${version.id}/content`);
    expect((await content()).body.error.code).toBe('FILE_PROCESSING');
    await check(objectKey);
    expect((await content()).body.error.code).toBe('VIRUS_FOUND');
    expect((await fileOf(id)).status).toBe('PROCESSING');
  });

  it('and an archive below a prefix leaves out what may not be read, and says so', async () => {
    await checked(await owner.file('w/bad.txt', EICAR));
    await checked(await owner.file('w/good.txt', CLEAN));
    await owner.file('w/new.txt', '');
    const reply = await send('post', '/storage/files/zip', { prefix: 'w/' }).buffer().responseType('blob');
    const entries = (await readZip(reply.body)).map(({ name, content }) => [name, content.toString()]);
    expect(Object.fromEntries(entries)).toEqual({
      'good.txt': CLEAN.toString(),
      '_missing.txt': 'In quarantine, or still being checked for viruses:\nbad.txt\nnew.txt\n',
    });
  });

  it('and a page for people says it in words', async () => {
    const id = await owner.file('a.txt', EICAR);
    const { token } = await owner.link({ fileId: id });
    const page = () => supertest(owner.world.app).get(`/s/${token}/content`).set('accept', 'text/html');
    expect((await page()).text).toContain('The file is being checked');
    await checked(id);
    expect((await page()).text).toContain('This file is in quarantine');
  });

  it('and what is larger than the scanner takes does not pass', async () => {
    const id = await owner.file('a.bin', Buffer.alloc(STREAM_MAX_BYTES + 1));
    expect(await checked(id)).toBe('QUARANTINED');
    const [entry] = await prisma().auditLog.findMany({ where: { action: 'file.quarantine', subjectId: id } });
    expect(entry?.metadata).toMatchObject({ reason: 'too large for the virus scanner' });
  });

  it('and nothing of that is done for what has gone meanwhile', async () => {
    const id = await owner.file('a.txt', EICAR);
    const { objectKey } = await fileOf(id);
    await send('delete', '/storage/files/a.txt?permanent=true');
    await check(objectKey);
    expect(await prisma().auditLog.count({ where: { action: 'file.quarantine', subjectId: id } })).toBe(0);
  });

  it('and two that check at once say the same once', async () => {
    const id = await owner.file('a.txt', EICAR);
    const { objectKey } = await fileOf(id);
    await Promise.all([check(objectKey), check(objectKey), check(objectKey)]);
    expect(await prisma().auditLog.count({ where: { action: 'file.quarantine', subjectId: id } })).toBe(1);
  });

  it('and a content whose SHA-256 nobody knows gets it, and stays readable', async () => {
    const id = await owner.file('a.txt', CLEAN);
    const { sha256 } = await fileOf(id);
    await prisma().file.update({ where: { id }, data: { sha256: null, status: 'READY' } });
    await checked(id);
    expect(await fileOf(id)).toMatchObject({ sha256, status: 'READY' });
  });

  it('and what the store gives must be what was put there', async () => {
    const id = await owner.file('a.txt', EICAR);
    const { objectKey } = await fileOf(id);
    const { store } = a.infrastructure;
    const other = await owner.file('b.txt', CLEAN.subarray(1));
    const { objectKey: otherKey } = await fileOf(other);
    const get = store.get.bind(store);
    vi.spyOn(store, 'get').mockImplementation((_key, options) => get(otherKey, options));
    await expect(check(objectKey)).rejects.toThrow('another content');
    expect((await fileOf(id)).status).toBe('PROCESSING');
  });

  describe('as long as the scanner cannot be asked', () => {
    beforeEach(() => clamd.stop());
    afterEach(() => clamd.start());

    it('a file waits, and is never given up', async () => {
      const id = await owner.file('a.txt', CLEAN);
      const { objectKey } = await fileOf(id);
      await expect.poll(() => waiting(objectKey)).toBe(1);
      await expect(check(objectKey)).rejects.toThrow(AntivirusUnavailableError);
      expect(await waiting(objectKey)).toBe(1);
      // The last try of a job leaves the first of the next behind.
      await check(objectKey, LAST_ATTEMPT);
      expect(await waiting(objectKey)).toBe(2);
      await expectRefused(id, 'a.txt', 409, 'FILE_PROCESSING');
      await clamd.start();
      expect(await checked(id)).toBe('READY');
      await clamd.stop();
    });

    it('a process without one does not let it pass either', async () => {
      const id = await owner.file('a.txt', CLEAN);
      const { objectKey } = await fileOf(id);
      const nothing = { enqueue: vi.fn(), enqueueMany: vi.fn(), enqueueAs: vi.fn() };
      const checks = new ContentCheckService({
        checks: new ContentCheckRepository(a.database),
        store: a.infrastructure.store,
        scanner: null,
        queue: nothing,
        outbox: { nudge: () => undefined } as never,
        clock: a.clock,
        log: silentLogger(),
      });
      const payload = { spaceId: owner.spaceId, fileId: id, objectKey };
      await expect(checks.check(payload, ATTEMPT)).rejects.toThrow(AntivirusUnavailableError);
      expect((await fileOf(id)).status).toBe('PROCESSING');
    });
  });

  it('and what has lost its job gets another one, but not twice', async () => {
    const id = await owner.file('a.txt', CLEAN);
    const { objectKey } = await fileOf(id);
    await expect.poll(() => waiting(objectKey)).toBe(1);
    const { contentChecks } = a.composition;
    const age = () => prisma().file.update({ where: { id }, data: { uploadedAt: new Date(Date.now() - 600_000) } });
    await contentChecks.sweep();
    await age();
    await contentChecks.sweep();
    expect(await waiting(objectKey)).toBe(1);
    const remove = {
      name: 'test_lose_check',
      text: `DELETE FROM pgboss.job WHERE name = $1 AND data->>'objectKey' = $2`,
    };
    await a.database.query(remove, [checkContentJob.name, objectKey]);
    await contentChecks.sweep();
    await contentChecks.sweep();
    expect(await waiting(objectKey)).toBe(1);
  });

  it('by the queue, without anybody asking', async () => {
    const running = await startAccounts({ CLAMD_URL: clamd.unixUrl });
    try {
      const other = await LinkOwner.make(running.accounts);
      const ids = [await other.file('good.txt', CLEAN), await other.file('bad.txt', EICAR)];
      const statuses = async () => {
        const files = await running.accounts.database.prisma.file.findMany({ where: { id: { in: ids } } });
        return Object.fromEntries(files.map(({ path, status }) => [path, status]));
      };
      await expect.poll(statuses).toEqual({ 'good.txt': 'READY', 'bad.txt': 'QUARANTINED' });
    } finally {
      await running.stop();
    }
  });
});
