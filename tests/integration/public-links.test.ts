import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import supertest from 'supertest';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Accounts, type Site, startAccounts } from '../support/accounts.ts';
import { bytes, LinkOwner } from '../support/links.ts';

const HOUR = 3600;
const DAY = 24 * HOUR;

let directory: string;
let site: Site;
let a: Accounts;
let other: Accounts;
let owner: LinkOwner;
let folderId: string;

beforeAll(async () => {
  // Both processes read one store.
  directory = await mkdtemp(join(tmpdir(), 'pockity-test-links-'));
  site = await startAccounts({ TRUST_PROXY: '1', DATA_DIR: directory });
  a = site.accounts;
  other = await site.startAnother();
});
afterAll(async () => {
  await site.stop();
  await rm(directory, { recursive: true, force: true });
});
beforeEach(async () => {
  owner = await LinkOwner.make(a);
  await owner.file('private/photos/cat.mp3', 'meow');
  await owner.file('private/photos/2026/dog.mp3', 'woof');
  await owner.file('private/photos2/secret.txt', 'secret');
  await owner.file('private/secret.txt', 'secret');
  folderId = await owner.folderId('private/photos');
});

const get = (path: string, headers: Record<string, string> = {}, at: Accounts = a) =>
  bytes(supertest(at.app).get(path)).set(headers);
const content = (token: string, path = '', headers: Record<string, string> = {}) =>
  get(`/s/${token}/content?path=${encodeURIComponent(path)}`, headers);
const look = (token: string, query = '') => supertest(a.app).get(`/s/${token}${query}`);
const codeOf = (reply: { body: unknown }): string => {
  const body = Buffer.isBuffer(reply.body) ? JSON.parse(reply.body.toString()) : reply.body;
  return body.error?.code;
};
const rowOf = (id: string) => owner.world.database.prisma.shareLink.findUniqueOrThrow({ where: { id } });

describe('what a link opens', () => {
  it('is one level of the folder, with paths from there on', async () => {
    const { token } = await owner.link({ folderId, maxDownloads: 5 });
    const { body } = await look(token).expect(200);
    expect(body.data.link).toEqual({
      type: 'folder',
      name: 'photos',
      path: '',
      expiresAt: null,
      downloadsLeft: 5,
      maxUploadBytes: null,
      maxUploadFiles: null,
    });
    expect(body.data.folders).toEqual([{ name: '2026', path: '2026' }]);
    expect(body.data.files).toEqual([
      { name: 'cat.mp3', path: 'cat.mp3', size: 4, contentType: 'audio/mpeg', lastModified: expect.any(String) },
    ]);
    const below = (await look(token, '?path=2026').expect(200)).body.data;
    expect(below).toMatchObject({ link: { path: '2026' }, folders: [], files: [{ path: '2026/dog.mp3' }] });
    expect(JSON.stringify([body, below])).not.toContain('private');
  });

  it('is one file', async () => {
    const { token } = await owner.link({ fileId: await owner.file('private/secret.txt', 'told') });
    const { body } = await look(token).expect(200);
    expect(body.data).toMatchObject({ link: { type: 'file', name: 'secret.txt' }, folders: [], files: [{ path: '' }] });
    expect((await content(token).expect(200)).body.toString()).toBe('told');
    expect(codeOf(await content(token, 'secret.txt'))).toBe('FILE_NOT_FOUND');
    expect(codeOf(await get(`/s/${token}/zip`))).toBe('FOLDER_NOT_FOUND');
  });

  it('is whatever comes later, and follows the folder where it goes', async () => {
    const { token } = await owner.link({ folderId });
    await owner.file('private/photos/later/new.txt', 'new');
    expect((await content(token, 'later/new.txt').expect(200)).body.toString()).toBe('new');
    await owner.moveFolder('private/photos', 'pictures');
    expect((await look(token).expect(200)).body.data.link.name).toBe('pictures');
    expect((await content(token, '2026/dog.mp3').expect(200)).body.toString()).toBe('woof');
  });

  it.each([
    '..',
    '../secret.txt',
    '2026/../../secret.txt',
    './cat.mp3',
    '/cat.mp3',
    '//',
    '2',
    '../photos2/secret.txt',
    'private/secret.txt',
    '\0',
    'x'.repeat(2000),
  ])('is nothing beside the folder: %j', async (path) => {
    const { token } = await owner.link({ folderId });
    const file = await content(token, path);
    expect(file.status).toBe(404);
    expect(JSON.parse(file.body.toString()).error).toMatchObject({ code: 'FILE_NOT_FOUND', details: null });
    const folder = await look(token, `?path=${encodeURIComponent(path)}`);
    expect(folder.body.error).toMatchObject({ code: 'FOLDER_NOT_FOUND', details: null });
    expect(codeOf(await get(`/s/${token}/zip?path=${encodeURIComponent(path)}`))).toBe('FOLDER_NOT_FOUND');
  });

  it.each(['', '/content', '/zip'])('refuses a path%s that is longer than any', async (what) => {
    const { token } = await owner.link({ folderId });
    expect(codeOf(await get(`/s/${token}${what}?path=${'x'.repeat(8193)}`))).toBe('VALIDATION_FAILED');
  });

  it('comes in pages whose cursor tells nothing and belongs to the link', async () => {
    const { token } = await owner.link({ folderId });
    await owner.file('private/photos/zebra.mp3');
    const first = (await look(token, '?limit=2').expect(200)).body;
    expect(first.data).toMatchObject({ folders: [{ name: '2026' }], files: [{ name: 'cat.mp3' }] });
    const { nextCursor } = first.meta;
    expect(Buffer.from(nextCursor, 'base64url').toString()).not.toContain('private');
    const second = (await look(token, `?limit=2&cursor=${nextCursor}`).expect(200)).body;
    expect(second.data).toMatchObject({ folders: [], files: [{ name: 'zebra.mp3' }] });
    expect(second.meta.nextCursor).toBeNull();
    const elsewhere = await owner.link({ folderId });
    const refused = await look(elsewhere.token, `?cursor=${nextCursor}`).expect(400);
    expect(refused.body.error.code).toBe('VALIDATION_FAILED');
  });
});

