import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newId } from '../../src/platform/crypto/random.ts';
import { type Site, startAccounts } from '../support/accounts.ts';
import { type Person, World } from '../support/world.ts';

const MAX_FILE_BYTES = 1000;

let site: Site;
let world: World;
let me: Person;

beforeAll(async () => {
  site = await startAccounts({ MAX_FILE_BYTES: String(MAX_FILE_BYTES) });
  world = new World(site.accounts);
  me = await world.person();
});
afterAll(() => site.stop());

describe('an upload', () => {
  it('may be as large as the server takes, and no byte larger', async () => {
    const upload = (size: number) =>
      world.send(
        'post',
        { path: '/storage/upload', attach: { field: 'file', bytes: Buffer.alloc(size), name: `${size}.bin` } },
        me.headers,
      );
    expect((await upload(MAX_FILE_BYTES)).status).toBe(201);
    const reply = await upload(MAX_FILE_BYTES + 1);
    expect(reply.status).toBe(413);
    expect(reply.body.error).toMatchObject({ code: 'FILE_TOO_LARGE', details: { maxBytes: MAX_FILE_BYTES } });
  });
});

describe('a download link', () => {
  it.each(['expiresIn=59', 'expiresIn=604801', 'expiresIn=x', 'disposition=other'])('refuses %s', async (query) => {
    const reply = await world.send('get', { path: `/storage/files/a?${query}` }, me.headers);
    expect(reply.status).toBe(400);
    expect(reply.body.error.code).toBe('VALIDATION_FAILED');
  });
});

describe('the deletion of a prefix', () => {
  it('is a job beyond 1000 files', async () => {
    const { id: spaceId } = await world.database.prisma.space.findFirstOrThrow({ where: { ownerId: me.userId } });
    const file = (i: number) => ({
      id: newId(),
      spaceId,
      path: `many/${i}`,
      objectKey: newId(),
      sizeBytes: 0n,
      sha256: 'a'.repeat(64),
      etag: 'a',
      contentType: 'text/plain',
      category: 'document',
      extension: 'txt',
      uploadedAt: new Date(Date.now() - 60_000),
    });
    await world.database.prisma.file.createMany({ data: Array.from({ length: 1001 }, (_, i) => file(i)) });
    await world.database.prisma.space.update({ where: { id: spaceId }, data: { usedObjects: { increment: 1001 } } });
    const call = { path: '/storage/files/bulk-delete', body: { prefix: 'many/' } };
    const reply = await world.send('post', call, me.headers);
    expect(reply.status).toBe(202);
    expect(reply.body.data).toEqual({ jobId: expect.any(String) });
    const left = () =>
      world.database.prisma.file.count({ where: { spaceId, deletedAt: null, path: { startsWith: 'many/' } } });
    await expect.poll(left).toBe(0);
    // A drive's files go into the trash, where they count.
    const space = await world.database.prisma.space.findFirstOrThrow({ where: { id: spaceId } });
    expect(space).toMatchObject({ usedObjects: 1002n, trashObjects: 1001n });
  });
});
