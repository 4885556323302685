import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { Test } from 'supertest';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { AuditLogRepository, AuditRecorder } from '../../src/features/audit/index.ts';
import type { SpaceScope } from '../../src/features/ledger/index.ts';
import { ZipRepository, ZipService } from '../../src/features/storage/index.ts';
import { newId } from '../../src/platform/crypto/random.ts';
import { StoreUnavailableError } from '../../src/platform/object-store/errors.ts';
import type { ObjectStore } from '../../src/platform/object-store/object-store.ts';
import { type Site, startAccounts } from '../support/accounts.ts';
import { type Actor, type Person, World } from '../support/world.ts';
import { complaints, readZip } from '../support/zip.ts';

let site: Site;
let world: World;
let me: Person;

beforeAll(async () => {
  site = await startAccounts();
  world = new World(site.accounts);
});
beforeEach(async () => {
  me = await world.person();
});
afterAll(() => site.stop());

async function put(owner: Actor, path: string, content: string | Buffer): Promise<void> {
  const attach = { field: 'file', bytes: Buffer.from(content), name: 'file.txt' };
  const call = { path: `/storage/upload?fileName=${encodeURIComponent(path)}`, attach };
  expect((await world.send('post', call, owner.headers)).status).toBe(201);
}

function zip(body: object, owner: Actor = me): Test {
  return world
    .send('post', { path: '/storage/files/zip', body }, owner.headers)
    .buffer(true)
    .parse((res, done) => {
      buffer(res as unknown as Readable).then(
        (bytes) => done(null, String(res.headers['content-type']).includes('json') ? JSON.parse(String(bytes)) : bytes),
        (error: Error) => done(error, null),
      );
    });
}

function contentsOf(bytes: Buffer): Record<string, string> {
  expect(complaints(bytes)).toEqual([]);
  return Object.fromEntries(readZip(bytes).map(({ name, content }) => [name, content.toString()]));
}

describe('a ZIP of names', () => {
  it('holds these files, in this order, once each', async () => {
    await put(me, 'b.txt', 'b');
    await put(me, 'a/naïve.txt', 'n'.repeat(200_000));
    await put(me, 'empty', '');
    const reply = await zip({ fileNames: ['b.txt', 'a/nai\u0308ve.txt', 'b.txt', 'empty'] });
    expect(reply.status).toBe(200);
    expect(Object.entries(contentsOf(reply.body))).toEqual([
      ['b.txt', 'b'],
      ['a/naïve.txt', 'n'.repeat(200_000)],
      ['empty', ''],
    ]);
    expect(reply.headers).toMatchObject({
      'content-type': 'application/zip',
      'content-disposition': 'attachment; filename=files.zip',
      'content-security-policy': "default-src 'none'; sandbox",
      'x-content-type-options': 'nosniff',
      'cache-control': 'private, no-cache',
      'transfer-encoding': 'chunked',
    });
    expect(reply.headers).toHaveProperty('x-quota-bytes-remaining');
  });

  it('is 404 with all that is not there, and nothing is recorded', async () => {
    await put(me, 'there', 'x');
    const reply = await zip({ fileNames: ['there', 'not/there', '../up', 'a\u0000b'] });
    expect(reply.status).toBe(404);
    expect(reply.body.error).toMatchObject({
      code: 'FILE_NOT_FOUND',
      details: { fileNames: ['not/there', '../up', 'a\u0000b'] },
    });
    expect(await recorded()).toEqual([]);
  });

  it('is called as was asked, safely', async () => {
    await put(me, 'x', 'x');
    const reply = await zip({ fileNames: ['x'], name: '../su"mmer\u202e' });
    expect(reply.headers['content-disposition']).toBe('attachment; filename=su_mmer_.zip');
  });

  it.each([
    ['nothing', {}, 'fileNames'],
    ['both', { fileNames: ['x'], prefix: 'x' }, 'prefix'],
    ['no names', { fileNames: [] }, 'fileNames'],
    ['too many names', { fileNames: Array(1001).fill('x') }, 'fileNames'],
    ['NUL', { prefix: 'a\u0000' }, 'prefix'],
    ['a long prefix', { prefix: 'x'.repeat(1025) }, 'prefix'],
    ['an empty name', { prefix: 'x', name: '' }, 'name'],
  ])('refuses %s', async (_what, body, path) => {
    const reply = await zip(body);
    expect(reply.status).toBe(400);
    expect(reply.body.error.details).toContainEqual({ path, message: expect.any(String) });
  });
});