describe('a link that does not work', () => {
  const ENDINGS: [string, (link: { id: string; token: string; fileId: string }) => Promise<unknown>][] = [
    ['was revoked', ({ id }) => owner.send('delete', `/shares/links/${id}`)],
    ['has expired', async () => a.clock.advance(HOUR + 1)],
    ['is used up', ({ token }) => content(token).expect(200)],
    ['is of a file in the trash', () => owner.send('delete', '/storage/files/one.html')],
    ['is of a file that is gone', ({ fileId }) => owner.destroyFile(fileId)],
    [
      'is of somebody who is disabled',
      () =>
        owner.world.database.prisma.user.update({ where: { id: owner.me.userId }, data: { disabledAt: new Date() } }),
    ],
    ['is of somebody who leaves', () => owner.world.beginDeletion(owner.me.userId)],
  ];

  it.each(ENDINGS)('%s, and that is all that anybody is told', async (_what, end) => {
    const fileId = await owner.file('one.html', '<script>');
    const expiresAt = new Date(a.clock.now().getTime() + HOUR * 1000).toISOString();
    const link = await owner.link({ fileId, expiresAt, maxDownloads: 1 });
    await look(link.token).expect(200);
    await end({ ...link, fileId });
    const answers = await Promise.all(
      [link.token, 'A'.repeat(43), 'x', '%00'].flatMap((token) => [
        supertest(other.app).get(`/s/${token}`),
        supertest(other.app).get(`/s/${token}/content`),
        supertest(other.app).get(`/s/${token}/zip`),
        supertest(other.app).post(`/s/${token}/unlock`).send({ password: 'open sesame' }),
        supertest(other.app).post(`/s/${token}/files`).attach('file', Buffer.from('x'), 'x'),
      ]),
    );
    for (const { status, body, headers } of answers) {
      expect(status).toBe(404);
      expect({ ...body, error: { ...body.error, requestId: '' } }).toEqual({
        success: false,
        message: 'There is no such link',
        error: { code: 'LINK_NOT_FOUND', details: null, httpStatusCode: 404, requestId: '' },
      });
      expect(headers['x-robots-tag']).toBe('noindex');
    }
  });
});

