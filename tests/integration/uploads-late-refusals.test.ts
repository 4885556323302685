import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { newId } from '../../src/platform/crypto/random.ts';
import { PASSWORD } from '../support/accounts.ts';
import { DirectActor, type DirectSite, put, type Reply, startDirectSite } from '../support/direct-uploads.ts';
import type { Person } from '../support/world.ts';

// What has changed between the opening of an upload and its completion.

const QUOTA = 100;

let direct: DirectSite;
let owner: Person;
let me: DirectActor;

beforeAll(async () => {
  const site = await startDirectSite('disk');
  if (!site) throw new Error('the disk store is always there');
  direct = site;
  owner = await direct.world.person();
});
beforeEach(async () => {
  me = new DirectActor(direct, await direct.world.key(owner));
  const where = { id: await me.spaceId() };
  await direct.world.database.prisma.space.update({ where, data: { quotaBytes: BigInt(QUOTA) } });
});
afterAll(() => direct.stop());

/** Opened and sent; its completion. */
type Way = (bytes: number, fields: object) => Promise<() => Promise<Reply>>;

const WAYS: readonly (readonly [string, Way])[] = [
  [
    'a signed PUT',
    async (bytes, fields) => {
      const { uploadId } = await me.sent(Buffer.alloc(bytes, 'a'), fields);
      return () => me.complete(uploadId);
    },
  ],
  [
    'signed parts',
    async (bytes, fields) => {
      const { uploadId } = (await me.openMultipart(bytes, fields)).body.data;
      const parts = await me.sendParts(uploadId, Buffer.alloc(bytes, 'a'), [1]);
      return () => me.completeParts(uploadId, parts);
    },
  ],
];

async function file(fileName: string, bytes: number): Promise<void> {
  const { uploadId } = await me.sent(Buffer.alloc(bytes, 'b'), { fileName });
  expect((await me.complete(uploadId)).status).toBe(200);
}

async function remove(fileName: string): Promise<void> {
  expect((await me.call('DELETE', `/storage/files/${fileName}?permanent=true`)).status).toBe(200);
}

describe.each(WAYS)('an upload by %s', (_title, open) => {
  it('whose room has gone with the file that it was to replace is refused', async () => {
    await file('a', 60);
    const complete = await open(QUOTA, { fileName: 'a' });
    await remove('a');
    await file('b', 60);
    expect((await complete()).body.error).toMatchObject({
      code: 'QUOTA_EXCEEDED',
      details: { limit: 'bytes', quota: QUOTA, requested: QUOTA },
    });
    expect((await complete()).body.error.code).toBe('CONFLICT');
    await me.sweep();
    expect(await me.audit()).toMatchObject({ usedBytes: 60, reservedBytes: 0, faults: [] });
    expect(await me.stored()).toHaveLength(1);
  });

  it('whose name was taken meanwhile is refused, where told to', async () => {
    const complete = await open(10, { fileName: 'a', conflict: 'fail' });
    await file('a', 10);
    expect((await complete()).body.error).toMatchObject({ code: 'FILE_EXISTS', details: { fileName: 'a' } });
    await me.sweep();
    expect(await me.audit()).toMatchObject({ usedBytes: 10, reservedBytes: 0, faults: [] });
  });

  it('whose file was deleted since is not completed anew', async () => {
    const complete = await open(10, { fileName: 'a' });
    expect((await complete()).status).toBe(200);
    await remove('a');
    expect((await complete()).body.error.code).toBe('FILE_NOT_FOUND');
    expect(await me.audit()).toMatchObject({ usedBytes: 0, reservedBytes: 0, faults: [] });
  });

  it('of a content that nobody allows is refused', async () => {
    const picky = await startDirectSite('disk', { ALLOWED_TYPES: 'audio/x-mpegurl' });
    if (!picky) throw new Error('the disk store is always there');
    try {
      me = new DirectActor(picky, await picky.world.key(await picky.world.person()));
      const content = Buffer.from('%PDF-1.7\n'.padEnd(64, ' \n1 0 obj'));
      const fields = { fileName: 'a', contentType: 'audio/x-mpegurl' };
      const single = await me.sent(content, fields);
      expect((await me.complete(single.uploadId)).body.error.code).toBe('FILE_TYPE_NOT_ALLOWED');
      const { uploadId } = (await me.openMultipart(content.length, fields)).body.data;
      const parts = await me.sendParts(uploadId, content, [1]);
      expect((await me.completeParts(uploadId, parts)).body.error.code).toBe('FILE_TYPE_NOT_ALLOWED');
    } finally {
      await picky.stop();
    }
  });
});

