import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import supertest from 'supertest';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { newId } from '../../src/platform/crypto/random.ts';
import { MultipartNotFoundError } from '../../src/platform/object-store/errors.ts';
import { type Site, startAccounts } from '../support/accounts.ts';
import { SpaceClient } from '../support/space-client.ts';
import { OFFSET_STREAM, TUS, TusActor } from '../support/tus-actor.ts';
import { TusSender } from '../support/tus-sender.ts';
import { codeOf, type Key, World } from '../support/world.ts';

const DAY_SECONDS = 24 * 3600;

let site: Site;
let world: World;
let key: Key;
let tus: TusActor;
let space: SpaceClient;

beforeAll(async () => {
  site = await startAccounts({ MAX_FILE_BYTES: String(2 ** 30), CORS_ORIGINS: 'https://app.example.com' });
  world = new World(site.accounts);
});
afterAll(() => site.stop());
beforeEach(async () => {
  key = await world.key(await world.person());
  tus = new TusActor(world, key);
  space = new SpaceClient(world, key);
});

function sha1(bytes: Buffer): string {
  return `sha1 ${createHash('sha1').update(bytes).digest('base64')}`;
}

/** Appends bytes behind the service's back, as a process that died right after them has left them. */
async function leaveBytes(id: string, bytes: Buffer, { completed = false, on = site } = {}): Promise<void> {
  const { store, database } = on.accounts.infrastructure;
  const { objectKey } = await database.prisma.uploadSession.findUniqueOrThrow({ where: { id } });
  const { uploadId } = await store.createAppend(objectKey, { contentType: 'text/plain' });
  await store.append(objectKey, uploadId, { offset: 0, body: Readable.from([bytes], { objectMode: false }) });
  if (completed) await store.completeAppend(objectKey, uploadId, bytes.length);
  await database.prisma.uploadSession.update({ where: { id }, data: { storeUploadId: uploadId } });
}

/** The app where a `TusSender` reaches it. */
async function listening(): Promise<{ readonly url: string; readonly close: () => void }> {
  const server = createServer(world.app as RequestListener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, close: () => void server.close() };
}