describe('content', () => {
  it('has validators, ranges, and only harmless things in place', async () => {
    const { token } = await owner.link({ folderId });
    const whole = await content(token, 'cat.mp3').expect(200);
    expect(whole.headers).toMatchObject({
      'content-type': 'audio/mpeg',
      'content-disposition': 'inline; filename=cat.mp3',
      'content-security-policy': "default-src 'none'; sandbox",
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'x-robots-tag': 'noindex',
      'accept-ranges': 'bytes',
    });
    const { etag = '' } = whole.headers;
    expect((await content(token, 'cat.mp3', { range: 'bytes=1-2' }).expect(206)).body.toString()).toBe('eo');
    await content(token, 'cat.mp3', { 'if-none-match': etag }).expect(304);
    expect(codeOf(await content(token, 'cat.mp3', { 'if-match': '"other"' }))).toBe('PRECONDITION_FAILED');
    expect(codeOf(await content(token, 'cat.mp3', { range: 'bytes=10-' }))).toBe('RANGE_NOT_SATISFIABLE');
    await owner.file('private/photos/page.html', '<script>');
    const page = await content(token, 'page.html').expect(200);
    expect(page.headers['content-disposition']).toBe('attachment; filename=page.html');
  });

  it('is counted and recorded when it is sent, and not when it is not', async () => {
    const { id, token } = await owner.link({ folderId, maxDownloads: 10 });
    const { headers } = await content(token, 'cat.mp3').expect(200);
    await content(token, 'cat.mp3', { 'if-none-match': headers['etag'] ?? '' }).expect(304);
    await supertest(a.app).head(`/s/${token}/content?path=cat.mp3`).expect(200);
    await content(token, 'none').expect(404);
    await content(token, 'cat.mp3', { 'if-match': '"other"' }).expect(412);
    const zip = await supertest(a.app).head(`/s/${token}/zip`).expect(200);
    expect(zip.headers['content-disposition']).toBe('attachment; filename=photos.zip');
    await supertest(a.app).head(`/s/${token}/zip?path=none`).expect(404);
    expect(await rowOf(id)).toMatchObject({ downloads: 1, lastUsedAt: expect.any(Date) });
    const entries = await a.database.prisma.auditLog.findMany({ where: { action: 'link.download' } });
    const mine = entries.filter(({ metadata }) => (metadata as { linkId?: string }).linkId === id);
    expect(mine).toMatchObject([
      { actorType: 'anonymous', metadata: { fileName: 'private/photos/cat.mp3', sizeBytes: 4 } },
    ]);
  });

  it('of a limited link comes whole, whatever part is asked for', async () => {
    const { id, token } = await owner.link({ folderId, maxDownloads: 2 });
    const reply = await content(token, 'cat.mp3', { range: 'bytes=0-0' }).expect(200);
    expect(reply.body.toString()).toBe('meow');
    expect(reply.headers['accept-ranges']).toBe('none');
    await content(token, 'cat.mp3', { range: 'bytes=3-' }).expect(200);
    await content(token, 'cat.mp3').expect(404);
    expect((await rowOf(id)).downloads).toBe(2);
  });

  it('in parts is one download, where there is no limit', async () => {
    const { id, token } = await owner.link({ folderId });
    await content(token, 'cat.mp3', { range: 'bytes=0-1' }).expect(206);
    await content(token, 'cat.mp3', { range: 'bytes=2-3' }).expect(206);
    expect((await rowOf(id)).downloads).toBe(1);
  });

  it('is not counted when the store fails', async () => {
    const { id, token } = await owner.link({ folderId, maxDownloads: 1 });
    const { prisma } = a.database;
    const { objectKey } = await prisma.file.findFirstOrThrow({
      where: { spaceId: owner.spaceId, path: 'private/photos/cat.mp3' },
    });
    const rename = (to: string, from: string) =>
      prisma.file.updateMany({ where: { objectKey: from }, data: { objectKey: to } });
    await rename(`${objectKey}x`, objectKey);
    await content(token, 'cat.mp3').expect(500);
    expect((await rowOf(id)).downloads).toBe(0);
    await rename(objectKey, `${objectKey}x`);
    await content(token, 'cat.mp3').expect(200);
  });

  it('goes out exactly as often as the link says, over two processes', async () => {
    const { id, token } = await owner.link({ folderId, maxDownloads: 20 });
    const replies = await Promise.all(
      Array.from({ length: 200 }, (_, i) => get(`/s/${token}/content?path=cat.mp3`, {}, i % 2 ? a : other)),
    );
    const sent = replies.filter(({ status }) => status === 200);
    expect(sent).toHaveLength(20);
    for (const { body } of sent) expect(body.toString()).toBe('meow');
    expect(replies.filter(({ status }) => status === 404)).toHaveLength(180);
    expect((await rowOf(id)).downloads).toBe(20);
    await look(token).expect(404);
  }, 30_000);
});

