import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { sha256 } from '../../src/platform/crypto/random.ts';
import { type Site, startAccounts } from '../support/accounts.ts';
import { LinkOwner } from '../support/links.ts';
import { auditSpace } from '../support/spaces.ts';

const HOUR = 3600;
const GIB = 1024 ** 3;

let site: Site;
let owner: LinkOwner;
let fileId: string;
let folderId: string;

beforeAll(async () => {
  site = await startAccounts();
});
afterAll(() => site.stop());
beforeEach(async () => {
  owner = await LinkOwner.make(site.accounts);
  fileId = await owner.file('private/photos/cat.mp3');
  folderId = await owner.folderId('private/photos');
});

const inAnHour = () => new Date(site.accounts.clock.now().getTime() + HOUR * 1000).toISOString();
const faults = async () => (await auditSpace(owner.world.database, owner.spaceId)).faults;

describe('a new link', () => {
  it('of a file is shown once, with its token, of which only the hash is kept', async () => {
    const reply = await owner.send('post', '/shares/links', { fileId });
    expect(reply.status).toBe(201);
    const { link, url, token } = reply.body.data;
    expect(link).toEqual({
      id: expect.any(String),
      fileId,
      folderId: null,
      name: 'cat.mp3',
      hasPassword: false,
      expiresAt: null,
      maxDownloads: null,
      downloads: 0,
      allowUpload: false,
      maxUploadBytes: null,
      maxUploadFiles: null,
      uploadedFiles: null,
      createdAt: expect.any(String),
      lastUsedAt: null,
    });
    expect(token).toMatch(/^[\w-]{43}$/);
    expect(url).toMatch(new RegExp(`^http://[^/]+/s/${token}$`));
    const { prisma } = owner.world.database;
    const row = await prisma.shareLink.findUniqueOrThrow({ where: { id: link.id } });
    expect(Buffer.from(row.tokenHash)).toEqual(sha256(token));
    const entries = await prisma.auditLog.findMany({ where: { subjectId: link.id } });
    expect(entries.map(({ action }) => action)).toEqual(['link.create']);
    expect(JSON.stringify(entries)).not.toContain(token);
    expect(entries[0]?.metadata).toMatchObject({ fileName: 'private/photos/cat.mp3', hasPassword: false });
  });

  it('of a folder has all that was wished for', async () => {
    const expiresAt = inAnHour();
    const wish = { folderId, expiresAt, password: 'open sesame', maxDownloads: 3 };
    const { link } = (await owner.send('post', '/shares/links', wish)).body.data;
    expect(link).toMatchObject({
      folderId,
      fileId: null,
      name: 'photos',
      hasPassword: true,
      expiresAt,
      maxDownloads: 3,
    });
    const row = await owner.world.database.prisma.shareLink.findUniqueOrThrow({ where: { id: link.id } });
    expect(row.passwordHash).toMatch(/^\$2b\$/);
  });

  it.each([
    ['neither', {}, 'fileId'],
    ['both', { fileId: 'a', folderId: 'b' }, 'folderId'],
    ['a drop of a file', { fileId: 'a', allowUpload: true }, 'allowUpload'],
    ['a drop with downloads', { folderId: 'a', allowUpload: true, maxDownloads: 1 }, 'maxDownloads'],
    ['limits of a drop without one', { folderId: 'a', maxUploadFiles: 1 }, 'maxUploadFiles'],
    ['no downloads', { folderId: 'a', maxDownloads: 0 }, 'maxDownloads'],
    ['an end that has passed', { fileId: 'a', expiresAt: '2020-01-01T00:00:00Z' }, 'expiresAt'],
    ['a short password', { fileId: 'a', password: '1234567' }, 'password'],
    ['a long password', { fileId: 'a', password: 'x'.repeat(73) }, 'password'],
  ])('refuses %s', async (_what, wish, path) => {
    const reply = await owner.send('post', '/shares/links', wish);
    expect(reply.status).toBe(400);
    expect(reply.body.error.details).toContainEqual({ path, message: expect.any(String) });
  });

  it('is only for what is there and one’s own', async () => {
    const stranger = await LinkOwner.make(site.accounts);
    for (const wish of [{ fileId }, { fileId: 'none' }, { fileId: folderId }]) {
      expect((await stranger.send('post', '/shares/links', wish)).body.error.code).toBe('FILE_NOT_FOUND');
    }
    for (const wish of [{ folderId }, { folderId: 'none' }, { folderId: fileId }]) {
      expect((await stranger.send('post', '/shares/links', wish)).body.error.code).toBe('FOLDER_NOT_FOUND');
    }
    await owner.send('delete', `/storage/files/${encodeURIComponent('private/photos/cat.mp3')}`);
    expect((await owner.send('post', '/shares/links', { fileId })).body.error.code).toBe('FILE_NOT_FOUND');
  });

  it('is the hundredth at the most, also when all are made at once', async () => {
    const replies = await Promise.all(
      Array.from({ length: 105 }, () => owner.send('post', '/shares/links', { fileId })),
    );
    expect(replies.filter(({ status }) => status === 201)).toHaveLength(100);
    expect(new Set(replies.filter(({ status }) => status !== 201).map(({ body }) => body.error.code))).toEqual(
      new Set(['CONFLICT']),
    );
  }, 30_000);
});

