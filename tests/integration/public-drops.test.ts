import { once } from 'node:events';
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import supertest from 'supertest';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { IngestService } from '../../src/features/ingest/index.ts';
import { LinkDoorService, PublicLinkRepository } from '../../src/features/sharing/index.ts';
import { createHttpServer } from '../../src/http/server.ts';
import { newId, sha256 } from '../../src/platform/crypto/random.ts';
import { type Accounts, type Site, startAccounts } from '../support/accounts.ts';
import { LinkOwner } from '../support/links.ts';
import { auditSpace } from '../support/spaces.ts';

const MAX_FILE_BYTES = 1024 * 1024;
/** What is read whole before anything is reserved is smaller. */
const LARGE = 100_000;
const HOUR = 3600;

let site: Site;
let a: Accounts;
let server: ReturnType<typeof createHttpServer>;
let owner: LinkOwner;
let folderId: string;

beforeAll(async () => {
  site = await startAccounts({ MAX_FILE_BYTES: String(MAX_FILE_BYTES) });
  a = site.accounts;
  server = createHttpServer(a.app);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await site.stop();
});
afterEach(() => vi.restoreAllMocks());
beforeEach(async () => {
  owner = await LinkOwner.make(a);
  await owner.file('private/inbox/contract.txt', 'secret');
  folderId = await owner.folderId('private/inbox');
});

const drop = (token: string, content: string | Buffer = 'x', name = 'x.txt') =>
  supertest(a.app).post(`/s/${token}/files`).attach('file', Buffer.from(content), name);
const makeDrop = (wish: object = {}) =>
  owner.link({ folderId, allowUpload: true, maxUploadBytes: 500_000, maxUploadFiles: 10, ...wish });
const audit = () => auditSpace(owner.world.database, owner.spaceId);
const paths = async () => {
  const files = await owner.world.database.prisma.file.findMany({
    where: { spaceId: owner.spaceId },
    orderBy: { path: 'asc' },
  });
  return files.map(({ path }) => path);
};

/** A drop that has been let in and reserved its room, and holds back its end. */
async function begunDrop(token: string): Promise<{ finish(): Promise<{ status: number; code: string | undefined }> }> {
  const head = '--b\r\nContent-Disposition: form-data; name="file"; filename="late.bin"\r\n\r\n';
  const tail = '\r\n--b--\r\n';
  const { port } = server.address() as AddressInfo;
  const req: ClientRequest = request({
    port,
    method: 'POST',
    path: `/s/${token}/files`,
    headers: {
      'content-type': 'multipart/form-data; boundary=b',
      'content-length': head.length + LARGE + tail.length,
    },
  });
  const answered = once(req, 'response') as Promise<[IncomingMessage]>;
  req.write(head + 'x'.repeat(LARGE - 10));
  await expect
    .poll(() => owner.world.database.prisma.upload.count({ where: { spaceId: owner.spaceId } }))
    .toBeGreaterThan(0);
  return {
    finish: async () => {
      req.end('x'.repeat(10) + tail);
      const [res] = await answered;
      const body = JSON.parse(await text(res)) as { error?: { code: string } };
      return { status: res.statusCode ?? 0, code: body.error?.code };
    },
  };
}