describe('an upload', () => {
  it('comes in pieces and is a file with the last of them', async () => {
    const bytes = randomBytes(1000);
    const created = await tus.create(1000, { filename: 'a/b.bin', filetype: 'application/x-own', tags: 'k=v', x: 'y' });
    expect(created.status).toBe(201);
    expect(created.headers).toMatchObject({ 'tus-resumable': '1.0.0', 'upload-offset': '0' });
    const expires = Date.parse(String(created.headers['upload-expires']));
    expect(expires - Date.now()).toBeGreaterThan((DAY_SECONDS - 60) * 1000);
    const id = String(created.headers['location']).split('/').at(-1) ?? '';
    expect(created.headers['location']).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/api\/uploads\/tus\/[0-9a-f-]{36}$/);
    expect(await space.audited()).toMatchObject({ reservedBytes: 1000, reservedObjects: 1, usedBytes: 0 });

    const first = await tus.patch(id, 0, bytes.subarray(0, 300));
    expect(first.status).toBe(204);
    expect(first.headers).toMatchObject({ 'upload-offset': '300' });
    expect(first.headers['x-file-id']).toBeUndefined();
    const head = await tus.head(id);
    expect(head.status).toBe(200);
    expect(head.headers).toMatchObject({
      'upload-offset': '300',
      'upload-length': '1000',
      'cache-control': 'no-store',
      'upload-metadata': expect.stringContaining('x eQ=='),
    });
    const last = await tus.patch(id, 300, bytes.subarray(300));
    expect(last.headers).toMatchObject({ 'upload-offset': '1000', 'x-file-name': 'a%2Fb.bin' });
    expect(last.headers['upload-expires']).toBeUndefined();
    expect(last.headers['x-quota-objects-remaining']).toBe('99');

    const { body } = await space.call('get', space.file('a/b.bin', '/metadata'));
    expect(body.data.file).toMatchObject({
      id: last.headers['x-file-id'],
      size: 1000,
      contentType: 'application/x-own',
      tags: ['k=v'],
      checksumSha256: createHash('sha256').update(bytes).digest('hex'),
    });
    expect(await space.audited()).toMatchObject({ reservedBytes: 0, usedBytes: 1000, uploads: 0 });
  });

  it('comes whole with its creation, under /api/v1 too', async () => {
    const reply = await tus.create(5, { name: 'x.txt' }, { bytes: Buffer.from('hello') });
    expect(reply.status).toBe(201);
    expect(reply.headers).toMatchObject({ 'upload-offset': '5', 'x-file-name': 'x.txt' });
    expect(await space.content('x.txt')).toBe('hello');
    const v1 = await supertest(world.app)
      .post('/api/v1/uploads/tus/?x=1')
      .set({ ...key.headers, ...TUS, 'Upload-Length': '1', 'Upload-Metadata': 'filename YQ==' });
    expect(v1.headers['location']).toMatch(/\/api\/v1\/uploads\/tus\/[0-9a-f-]{36}$/);
  });

  it('may be empty', async () => {
    const reply = await tus.create(0, { filename: 'empty.txt' });
    expect(reply.status).toBe(201);
    expect(reply.headers['x-file-id']).toBeDefined();
    expect(await space.content('empty.txt')).toBe('');
    expect(await space.audited()).toMatchObject({ usedObjects: 1, reservedObjects: 0 });
  });

  it('answers as complete when the last request comes again', async () => {
    const id = await tus.begin(5, 'x.txt');
    const { headers } = await tus.patch(id, 0, Buffer.from('hello'));
    const head = await tus.head(id);
    expect(head.headers).toMatchObject({ 'upload-offset': '5', 'upload-length': '5' });
    expect(head.headers['x-file-id']).toBe(headers['x-file-id']);
    const again = await tus.patch(id, 5, Buffer.alloc(0));
    expect(again.status).toBe(204);
    expect(again.headers['x-file-id']).toBe(headers['x-file-id']);
    expect(codeOf(await tus.patch(id, 0, Buffer.from('hello')))).toBe('CONFLICT');
    expect(codeOf(await tus.terminate(id))).toBe('CONFLICT');
    expect(await space.audited()).toMatchObject({ usedObjects: 1, usedBytes: 5 });
  });

  it.each([false, true])(
    'is completed by HEAD after a death right before its end (completed in the store: %s)',
    async (completed) => {
      const id = await tus.begin(5, 'x.txt');
      await leaveBytes(id, Buffer.from('hello'), { completed });
      const head = await tus.head(id);
      expect(head.status).toBe(200);
      expect(head.headers['x-file-id']).toBeDefined();
      expect(await space.content('x.txt')).toBe('hello');
    },
  );

  it('is completed by an empty PATCH as well', async () => {
    const id = await tus.begin(5, 'x.txt');
    await leaveBytes(id, Buffer.from('hello'));
    expect((await tus.patch(id, 5, Buffer.alloc(0))).headers['x-file-id']).toBeDefined();
  });

  it('takes PATCH and DELETE in the form of POST', async () => {
    const id = await tus.begin(5, 'x.txt');
    const post = (headers: object) =>
      supertest(world.app)
        .post(`/api/uploads/tus/${id}`)
        .set({ ...key.headers, ...TUS, ...OFFSET_STREAM, ...headers });
    const patched = await post({ 'X-HTTP-Method-Override': 'PATCH', 'Upload-Offset': '0' }).send(Buffer.from('he'));
    expect(patched.headers['upload-offset']).toBe('2');
    expect((await post({ 'X-HTTP-Method-Override': 'DELETE' })).status).toBe(204);
    expect((await post({})).status).toBe(405);
  });
});