describe('a ZIP', () => {
  it('holds the folder, and is one download', async () => {
    const { id, token } = await owner.link({ folderId, maxDownloads: 1 });
    const reply = await get(`/s/${token}/zip`).expect(200);
    expect(reply.headers).toMatchObject({
      'content-type': 'application/zip',
      'content-disposition': 'attachment; filename=photos.zip',
    });
    const text = reply.body.toString('latin1');
    for (const name of ['cat.mp3', '2026/dog.mp3', 'meow', 'woof']) expect(text).toContain(name);
    expect(text).not.toContain('private');
    expect((await rowOf(id)).downloads).toBe(1);
    expect(codeOf(await get(`/s/${token}/zip`))).toBe('LINK_NOT_FOUND');
  });

  it('of a folder below holds that', async () => {
    const { token } = await owner.link({ folderId });
    const reply = await get(`/s/${token}/zip?path=2026`).expect(200);
    expect(reply.headers['content-disposition']).toBe('attachment; filename=2026.zip');
    const text = reply.body.toString('latin1');
    expect(text).toContain('dog.mp3');
    expect(text).not.toContain('meow');
  });

  it('of an empty folder is none, counts nothing and tells no path', async () => {
    await owner.send('delete', `/storage/files/${encodeURIComponent('private/photos/2026/dog.mp3')}`);
    const { id, token } = await owner.link({ folderId, maxDownloads: 1 });
    const reply = await get(`/s/${token}/zip?path=2026`).expect(404);
    expect(JSON.parse(reply.body.toString()).error).toMatchObject({ code: 'FILE_NOT_FOUND', details: null });
    expect((await rowOf(id)).downloads).toBe(0);
  });
});