describe('a drop', () => {
  it('takes a file into its folder, and names nothing but what was sent', async () => {
    const { id, token } = await makeDrop();
    const reply = await drop(token, 'mine', 'contract.txt').expect(201);
    expect(reply.body.data).toEqual({ file: { name: 'contract.txt', size: 4 } });
    expect(await paths()).toEqual(['private/inbox/contract (1).txt', 'private/inbox/contract.txt']);
    expect(await audit()).toMatchObject({ reservedBytes: 500_000 - 4, reservedObjects: 9, faults: [] });
    const { links } = (await owner.send('get', '/shares/links')).body.data;
    expect(links).toMatchObject([{ id, uploadedFiles: 1, lastUsedAt: expect.any(String) }]);
    const entries = await a.database.prisma.auditLog.findMany({ where: { action: 'link.upload' } });
    const mine = entries.filter(({ metadata }) => (metadata as { linkId?: string }).linkId === id);
    expect(mine).toMatchObject([
      { actorType: 'anonymous', metadata: { fileName: 'private/inbox/contract (1).txt', sizeBytes: 4 } },
    ]);
    expect(JSON.stringify(mine)).not.toContain(token);
  });

  it('shows and gives nothing', async () => {
    const { token } = await makeDrop();
    const { body } = await supertest(a.app).get(`/s/${token}`).expect(200);
    expect(body.data).toEqual({
      link: {
        type: 'drop',
        name: 'inbox',
        path: '',
        expiresAt: null,
        downloadsLeft: null,
        maxUploadBytes: 500_000,
        maxUploadFiles: 10,
      },
      folders: [],
      files: [],
    });
    for (const path of ['/content?path=contract.txt', '/content', '/zip', '/zip?path=x']) {
      const reply = await supertest(a.app).get(`/s/${token}${path}`).expect(403);
      expect(reply.body.error.code).toBe('FORBIDDEN');
    }
    expect((await supertest(a.app).get(`/s/${token}?path=../inbox`)).body.data.files).toEqual([]);
  });

  it('is no other link', async () => {
    const { token } = await owner.link({ folderId });
    const reply = await drop(token).expect(403);
    expect(reply.body.error.code).toBe('FORBIDDEN');
  });

  it.each([
    ['../../escape.txt', 'escape.txt'],
    ['C:\\Users\\me\\notes.txt', 'notes.txt'],
    ['a/b/c.txt', 'c.txt'],
    ['Cafe\u0301.txt', 'Caf\u00e9.txt'],
    ['<script>.html', '<script>.html'],
  ])('takes %s by its own name', async (sent, name) => {
    const { token } = await makeDrop();
    const reply = await drop(token, 'x', sent).expect(201);
    expect(reply.body.data.file.name).toBe(name);
    expect(await paths()).toContain(`private/inbox/${name}`);
  });

  it.each(['..', 'a/..', 'x'.repeat(1020)])('refuses what is no name: %s', async (name) => {
    const { token } = await makeDrop();
    const reply = await drop(token, 'x', name).expect(400);
    expect(reply.body.error.code).toBe('VALIDATION_FAILED');
    expect(JSON.stringify(reply.body)).not.toContain('private');
    expect(await audit()).toMatchObject({ reservedObjects: 10, faults: [] });
  });

  it('takes exactly as many files as it says, however many come at once', async () => {
    const { token } = await makeDrop();
    const replies = await Promise.all(Array.from({ length: 50 }, () => drop(token)));
    expect(replies.filter(({ status }) => status === 201)).toHaveLength(10);
    for (const { status, body } of replies.filter((reply) => reply.status !== 201)) {
      expect(status).toBe(413);
      expect(body.error.code).toBe('QUOTA_EXCEEDED');
      expect(body.error.details).toEqual({ limit: 'objects', requested: 1 });
    }
    expect(await paths()).toHaveLength(11);
    expect(await audit()).toMatchObject({ reservedObjects: 0, usedObjects: 11, faults: [] });
  }, 30_000);

  it('takes exactly as many bytes as it says, however they come', async () => {
    const { token } = await makeDrop({ maxUploadBytes: 1000 });
    const replies = await Promise.all(Array.from({ length: 9 }, () => drop(token, Buffer.alloc(300))));
    expect(replies.filter(({ status }) => status === 201)).toHaveLength(3);
    expect(replies.find(({ status }) => status === 413)?.body.error.details).toMatchObject({ limit: 'bytes' });
    const refused = await drop(token, Buffer.alloc(101)).expect(413);
    expect(refused.body.error.details).toEqual({ limit: 'bytes', requested: 101 });
    await drop(token, Buffer.alloc(100)).expect(201);
    expect(await audit()).toMatchObject({ reservedBytes: 0, usedBytes: 1006, faults: [] });
  });

  it('says so when the file has landed, whatever fails after that', async () => {
    const { token } = await makeDrop();
    vi.spyOn(PublicLinkRepository.prototype, 'touch').mockRejectedValue(new Error('the database has gone'));
    await drop(token, 'x', 'one.txt').expect(201);
    vi.restoreAllMocks();
    const commit = IngestService.prototype.stage;
    vi.spyOn(IngestService.prototype, 'stage').mockImplementation(async function (this: IngestService, input) {
      const staged = await commit.call(this, input);
      const closing = async (...place: Parameters<typeof staged.commit>) => {
        const file = await staged.commit(...place);
        vi.spyOn(LinkDoorService.prototype, 'getUsable').mockRejectedValue(new Error('the database has gone'));
        return file;
      };
      return { sizeBytes: staged.sizeBytes, abort: () => staged.abort(), commit: closing };
    });
    const page = await drop(token, 'x', 'two.txt').set('accept', 'text/html').expect(201);
    expect(page.text).toContain('two.txt');
    expect(await paths()).toEqual(['private/inbox/contract.txt', 'private/inbox/one.txt', 'private/inbox/two.txt']);
  });

  it('that is refused for want of room is recorded with its link', async () => {
    const { id, token } = await makeDrop({ maxUploadBytes: 10 });
    await drop(token, 'x'.repeat(11)).expect(413);
    const entries = await a.database.prisma.auditLog.findMany({ where: { action: 'quota.exceeded' } });
    expect(entries.map(({ metadata }) => metadata)).toContainEqual(
      expect.objectContaining({ linkId: id, limit: 'bytes', requested: 11 }),
    );
  });

  it('has its room, whatever else the owner uploads', async () => {
    const { token } = await makeDrop({ maxUploadBytes: LARGE * 2 });
    await a.database.prisma.space.update({
      where: { id: owner.spaceId },
      data: { quotaBytes: BigInt(LARGE * 2 + 106), quotaObjects: 12n },
    });
    await owner.file('own.bin', Buffer.alloc(100));
    await expect(owner.file('more.bin', Buffer.alloc(1))).rejects.toThrow('QUOTA_EXCEEDED');
    await drop(token, Buffer.alloc(LARGE)).expect(201);
    await drop(token, Buffer.alloc(LARGE)).expect(201);
    expect((await audit()).faults).toEqual([]);
  });

  it('refuses what is larger than the server takes', async () => {
    const { token } = await makeDrop({ maxUploadBytes: MAX_FILE_BYTES * 2 });
    const reply = await drop(token, Buffer.alloc(MAX_FILE_BYTES + 1)).expect(413);
    expect(reply.body.error.code).toBe('FILE_TOO_LARGE');
    expect(await audit()).toMatchObject({ reservedObjects: 10, faults: [] });
  });
});