describe('conflicts', () => {
  it('replaces, keeps both, or fails at once', async () => {
    await space.put('x.txt', 'old');
    const fails = await tus.create(3, { filename: 'x.txt', conflict: 'fail' });
    expect(codeOf(fails)).toBe('FILE_EXISTS');
    const both = await tus.create(3, { filename: 'x.txt', conflict: 'keepBoth' }, { bytes: Buffer.from('two') });
    expect(both.headers['x-file-name']).toBe(encodeURIComponent('x (1).txt'));
    await tus.create(3, { filename: 'x.txt' }, { bytes: Buffer.from('new') });
    expect(await space.content('x.txt')).toBe('new');
    expect(await space.names()).toEqual(['x (1).txt', 'x.txt']);
  });

  it.each([
    ['PATCH', (id: string) => tus.patch(id, 0, Buffer.from('new'))],
    ['HEAD', (id: string) => leaveBytes(id, Buffer.from('new')).then(() => tus.head(id))],
  ] as const)(
    'fails at the end by %s where the name was taken meanwhile, and the upload is over',
    async (_how, finish) => {
      const id = await tus.begin(3, 'x.txt', { conflict: 'fail' });
      await space.put('x.txt', 'old');
      expect(codeOf(await finish(id))).toBe('FILE_EXISTS');
      expect(codeOf(await tus.head(id))).toBe('UPLOAD_NOT_FOUND');
      expect(await space.content('x.txt')).toBe('old');
      expect(await space.audited()).toMatchObject({ usedBytes: 3, reservedBytes: 0, uploads: 0 });
    },
  );

  it('fails with the creation that brings all of it', async () => {
    const id = await tus.begin(3, 'x.txt', { conflict: 'fail' });
    const other = await tus.create(3, { filename: 'x.txt', conflict: 'fail' }, { bytes: Buffer.from('new') });
    expect(other.status).toBe(201);
    expect(codeOf(await tus.patch(id, 0, Buffer.from('two')))).toBe('FILE_EXISTS');
  });
});

describe('what the content must be', () => {
  const PDF = Buffer.from('%PDF-1.7\n%âãÏÓ\n1 0 obj\n<<>>\nendobj\n');
  let strict: Site;
  let strictTus: TusActor;

  beforeAll(async () => {
    const environment = { ALLOWED_TYPES: 'application/octet-stream,image/*', BLOCKED_EXTENSIONS: 'exe' };
    strict = await startAccounts(environment);
    const other = new World(strict.accounts);
    strictTus = new TusActor(other, await other.key(await other.person()));
  });
  afterAll(() => strict.stop());

  it('is asked of its name and its declared type before the first byte', async () => {
    for (const pairs of [{ filename: 'x.exe' }, { filename: 'x', filetype: 'text/plain' }]) {
      const reply = await strictTus.create(10, pairs);
      expect(reply.status).toBe(415);
      expect(codeOf(reply)).toBe('FILE_TYPE_NOT_ALLOWED');
    }
  });

  it.each(['POST', 'PATCH', 'HEAD'] as const)(
    'is seen by its bytes at its end, by %s, and the upload is over',
    async (how) => {
      const typed = { filetype: 'application/octet-stream' };
      const finish = async (one: TusActor, on: Site, pairs: Record<string, string>) => {
        if (how === 'POST') return one.create(PDF.length, pairs, { bytes: PDF });
        const id = await one.begin(PDF.length, pairs['filename'] ?? '', pairs);
        if (how === 'HEAD') await leaveBytes(id, PDF, { on });
        const reply = await (how === 'HEAD' ? one.head(id) : one.patch(id, 0, PDF));
        expect(codeOf(await one.head(id))).toBe('UPLOAD_NOT_FOUND');
        return reply;
      };
      expect(codeOf(await finish(strictTus, strict, { filename: 'x', ...typed }))).toBe('FILE_TYPE_NOT_ALLOWED');
      const mismatch = await finish(tus, site, { filename: 'x.png', filetype: 'image/png' });
      expect(mismatch.status).toBe(415);
      expect(codeOf(mismatch)).toBe('CONTENT_MISMATCH');
      expect(await space.audited()).toMatchObject({ usedObjects: 0, reservedBytes: 0, uploads: 0 });
    },
  );

  it('is no matter where nothing is claimed', async () => {
    expect((await tus.create(PDF.length, { filename: 'x' }, { bytes: PDF })).status).toBe(201);
  });
});