describe('a ZIP of a prefix', () => {
  it('holds what is below, named from its folder on', async () => {
    for (const path of ['p/q/1', 'p/q/r/2', 'p/q-3', 'p/s', 'o']) await put(me, path, path);
    const below = await zip({ prefix: 'p/q/' });
    expect(contentsOf(below.body)).toEqual({ '1': 'p/q/1', 'r/2': 'p/q/r/2' });
    expect(below.headers['content-disposition']).toBe('attachment; filename=q.zip');
    expect(contentsOf((await zip({ prefix: 'p/q' })).body)).toEqual({
      'q-3': 'p/q-3',
      'q/1': 'p/q/1',
      'q/r/2': 'p/q/r/2',
    });
    expect(Object.keys(contentsOf((await zip({ prefix: '' })).body))).toHaveLength(5);
  });

  it('is 404 where nothing is, also where it lies in the trash or in another space', async () => {
    await put(me, 'gone/x', 'x');
    await world.send('delete', { path: '/storage/files/gone%2Fx' }, me.headers);
    await put(await world.person(), 'theirs/x', 'x');
    for (const prefix of ['gone/', 'theirs/', 'none/']) {
      const reply = await zip({ prefix });
      expect(reply.body.error).toMatchObject({ code: 'FILE_NOT_FOUND', details: { prefix } });
    }
  });

  it('takes a key that may list as well; names need only that it may read', async () => {
    const reader = await world.key(me, { permissions: ['read', 'write'] });
    await put(reader, 'k/x', 'x');
    const reply = await zip({ prefix: 'k/' }, reader);
    expect(reply.status).toBe(403);
    expect(reply.body.error).toMatchObject({ code: 'PERMISSION_MISSING', details: { permission: 'list' } });
    expect((await zip({ fileNames: ['k/x'] }, reader)).status).toBe(200);
    const lister = await world.key(me, { permissions: ['write', 'list'] });
    expect((await zip({ prefix: 'k/' }, lister)).body.error.details).toEqual({ permission: 'read' });
  });

  it('goes through all pages, in a pocket where a folder may be called as a file too', async () => {
    const key = await world.key(me);
    await emptyFiles(
      key,
      Array.from({ length: 1203 }, (_, i) => `many/${i}`),
    );
    await put(key, 'many/7/x', 'deep');
    const names = Object.keys(contentsOf((await zip({ prefix: 'many/' }, key)).body));
    expect(names).toHaveLength(1204);
    expect(names).toContain('7 (1)/x');
  });

  it('is refused beyond 100,000 files', async () => {
    const key = await world.key(me);
    await emptyFiles(
      key,
      Array.from({ length: 100_001 }, (_, i) => `more/${i}`),
    );
    const reply = await zip({ prefix: 'more/' }, key);
    expect(reply.body.error).toMatchObject({ code: 'VALIDATION_FAILED', details: [{ path: 'prefix' }] });
  });
});

it('is recorded once, with the prefix or a count and no list of names', async () => {
  await put(me, 'd/x', 'x');
  await put(me, 'd/y', 'y');
  await zip({ prefix: 'd/' });
  await zip({ fileNames: ['d/x', 'd/y', 'd/x'] });
  expect(await recorded()).toEqual([{ prefix: 'd/' }, { files: 2 }]);
});

async function spaceOf(owner: Actor) {
  const where = 'apiKeyId' in owner ? { apiKey: { id: String(owner.apiKeyId) } } : { ownerId: owner.userId };
  return world.database.prisma.space.findFirstOrThrow({ where });
}

async function recorded() {
  const entries = await world.database.prisma.auditLog.findMany({
    where: { action: 'file.zip', actorId: me.userId },
    orderBy: { createdAt: 'asc' },
  });
  const { id } = await spaceOf(me);
  for (const entry of entries) expect(entry).toMatchObject({ subjectType: 'space', subjectId: id });
  return entries.map(({ metadata }) => metadata);
}

/** Rows without objects: of nothing there is nothing to read. */
async function emptyFiles(owner: Actor, paths: readonly string[]): Promise<void> {
  const { id } = await spaceOf(owner);
  await world.database.query(
    {
      name: 'test_empty_files',
      text: `INSERT INTO files (id, space_id, path, object_key, size_bytes, sha256, etag, content_type, category, extension, tags)
        SELECT id, $1::uuid, path, id::text, 0, repeat('a', 64), 'e', 'text/plain', 'document', 'txt', '{}'
        FROM unnest($2::uuid[], $3::text[]) AS file(id, path)`,
    },
    [id, paths.map(() => newId()), paths],
  );
}