describe('a password', () => {
  const PASSWORD = 'open sesame';
  const unlock = (token: string, password: string, ip = '10.0.0.1', at: Accounts = a) =>
    supertest(at.app).post(`/s/${token}/unlock`).set('x-forwarded-for', ip).send({ password });

  it('stands before everything, and nothing is told without it', async () => {
    const { token } = await owner.link({ folderId, password: PASSWORD });
    const drop = await owner.link({ folderId, password: PASSWORD, allowUpload: true, maxUploadBytes: 100 });
    const replies = [
      await look(token),
      await supertest(a.app).get(`/s/${token}/content?path=cat.mp3`),
      await supertest(a.app).get(`/s/${token}/content?path=none`),
      await supertest(a.app).get(`/s/${token}/zip`),
      await look(drop.token),
      await supertest(a.app).post(`/s/${drop.token}/files`).attach('file', Buffer.from('x'), 'x'),
    ];
    for (const { status, body } of replies) {
      expect(status).toBe(401);
      expect(body.error).toMatchObject({ code: 'LINK_PASSWORD_REQUIRED', details: null });
      expect(JSON.stringify(body)).not.toMatch(/photos|cat/);
    }
  });

  it('goes with each request of a program', async () => {
    const { token } = await owner.link({ folderId, password: PASSWORD });
    const headers = { 'x-link-password': PASSWORD };
    await look(token).set(headers).expect(200);
    await content(token, 'cat.mp3', headers).expect(200);
    await get(`/s/${token}/zip`, headers).expect(200);
    const wrong = { 'x-link-password': 'guess' };
    expect(codeOf(await look(token).set(wrong))).toBe('INVALID_CREDENTIALS');
    expect(codeOf(await content(token, 'cat.mp3', wrong))).toBe('INVALID_CREDENTIALS');
    expect(codeOf(await get(`/s/${token}/zip`, wrong))).toBe('INVALID_CREDENTIALS');
    const drop = await owner.link({ folderId, password: PASSWORD, allowUpload: true, maxUploadBytes: 100 });
    const send = (password: string) =>
      supertest(a.app)
        .post(`/s/${drop.token}/files`)
        .set('x-link-password', password)
        .attach('file', Buffer.from('x'), 'x');
    expect(codeOf(await send('guess'))).toBe('INVALID_CREDENTIALS');
    await send(PASSWORD).expect(201);
  });

  it.each<[string, BufferEncoding]>([
    ['pässwörd-ключ', 'utf8'],
    ['pässwörd', 'latin1'],
  ])('%s is known by its bytes in %s', async (password, encoding) => {
    const { token } = await owner.link({ folderId, password });
    // What node takes as a header is the bytes that it sends.
    const sent = Buffer.from(password, encoding).toString('latin1');
    await look(token).set('x-link-password', sent).expect(200);
  });

  it('opens the link to a browser for an hour, in every process, and no other link', async () => {
    const { token } = await owner.link({ folderId, password: PASSWORD });
    const another = await owner.link({ folderId, password: PASSWORD });
    const reply = await unlock(token, PASSWORD).expect(200);
    const [set = ''] = reply.headers['set-cookie'] ?? [];
    expect(set).toMatch(new RegExp(`^pockity_link=[^;]+; Path=/s/${token}; Expires=[^;]+; HttpOnly; SameSite=Lax$`));
    expect(set).not.toContain(PASSWORD);
    const cookie = set.split(';')[0] ?? '';
    await get(`/s/${token}`, { cookie: `a=b; ${cookie}` }, other).expect(200);
    await get(`/s/${token}/content?path=cat.mp3`, { cookie }).expect(200);
    await get(`/s/${another.token}`, { cookie }).expect(401);
    await get(`/s/${token}`, { cookie: `pockity_link=x; ${cookie}` }).expect(200);
    await get(`/s/${token}`, { cookie: `${'pockity_link=x; '.repeat(100)}${cookie}` }).expect(401);
    for (const forged of ['pockity_link=', 'pockity_link=9999999999999.', `${cookie.slice(0, -3)}AAA`]) {
      await get(`/s/${token}`, { cookie: forged }).expect(401);
    }
    const [expiry = '', mac = ''] = (cookie.split('=')[1] ?? '').split('.');
    await get(`/s/${token}`, { cookie: `pockity_link=${Number(expiry) + 1}.${mac}` }).expect(401);
    a.clock.advance(HOUR + 1);
    await get(`/s/${token}`, { cookie }).expect(401);
  });

  it('is not asked for where there is none', async () => {
    const { token } = await owner.link({ folderId });
    const reply = await unlock(token, 'whatever').expect(200);
    expect(reply.body.data).toEqual({ expiresAt: null });
    expect(reply.headers['set-cookie']).toBeUndefined();
  });

  it('can be guessed at ten times from one address, in all processes together, and nobody else is kept out', async () => {
    const { token } = await owner.link({ folderId, password: PASSWORD });
    const another = await owner.link({ folderId, password: PASSWORD });
    for (let i = 0; i < 10; i += 1) {
      expect(codeOf(await unlock(token, `guess ${i}`, '10.0.0.9', i % 2 ? a : other))).toBe('INVALID_CREDENTIALS');
    }
    const locked = await unlock(token, PASSWORD, '10.0.0.9');
    expect(locked.status).toBe(429);
    expect(Number(locked.headers['retry-after'])).toBeGreaterThan(0);
    const byHeader = await look(token).set({ 'x-forwarded-for': '10.0.0.9', 'x-link-password': PASSWORD });
    expect(byHeader.status).toBe(429);
    await unlock(token, PASSWORD, '10.0.0.8').expect(200);
    await unlock(another.token, PASSWORD, '10.0.0.9').expect(200);
  });

  it('is worth ten guesses also when they come all at once', async () => {
    const { token } = await owner.link({ folderId, password: PASSWORD });
    const replies = await Promise.all(Array.from({ length: 30 }, (_, i) => unlock(token, `guess ${i}`, '10.0.0.7')));
    expect(replies.filter((reply) => codeOf(reply) === 'INVALID_CREDENTIALS')).toHaveLength(10);
    expect((await unlock(token, PASSWORD, '10.0.0.7')).status).toBe(429);
  });

  it('that could not have been set is wrong', async () => {
    const { token } = await owner.link({ folderId, password: 'x'.repeat(72) });
    expect(codeOf(await unlock(token, 'x'.repeat(73)))).toBe('INVALID_CREDENTIALS');
    await unlock(token, 'x'.repeat(72)).expect(200);
  });
});

describe('the token', () => {
  it('is in no audit entry', async () => {
    const { token } = await owner.link({
      folderId,
      expiresAt: new Date(a.clock.now().getTime() + DAY * 1000).toISOString(),
    });
    await look(token).expect(200);
    await content(token, 'cat.mp3').expect(200);
    await get(`/s/${token}/zip`).expect(200);
    const [row] = await a.database.query<{ n: number }>(
      {
        name: 'test_token_in_audit',
        text: `SELECT count(*) AS n FROM audit_logs l WHERE l::text LIKE '%' || $1 || '%'`,
      },
      [token],
    );
    expect(row?.n).toBe(0);
  });
});