describe('a file that is coming', () => {
  it('lands when nothing happens', async () => {
    const { token } = await makeDrop();
    expect(await (await begunDrop(token)).finish()).toEqual({ status: 201, code: undefined });
    expect(await paths()).toContain('private/inbox/late.bin');
    expect((await audit()).faults).toEqual([]);
  });

  it.each<[string, (id: string) => Promise<unknown>]>([
    ['the link is revoked', (id) => owner.send('delete', `/shares/links/${id}`)],
    ['the link expires', async () => a.clock.advance(HOUR + 1)],
    [
      'the owner is disabled',
      () => a.database.prisma.user.update({ where: { id: owner.me.userId }, data: { disabledAt: new Date() } }),
    ],
  ])('does not land when meanwhile %s', async (_what, end) => {
    const expiresAt = new Date(a.clock.now().getTime() + HOUR * 1000).toISOString();
    const { id, token } = await makeDrop({ expiresAt });
    const coming = await begunDrop(token);
    await end(id);
    expect(await coming.finish()).toEqual({ status: 404, code: 'LINK_NOT_FOUND' });
    expect(await paths()).toEqual(['private/inbox/contract.txt']);
    expect(await audit()).toMatchObject({ uploads: 0, faults: [] });
  });

  it('has no room any more once the link is revoked, and does not land though it was let in just before', async () => {
    const { id, token } = await makeDrop();
    const link = await new PublicLinkRepository(a.database).findUsable(sha256(token), a.clock.now());
    if (!link) throw new Error('there is no link');
    const coming = await begunDrop(token);
    await owner.send('delete', `/shares/links/${id}`).expect(200);
    expect(await audit()).toMatchObject({ uploads: 0, reservedBytes: 0, reservedObjects: 0, faults: [] });
    // As if the link had been looked up right before it was revoked.
    vi.spyOn(LinkDoorService.prototype, 'getUsable').mockResolvedValueOnce(link);
    expect(await coming.finish()).toEqual({ status: 404, code: 'LINK_NOT_FOUND' });
    expect(await paths()).toEqual(['private/inbox/contract.txt']);
    expect(await audit()).toMatchObject({ usedObjects: 1, reservedBytes: 0, faults: [] });
  });

  it('goes where the folder has gone meanwhile', async () => {
    const { token } = await makeDrop();
    const coming = await begunDrop(token);
    await owner.moveFolder('private/inbox', 'box');
    expect(await coming.finish()).toEqual({ status: 201, code: undefined });
    expect(await paths()).toEqual(['box/contract.txt', 'box/late.bin']);
    expect((await audit()).faults).toEqual([]);
  });

  it('does not land where a large move still takes files from', async () => {
    const { token } = await makeDrop();
    const params = { from: 'private/inbox', to: 'elsewhere' };
    const { prisma } = a.database;
    await prisma.operation.create({
      data: { id: newId(), spaceId: owner.spaceId, kind: 'folder.move', params, total: 1n },
    });
    const reply = await drop(token).expect(409);
    expect(reply.body.error.code).toBe('CONFLICT');
    expect(await paths()).toEqual(['private/inbox/contract.txt']);
    expect(await audit()).toMatchObject({ reservedObjects: 10, faults: [] });
  });
});