describe('while it is made', () => {
  const BIG = Buffer.alloc(300_000, 7);
  const ANYONE = { guard: async () => undefined, holder: 'user:test' };

  /** The service on a store that does something at each reading. */
  function zipsOn(onGet: (key: string, signal: AbortSignal | undefined) => Promise<void>) {
    const { store } = site.accounts.infrastructure;
    const watched: ObjectStore = {
      ...store,
      get: async (key, options) => {
        await onGet(key, options?.signal);
        return store.get(key, options);
      },
    };
    const recorder = new AuditRecorder(new AuditLogRepository(world.database));
    return new ZipService({
      files: new ZipRepository(world.database),
      store: watched,
      recorder,
      clock: site.accounts.clock,
    });
  }

  async function scope(): Promise<SpaceScope> {
    const { id, prefix } = await spaceOf(me);
    const origin = { ip: null, userAgent: null, requestId: null };
    return { space: { id, prefix }, actor: { type: 'user', id: me.userId, accessKeyId: null }, origin };
  }

  it('a replaced file comes with its new content, and a deleted one is named at the end', async () => {
    for (const path of ['w/1', 'w/2', 'w/3', 'w/_missing.txt']) await put(me, path, BIG);
    let isFirst = true;
    const zips = zipsOn(async () => {
      if (!isFirst) return;
      isFirst = false;
      await put(me, 'w/2', 'new');
      await world.send('delete', { path: '/storage/files/w%2F3' }, me.headers);
      const { store } = site.accounts.infrastructure;
      // As the job does later.
      for await (const { key } of store.list((await scope()).space.prefix)) {
        if (!(await world.database.prisma.file.count({ where: { objectKey: key, deletedAt: null } })))
          await store.deleteMany([key]);
      }
    });
    const { body } = await zips.open(await scope(), { prefix: 'w/' }, ANYONE);
    const found = contentsOf(await buffer(body));
    expect(Object.keys(found)).toEqual(['1', '2', '_missing.txt', '_missing (1).txt']);
    expect(found['2']).toBe('new');
    expect(found['_missing (1).txt']).toBe('Deleted while this archive was made:\n3\n');
  });

  it('files are named by id as well, and the root and the action may be told', async () => {
    await put(me, 'r/s/t', 'x');
    const { id } = await world.database.prisma.file.findFirstOrThrow({ where: { spaceId: (await scope()).space.id } });
    const zips = zipsOn(async () => undefined);
    const { name, body } = await zips.open(
      await scope(),
      { files: [{ id }] },
      { ...ANYONE, root: 'r/', action: 'link.download' },
    );
    expect([name, contentsOf(await buffer(body))]).toEqual(['r.zip', { 's/t': 'x' }]);
    const missing = newId();
    await expect(zips.open(await scope(), { files: [{ id: missing }] }, ANYONE)).rejects.toMatchObject({
      details: { ids: [missing] },
    });
  });

  it('a store that breaks off breaks it off; one that never answered is an error before the first byte', async () => {
    for (const path of ['s/1', 's/2']) await put(me, path, BIG);
    let reads = 0;
    const breaking = (at: number) =>
      zipsOn(async () => {
        reads += 1;
        if (reads === at) throw new StoreUnavailableError('away');
      });
    const { body } = await breaking(2).open(await scope(), { prefix: 's/' }, ANYONE);
    await expect(buffer(body)).rejects.toThrow('away');
    reads = 0;
    await expect(breaking(1).open(await scope(), { prefix: 's/' }, ANYONE)).rejects.toThrow('away');
  });

  it('a store that loses an object cuts the connection, so that no client takes it for whole', async () => {
    for (const path of ['h/1', 'h/2']) await put(me, path, BIG);
    const { id: spaceId } = await spaceOf(me);
    const lost = await world.database.prisma.file.findFirstOrThrow({ where: { spaceId, path: 'h/2' } });
    await site.accounts.infrastructure.store.deleteMany([lost.objectKey]);
    await expect(zip({ prefix: 'h/' })).rejects.toThrow('aborted');
    const reply = await zip({ fileNames: ['h/2'] });
    expect([reply.status, reply.body.error.code]).toEqual([500, 'INTERNAL']);
  });

  it('an object that is not as long as its row says breaks it off', async () => {
    await put(me, 'l/1', BIG);
    await world.database.prisma.file.updateMany({
      where: { spaceId: (await scope()).space.id },
      data: { sizeBytes: BigInt(BIG.length + 1) },
    });
    await expect(zipsOn(async () => undefined).open(await scope(), { prefix: 'l/' }, ANYONE)).rejects.toThrow(
      '300000 bytes',
    );
  });

  it('a client that leaves stops the reading, also one that the store keeps waiting', async () => {
    for (const path of ['c/1', 'c/2']) await put(me, path, BIG);
    const asked = Promise.withResolvers<AbortSignal | undefined>();
    let reads = 0;
    const zips = zipsOn(async (_key, signal) => {
      reads += 1;
      if (reads < 2) return;
      asked.resolve(signal);
      await once(signal as AbortSignal, 'abort');
      signal?.throwIfAborted();
    });
    const { body } = await zips.open(await scope(), { prefix: 'c/' }, ANYONE);
    body.resume();
    const signal = await asked.promise;
    body.destroy();
    await once(body, 'close');
    expect(signal?.aborted).toBe(true);
  });
});