describe('the room of a drop', () => {
  it('is taken from the quota at once, and given back when the link is revoked', async () => {
    const wish = { folderId, allowUpload: true, maxUploadBytes: 5000, maxUploadFiles: 7 };
    const { id } = await owner.link(wish);
    expect(await auditSpace(owner.world.database, owner.spaceId)).toMatchObject({
      reservedBytes: 5000,
      reservedObjects: 7,
      faults: [],
    });
    const listed = (await owner.send('get', '/shares/links')).body.data.links;
    expect(listed).toMatchObject([{ allowUpload: true, maxUploadBytes: 5000, maxUploadFiles: 7, uploadedFiles: 0 }]);
    expect((await owner.send('delete', `/shares/links/${id}`)).status).toBe(200);
    expect(await auditSpace(owner.world.database, owner.spaceId)).toMatchObject({
      reservedBytes: 0,
      reservedObjects: 0,
      faults: [],
    });
  });

  it('is 1 GiB and 100 files unless told, and must fit', async () => {
    // The drive has 1 GiB, of which a file takes some bytes.
    const reply = await owner.send('post', '/shares/links', { folderId, allowUpload: true });
    expect(reply.status).toBe(413);
    expect(reply.body.error).toMatchObject({
      code: 'QUOTA_EXCEEDED',
      details: { limit: 'bytes', quota: GIB, used: 7, reserved: 0, requested: GIB },
    });
    expect(await owner.world.database.prisma.shareLink.count({ where: { ownerId: owner.me.userId } })).toBe(0);
    const files = await owner.send('post', '/shares/links', {
      folderId,
      allowUpload: true,
      maxUploadBytes: 1,
      maxUploadFiles: 1000,
    });
    expect(files.body.error.details).toMatchObject({ limit: 'objects', requested: 1000 });
    expect(await faults()).toEqual([]);
  });

  it('comes back with the folder’s end', async () => {
    await owner.link({ folderId, allowUpload: true, maxUploadBytes: 5000 });
    await owner.deleteFolder('private/photos');
    expect(await owner.world.database.prisma.shareLink.count({ where: { ownerId: owner.me.userId } })).toBe(0);
    expect(await auditSpace(owner.world.database, owner.spaceId)).toMatchObject({ reservedBytes: 0, faults: [] });
  });
});

describe('the list of links', () => {
  it('comes newest first in pages, and of one file or folder', async () => {
    const [a, b, c] = [await owner.link({ fileId }), await owner.link({ folderId }), await owner.link({ fileId })];
    const first = await owner.send('get', '/shares/links?limit=2');
    expect(first.body.data.links.map(({ id }: { id: string }) => id)).toEqual([c.id, b.id]);
    const { nextCursor } = first.body.meta;
    const second = await owner.send('get', `/shares/links?limit=2&cursor=${nextCursor}`);
    expect(second.body.data.links.map(({ id }: { id: string }) => id)).toEqual([a.id]);
    expect(second.body.meta.nextCursor).toBeNull();
    const ofFile = await owner.send('get', `/shares/links?fileId=${fileId}`);
    expect(ofFile.body.data.links.map(({ id }: { id: string }) => id)).toEqual([c.id, a.id]);
    const ofFolder = await owner.send('get', `/shares/links?folderId=${folderId}`);
    expect(ofFolder.body.data.links.map(({ id }: { id: string }) => id)).toEqual([b.id]);
    expect((await owner.send('get', '/shares/links?fileId=none')).body.data.links).toEqual([]);
  });

  it('shows nobody else’s', async () => {
    await owner.link({ fileId });
    const stranger = await LinkOwner.make(site.accounts);
    expect((await stranger.send('get', `/shares/links?fileId=${fileId}`)).body.data.links).toEqual([]);
  });
});

describe('revoking', () => {
  it('ends the link at once in every process, and is recorded', async () => {
    const { id, token } = await owner.link({ fileId });
    const other = await site.startAnother();
    await other.anonymous().get(`/s/${token}`).expect(200);
    const reply = await owner.send('delete', `/shares/links/${id}`);
    expect(reply.body.data.link.id).toBe(id);
    const gone = await other.anonymous().get(`/s/${token}`);
    expect(gone.body.error.code).toBe('LINK_NOT_FOUND');
    expect(await site.accounts.auditOf(id)).toEqual(['link.create', 'link.delete']);
    expect((await owner.send('delete', `/shares/links/${id}`)).body.error.code).toBe('LINK_NOT_FOUND');
  });
});