describe('a folder that is being moved', () => {
  it.each(['POST', 'PATCH', 'HEAD'] as const)('takes no file, by %s', async (how) => {
    const me = await world.person();
    const mine = new TusActor(world, me);
    const bytes = Buffer.from('hello');
    const id = how === 'POST' ? '' : await mine.begin(5, 'moving/x.txt');
    if (how === 'HEAD') await leaveBytes(id, bytes);
    const params = { from: 'moving', to: 'elsewhere' };
    const spaceId = await world.spaceId(me);
    await world.database.prisma.operation.create({
      data: { id: newId(), spaceId, kind: 'folder.move', params, total: 1n },
    });
    const reply =
      how === 'POST'
        ? await mine.create(5, { filename: 'moving/x.txt' }, { bytes })
        : await (how === 'HEAD' ? mine.head(id) : mine.patch(id, 0, bytes));
    expect(reply.status).toBe(409);
    expect(codeOf(reply)).toBe('CONFLICT');
    expect(await new SpaceClient(world, me).audited()).toMatchObject({ reservedBytes: 0, uploads: 0 });
  });
});

describe('a lock', () => {
  async function lockAs(id: string, seconds: number): Promise<void> {
    const data = { lockedBy: newId(), lockedUntil: new Date(Date.now() + seconds * 1000) };
    await world.database.prisma.uploadSession.update({ where: { id }, data });
  }

  it('of a process that died ends within seconds', async () => {
    const id = await tus.begin(5, 'x.txt');
    await lockAs(id, 15);
    const startedAt = performance.now();
    expect((await tus.patch(id, 0, Buffer.from('hello'))).status).toBe(204);
    expect(performance.now() - startedAt).toBeLessThan(8000);
  });

  it('that is not let go of is told as 423', { timeout: 60_000 }, async () => {
    const ids = await Promise.all(['x', 'y', 'z'].map((name) => tus.begin(5, name)));
    const hold = () => Promise.all(ids.map((id) => lockAs(id, 15)));
    await hold();
    const holding = setInterval(() => void hold(), 500);
    const [x = '', y = '', z = ''] = ids;
    try {
      const replies = await Promise.all([tus.patch(x, 0, Buffer.from('hello')), tus.head(y), tus.terminate(z)]);
      for (const reply of replies) {
        expect(reply.status).toBe(423);
        expect(codeOf(reply)).toBe('UPLOAD_LOCKED');
        expect(Number(reply.headers['retry-after'])).toBeGreaterThan(0);
      }
    } finally {
      clearInterval(holding);
    }
  });
});