describe('an account that is erased', () => {
  it.each([
    ['that was signed before and is used after', false],
    ['that was used and has ended before', true],
  ])('leaves nothing by a URL %s', async (_title, hasEnded) => {
    const site = await startDirectSite('disk', { ACCOUNT_DELETION_GRACE_DAYS: '0' }, { workers: true });
    if (!site) throw new Error('the disk store is always there');
    try {
      const person = await site.world.person();
      const leaver = new DirectActor(site, person);
      const { body } = await leaver.presign(7);
      const { objectKey } = await leaver.session(body.data.uploadId);
      // As a URL of a store's own leaves it.
      const use = () => site.store.put(objectKey, Buffer.from('content'), { contentType: 'text/plain' });
      if (hasEnded) {
        // Nothing is known of the object but the session, whose purge would come only a day after its end.
        await leaver.call('DELETE', `/uploads/${body.data.uploadId}`);
        await leaver.sweep();
        await use();
        await leaver.age(body.data.uploadId, 2 * 3600);
      }
      expect((await leaver.call('DELETE', '/users/account', { password: PASSWORD })).status).toBeLessThan(300);
      const { prisma } = site.world.database;
      await expect.poll(() => prisma.user.count({ where: { id: person.userId } }), { timeout: 20_000 }).toBe(0);
      expect((await put(body.data, Buffer.from('content'))).status).toBe(404);
      if (!hasEnded) await use();
      // Those of the erasure itself are due at once, this one when the URL has ended.
      await expect.poll(() => prisma.objectTombstone.count({ where: { dueAt: { lt: new Date() } } })).toBe(0);
      const { count } = await prisma.objectTombstone.updateMany({ where: { objectKey }, data: { dueAt: new Date(0) } });
      expect(count).toBe(1);
      await site.site.accounts.composition.tombstones.purge();
      expect(await site.store.head(objectKey)).toBeNull();
    } finally {
      await site.stop();
    }
  });
});

describe('signed PUTs', () => {
  it('are open ten thousand times in a space at the most', async () => {
    const spaceId = await me.spaceId();
    await file('a', 10);
    const { body } = await me.presign(1, { fileName: 'a' });
    expect(body.success).toBe(true);
    await direct.world.database.prisma.$executeRawUnsafe(
      `INSERT INTO upload_sessions (id, space_id, kind, file_name, conflict, content_type, size_bytes, object_key, expires_at)
       SELECT gen_random_uuid(), $1::uuid, 'presign', 'a', 'replace', 'text/plain', 1, 'none/' || i || $1, now() + interval '1 hour'
       FROM generate_series(1, 9999) i`,
      spaceId,
    );
    expect((await me.presign(1, { fileName: 'a' })).body.error.code).toBe('CONFLICT');
    expect((await put(body.data, Buffer.from('x'))).status).toBe(200);
    expect((await me.complete(body.data.uploadId)).status).toBe(200);
    expect((await me.presign(1, { fileName: 'a' })).status).toBe(201);
  });

  it('of more than 5 GiB are told to come in parts', async () => {
    const refused = await me.presign(5 * 1024 ** 3 + 1, { fileName: newId() });
    expect(refused.body.error).toMatchObject({ code: 'FILE_TOO_LARGE', details: { maxBytes: 5 * 1024 ** 3 } });
    expect(refused.body.message).toContain('/uploads/multipart');
  });
});