describe('the quota', () => {
  async function shrink(bytes: number): Promise<void> {
    await world.database.prisma.space.update({ where: { id: await space.spaceId() }, data: { quotaBytes: bytes } });
  }

  it('is asked before the first byte', async () => {
    await shrink(100);
    const reply = await tus.create(101, { filename: 'x' });
    expect(reply.status).toBe(413);
    expect(reply.body.error).toMatchObject({
      code: 'QUOTA_EXCEEDED',
      details: { limit: 'bytes', quota: 100, used: 0, reserved: 0, requested: 101 },
    });
    expect(reply.headers['tus-resumable']).toBe('1.0.0');
    await tus.begin(60, 'x');
    expect(codeOf(await tus.create(60, { filename: 'y' }))).toBe('QUOTA_EXCEEDED');
    expect(await space.audited()).toMatchObject({ reservedBytes: 60, uploads: 1 });
    const noted = await world.database.prisma.auditLog.count({
      where: { action: 'quota.exceeded', actorId: key.userId },
    });
    expect(noted).toBe(1);
  });

  it.each([
    ['PATCH', (id: string) => tus.patch(id, 0, Buffer.from('0123456789'))],
    ['HEAD', (id: string) => leaveBytes(id, Buffer.from('0123456789')).then(() => tus.head(id))],
  ] as const)('is asked again by %s where more is needed than was held', async (_how, finish) => {
    await space.put('x', '0123456789');
    // A replacement of the same size needs none; then the old file goes, and so does the room.
    const id = await tus.begin(10, 'x');
    await space.call('delete', space.file('x'));
    await shrink(5);
    expect(codeOf(await finish(id))).toBe('QUOTA_EXCEEDED');
    expect(await space.audited()).toMatchObject({ reservedBytes: 0, uploads: 0 });
  });

  it('is told as it is after the request', async () => {
    const created = await tus.create(10, { filename: 'x' });
    const bytesLeft = Number(created.headers['x-quota-bytes-remaining']);
    expect(created.headers['x-quota-objects-remaining']).toBe('99');
    const gone = await tus.terminate(String(created.headers['location']).split('/').at(-1) ?? '');
    expect(gone.headers).toMatchObject({
      'x-quota-objects-remaining': '100',
      'x-quota-bytes-remaining': String(bytesLeft + 10),
    });
  });

  it('is free again when an upload is given up', async () => {
    const id = await tus.begin(10, 'x');
    await tus.patch(id, 0, Buffer.from('01234'));
    expect((await tus.terminate(id)).status).toBe(204);
    expect(codeOf(await tus.head(id))).toBe('UPLOAD_NOT_FOUND');
    expect(codeOf(await tus.patch(id, 5, Buffer.from('56789')))).toBe('UPLOAD_NOT_FOUND');
    expect((await tus.terminate(id)).status).toBe(404);
    expect(await space.audited()).toMatchObject({ reservedBytes: 0, reservedObjects: 0, uploads: 0 });
    const buried = await world.database.prisma.objectTombstone.count({
      where: { objectKey: { startsWith: `apikeys/${key.accessKeyId}/` } },
    });
    expect(buried).toBe(1);
    const entries = await world.database.prisma.auditLog.findMany({ where: { subjectId: id }, orderBy: { id: 'asc' } });
    expect(entries.map(({ action }) => action)).toEqual(['upload.open', 'upload.abort']);
  });

  it('is free again when nothing has come for a day', async () => {
    const id = await tus.begin(10, 'x');
    await tus.patch(id, 0, Buffer.from('01234'));
    const { expiresAt } = await world.database.prisma.uploadSession.findUniqueOrThrow({ where: { id } });
    expect(expiresAt.getTime() - Date.now()).toBeGreaterThan((DAY_SECONDS - 60) * 1000);
    const past = new Date(Date.now() - 1000);
    await world.database.prisma.uploadSession.update({ where: { id }, data: { expiresAt: past } });
    await world.database.prisma.upload.update({ where: { id }, data: { leaseExpiresAt: past } });
    for (const reply of [await tus.head(id), await tus.patch(id, 5, Buffer.from('56789'))]) {
      expect(codeOf(reply)).toBe('UPLOAD_NOT_FOUND');
    }
    await site.accounts.composition.ledger.expireOverdue();
    expect(await space.audited()).toMatchObject({ reservedBytes: 0, uploads: 0 });
    expect(codeOf(await tus.head(id))).toBe('UPLOAD_NOT_FOUND');
  });

  it('is put off by what comes', async () => {
    const id = await tus.begin(10, 'x');
    const soon = new Date(Date.now() + 60_000);
    await world.database.prisma.uploadSession.update({ where: { id }, data: { expiresAt: soon } });
    const reply = await tus.patch(id, 0, Buffer.from('01234'));
    expect(Date.parse(String(reply.headers['upload-expires']))).toBeGreaterThan(Date.now() + 3_600_000);
    const { expiresAt } = await world.database.prisma.uploadSession.findUniqueOrThrow({ where: { id } });
    expect(expiresAt.getTime()).toBeGreaterThan(Date.now() + 3_600_000);
  });
});

describe('an upload that ends while its bytes come in', () => {
  it.each([
    ['is told so by the request, which stops', false],
    ['is put off before the first byte', true],
  ] as const)('%s', async (_what, isSoon) => {
    const { prisma } = world.database;
    const id = await tus.begin(10, 'x');
    const soon = new Date(Date.now() + 60_000);
    await prisma.uploadSession.update({ where: { id }, data: { expiresAt: soon } });
    const { url, close } = await listening();
    const headers = { ...key.headers, 'Upload-Offset': '0', 'Content-Length': '10' };
    const sender = new TusSender('PATCH', `${url}/api/uploads/tus/${id}`, headers);
    await sender.write(Buffer.from('01234'));
    const session = () => prisma.uploadSession.findUniqueOrThrow({ where: { id } });
    await expect.poll(async () => (await session()).expiresAt.getTime()).toBeGreaterThan(Date.now() + 3_600_000);
    if (!isSoon) {
      await prisma.upload.update({ where: { id }, data: { leaseExpiresAt: new Date(Date.now() - 1000) } });
      await site.accounts.composition.ledger.expireOverdue();
      // Without a further byte.
      expect((await sender.answer).code).toBe('UPLOAD_NOT_FOUND');
      expect(await space.audited()).toMatchObject({ reservedBytes: 0, uploads: 0 });
    } else {
      expect((await sender.end(Buffer.from('56789'))).status).toBe(204);
      expect(await space.content('x')).toBe('0123456789');
    }
    close();
  });
});

describe('a death between what the store and what the row knows', () => {
  it('leaves nothing in the store that nobody names', async () => {
    const { store } = site.accounts.infrastructure;
    const id = await tus.begin(5, 'x');
    const { prisma } = world.database;
    const { objectKey } = await prisma.uploadSession.findUniqueOrThrow({ where: { id } });
    const { uploadId } = await store.createAppend(objectKey, { contentType: 'text/plain' });
    await prisma.uploadSession.update({ where: { id }, data: { storeUploadId: 'begun' } });
    expect((await tus.head(id)).headers['upload-offset']).toBe('0');
    expect((await tus.patch(id, 0, Buffer.from('hello'))).status).toBe(204);
    expect(await space.content('x')).toBe('hello');
    await expect(store.appendedBytes(objectKey, uploadId)).rejects.toThrow(MultipartNotFoundError);
  });
});

describe('checksums', () => {
  it.each(['sha1', 'sha256', 'sha512', 'md5'])('of %s let right bytes in and no others', async (algorithm) => {
    const bytes = randomBytes(10_000);
    const id = await tus.begin(20_000, 'x');
    const checksum = `${algorithm} ${createHash(algorithm).update(bytes).digest('base64')}`;
    const wrong = await tus.patch(id, 0, randomBytes(10_000), { 'Upload-Checksum': checksum });
    expect(wrong.status).toBe(460);
    expect(codeOf(wrong)).toBe('UPLOAD_CHECKSUM_MISMATCH');
    expect((await tus.head(id)).headers['upload-offset']).toBe('0');
    expect((await tus.patch(id, 0, bytes, { 'Upload-Checksum': checksum })).headers['upload-offset']).toBe('10000');
    // And the hash of the whole has seen only what was right.
    expect((await tus.patch(id, 10_000, bytes)).status).toBe(204);
    const { body } = await space.call('get', space.file('x', '/metadata'));
    const whole = Buffer.concat([bytes, bytes]);
    expect(body.data.file.checksumSha256).toBe(createHash('sha256').update(whole).digest('hex'));
  });

  it('come with a creation, too, which is no upload when they are wrong', async () => {
    const bytes = Buffer.from('hello');
    const headers = { 'Upload-Checksum': sha1(Buffer.from('other')) };
    expect((await tus.create(5, { filename: 'x' }, { bytes, headers })).status).toBe(460);
    expect(await space.audited()).toMatchObject({ uploads: 0, reservedBytes: 0, usedBytes: 0 });
    expect(
      (await tus.create(5, { filename: 'x' }, { bytes, headers: { 'Upload-Checksum': sha1(bytes) } })).status,
    ).toBe(201);
  });

  it.each([['crc32 AAAAAA=='], ['sha1'], ['sha1 AAAA'], ['sha1 not base64!'], ['sha1  AAAAAAAAAAAAAAAAAAAAAAAAAAA=']])(
    'refuses %s',
    async (checksum) => {
      const id = await tus.begin(5, 'x');
      const reply = await tus.patch(id, 0, Buffer.from('hello'), { 'Upload-Checksum': checksum });
      expect(codeOf(reply)).toBe('VALIDATION_FAILED');
      expect((await tus.head(id)).headers['upload-offset']).toBe('0');
    },
  );
});

describe('what is refused', () => {
  it('is a request of another version, or of none', async () => {
    const id = await tus.begin(5, 'x');
    const send = (method: 'post' | 'head' | 'patch' | 'delete', path: string) =>
      supertest(world.app)
        [method](`/api/uploads/tus${path}`)
        .set({ ...key.headers, 'Tus-Resumable': '0.2.2' });
    for (const reply of [
      await send('post', ''),
      await send('head', `/${id}`),
      await send('patch', `/${id}`),
      await send('delete', `/${id}`),
    ]) {
      expect(reply.status).toBe(412);
      expect(codeOf(reply)).toBe('PRECONDITION_FAILED');
      expect(reply.headers['tus-version']).toBe('1.0.0');
    }
  });

  it('is an offset where the upload does not stand', async () => {
    const id = await tus.begin(5, 'x');
    await tus.patch(id, 0, Buffer.from('he'));
    for (const offset of [0, 1, 3, 5]) {
      const reply = await tus.patch(id, offset, Buffer.from('x'));
      expect(reply.status).toBe(409);
      expect(reply.body.error).toMatchObject({ code: 'CONFLICT', details: { offset: 2 } });
    }
    for (const offset of ['-1', '1.5', 'x', '', '01', '9'.repeat(30)]) {
      const reply = await tus.patch(id, 0, Buffer.from('x'), { 'Upload-Offset': offset });
      expect(codeOf(reply)).toBe('VALIDATION_FAILED');
    }
  });

  it('is more for an upload that has all its bytes', async () => {
    const id = await tus.begin(5, 'x');
    await leaveBytes(id, Buffer.from('hello'));
    const more = () => tus.patch(id, 5, Buffer.from('!'));
    const wrong = () => tus.patch(id, 5, Buffer.alloc(0), { 'Upload-Checksum': sha1(Buffer.from('other')) });
    const { url, close } = await listening();
    const chunked = async () => {
      const sender = new TusSender('PATCH', `${url}/api/uploads/tus/${id}`, { ...key.headers, 'Upload-Offset': '5' });
      await sender.write(Buffer.from('!'));
      return (await sender.end()).code;
    };
    for (const isFile of [false, true]) {
      expect([codeOf(await more()), await chunked()]).toEqual(['BODY_TOO_LARGE', 'BODY_TOO_LARGE']);
      expect(codeOf(await wrong())).toBe('UPLOAD_CHECKSUM_MISMATCH');
      const right = { 'Upload-Checksum': sha1(Buffer.alloc(0)) };
      if (!isFile) expect((await tus.patch(id, 5, Buffer.alloc(0), right)).headers['x-file-id']).toBeDefined();
    }
    expect((await tus.patch(id, 5, Buffer.alloc(0))).status).toBe(204);
    close();
  });

  it('is more than was announced', async () => {
    const id = await tus.begin(5, 'x');
    expect(codeOf(await tus.patch(id, 0, Buffer.from('hello!')))).toBe('BODY_TOO_LARGE');
    expect((await tus.head(id)).headers['upload-offset']).toBe('0');
    expect(codeOf(await tus.create(2, { filename: 'y' }, { bytes: Buffer.from('hello') }))).toBe('BODY_TOO_LARGE');
    expect(await space.audited()).toMatchObject({ uploads: 1, usedBytes: 0 });
  });

  it('is a body of another type', async () => {
    const id = await tus.begin(5, 'x');
    const typed = { 'Content-Type': 'application/octet-stream' };
    expect((await tus.patch(id, 0, Buffer.from('hello'), typed)).status).toBe(415);
    expect((await tus.create(5, { filename: 'y' }, { bytes: Buffer.from('hello'), headers: typed })).status).toBe(415);
  });

  it('is a file that is too large for the server', async () => {
    const reply = await tus.create(2 ** 30 + 1, { filename: 'x' });
    expect(reply.status).toBe(413);
    expect(reply.body.error).toMatchObject({ code: 'FILE_TOO_LARGE', details: { maxBytes: 2 ** 30 } });
  });

  it.each([
    ['no length', { 'Upload-Length': '' }],
    ['a length that is none', { 'Upload-Length': '1e3' }],
    ['a negative length', { 'Upload-Length': '-5' }],
    ['a deferred length', { 'Upload-Defer-Length': '1' }],
    ['a piece to be joined', { 'Upload-Concat': 'partial' }],
    ['no metadata', { 'Upload-Metadata': '' }],
    ['metadata without a name', { 'Upload-Metadata': 'filetype YQ==' }],
    ['a name that is not Base64', { 'Upload-Metadata': 'filename ***' }],
    ['a name with NUL', { 'Upload-Metadata': `filename ${Buffer.from('a\0b').toString('base64')}` }],
    ['a name that leads out', { 'Upload-Metadata': `filename ${Buffer.from('../../etc/passwd').toString('base64')}` }],
    ['a name that is too long', { 'Upload-Metadata': `filename ${Buffer.from('x'.repeat(1025)).toString('base64')}` }],
    ['10 KiB of metadata', { 'Upload-Metadata': `filename YQ==,x ${'QUJD'.repeat(2560)}` }],
    ['a name twice', { 'Upload-Metadata': 'filename YQ==,filename Yg==' }],
    ['an unknown conflict', { 'Upload-Metadata': `filename YQ==,conflict ${Buffer.from('win').toString('base64')}` }],
    ['a tag without a key', { 'Upload-Metadata': `filename YQ==,tags ${Buffer.from('=v').toString('base64')}` }],
  ])('is %s', async (_what, headers) => {
    const reply = await tus.create(5, { filename: 'x' }, { headers });
    expect(reply.status).toBe(400);
    expect(reply.body.error).toMatchObject({ code: 'VALIDATION_FAILED', details: [{ path: expect.any(String) }] });
    expect(await space.audited()).toMatchObject({ uploads: 0 });
  });

  it('is what belongs to somebody else, in the words for what is not there', async () => {
    const id = await tus.begin(5, 'x');
    for (const stranger of [await world.person(), await world.key(await world.person())]) {
      const other = new TusActor(world, stranger);
      for (const [mine, missing] of [
        [await other.head(id), await other.head(newId())],
        [await other.patch(id, 0, Buffer.from('hello')), await other.patch(newId(), 0, Buffer.from('hello'))],
        [await other.terminate(id), await other.terminate(newId())],
      ] as const) {
        expect(mine.status).toBe(404);
        expect([codeOf(mine), mine.body.message]).toEqual([codeOf(missing), missing.body.message]);
      }
    }
    expect((await tus.head(id)).headers['upload-offset']).toBe('0');
  });

  it('is a sender who may not any more, although the bytes have come', async () => {
    const id = await tus.begin(5, 'x');
    await world.database.prisma.apiKey.update({ where: { id: key.apiKeyId }, data: { permissions: ['read'] } });
    expect(codeOf(await tus.patch(id, 0, Buffer.from('hello')))).toBe('PERMISSION_MISSING');
    expect(await space.audited()).toMatchObject({ usedBytes: 0, reservedBytes: 5 });
  });
});

describe('OPTIONS', () => {
  it('says what there is, to anybody', async () => {
    const reply = await supertest(world.app).options('/api/uploads/tus');
    expect(reply.status).toBe(204);
    expect(reply.headers).toMatchObject({
      'tus-resumable': '1.0.0',
      'tus-version': '1.0.0',
      'tus-extension': 'creation,creation-with-upload,checksum,expiration,termination',
      'tus-max-size': String(2 ** 30),
      'tus-checksum-algorithm': expect.stringContaining('sha1'),
    });
  });

  it('lets a browser of an allowed origin do all of it and see the answers', async () => {
    const origin = { Origin: 'https://app.example.com' };
    const preflight = await supertest(world.app)
      .options(`/api/uploads/tus/${newId()}`)
      .set({
        ...origin,
        'Access-Control-Request-Method': 'PATCH',
        'Access-Control-Request-Headers': 'tus-resumable,upload-offset,upload-checksum,content-type,x-secret-key',
      });
    expect(preflight.status).toBe(204);
    expect(preflight.headers['access-control-allow-methods']).toContain('PATCH');
    expect(preflight.headers['access-control-allow-headers']).toContain('upload-checksum');
    const asked = await supertest(world.app).options('/api/uploads/tus').set(origin);
    expect(asked.headers).toMatchObject({ 'access-control-allow-origin': origin.Origin, 'tus-version': '1.0.0' });
    const created = await tus.create(1, { filename: 'x' }, { headers: origin });
    for (const name of ['location', 'upload-offset', 'upload-expires', 'tus-resumable', 'x-file-id']) {
      expect(created.headers['access-control-expose-headers']).toContain(name);
    }
  });
});
