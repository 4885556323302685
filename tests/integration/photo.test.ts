import sharp from 'sharp';
import supertest from 'supertest';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { ByteBudget } from '../../src/platform/object-store/byte-budget.ts';
import { type Accounts, type Caller, type Site, startAccounts } from '../support/accounts.ts';
import { emptyPng } from '../support/png.ts';

const MIB = 1024 * 1024;
const photoForms = { budget: new ByteBudget(32 * MIB), deadlineMs: 20_000 };

let site: Site;
let a: Accounts;
let me: Caller;

beforeAll(async () => {
  site = await startAccounts({}, { workers: false, photoForms });
  a = site.accounts;
  me = await a.user();
});
afterAll(() => site.stop());

function put(photo: Buffer, { by = me, at = a, name = 'photo' } = {}) {
  return supertest(at.app).put('/api/users/photo').auth(by.token, { type: 'bearer' }).attach('photo', photo, name);
}

/** Left red, right blue. */
function picture(width: number, height: number) {
  const blue = { create: { width: Math.floor(width / 2), height, channels: 3 as const, background: '#0000ff' } };
  return sharp({ create: { width, height, channels: 3, background: '#ff0000' } }).composite([
    { input: blue, gravity: 'east' },
  ]);
}

async function fetchPhoto(
  url: string,
  at = a,
): Promise<{ status: number; headers: Record<string, string>; body: Buffer }> {
  const { pathname, search } = new URL(url);
  return supertest(at.app).get(`${pathname}${search}`).buffer(true);
}

async function stored(userId: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of a.infrastructure.store.list(`users/${userId}/`)) keys.push(key);
  return keys;
}

/** As the job would an hour later. */
async function purge(): Promise<void> {
  await a.database.prisma.objectTombstone.updateMany({ data: { dueAt: new Date(0) } });
  await a.composition.tombstones.purge();
}

describe('PUT /users/photo', () => {
  it('makes a small upright WebP without metadata', async () => {
    const jpeg = await picture(800, 400)
      .withExif({ IFD0: { Make: 'SecretCamera' }, IFD3: { GPSLatitudeRef: 'N', GPSLatitude: '52/1 31/1 0/1' } })
      .withMetadata({ orientation: 6 })
      .jpeg()
      .toBuffer();
    expect((await sharp(jpeg).metadata()).orientation).toBe(6);
    const reply = await put(jpeg).expect(200);
    expect(reply.body.data).toEqual({ url: expect.any(String), expiresIn: 3600 });
    const photo = await fetchPhoto(reply.body.data.url);
    expect(photo.status).toBe(200);
    expect(photo.headers).toMatchObject({ 'content-type': 'image/webp' });
    expect(photo.headers['content-disposition']).toMatch(/^inline/);
    const meta = await sharp(photo.body).metadata();
    expect(meta).toMatchObject({ format: 'webp', width: 256, height: 512 });
    expect([meta.orientation, meta.exif, meta.xmp, meta.icc]).toEqual([undefined, undefined, undefined, undefined]);
    expect(photo.body.includes('SecretCamera')).toBe(false);
    // What was left is on top.
    const { data } = await sharp(photo.body)
      .extract({ left: 128, top: 10, width: 1, height: 1 })
      .raw()
      .toBuffer({ resolveWithObject: true });
    expect(data[0]).toBeGreaterThan(200);
    expect(data[2]).toBeLessThan(60);
    expect(await a.auditOf(me.id)).toEqual(['user.register', 'user.photo_changed']);
  });

  it.each([
    ['a PNG', () => picture(100, 50).png().toBuffer()],
    ['a WebP', () => picture(100, 50).webp().toBuffer()],
    [
      'a grey PNG of one bit',
      () => picture(100, 50).toColourspace('b-w').png({ palette: true, colours: 2 }).toBuffer(),
    ],
    ['a JPEG by the name of a text', () => picture(100, 50).jpeg().toBuffer()],
  ])('takes %s and does not enlarge it', async (_what, make) => {
    const reply = await put(await make(), { name: 'a.txt' }).expect(200);
    const { body } = await fetchPhoto(reply.body.data.url);
    expect(await sharp(body).metadata()).toMatchObject({ format: 'webp', width: 100, height: 50 });
  });

  it('takes the first picture of an animation', async () => {
    const frames = await Promise.all(
      ['#ff0000', '#00ff00'].map((background) =>
        sharp({ create: { width: 40, height: 30, channels: 3, background } })
          .png()
          .toBuffer(),
      ),
    );
    const animated = await sharp(frames, { join: { animated: true } })
      .webp({ loop: 0, delay: [100, 100] })
      .toBuffer();
    expect((await sharp(animated).metadata()).pages).toBe(2);
    const { body } = await fetchPhoto((await put(animated).expect(200)).body.data.url);
    const meta = await sharp(body).metadata();
    expect(meta).toMatchObject({ width: 40, height: 30 });
    expect(meta.pages ?? 1).toBe(1);
  });

  it('leaves nothing of what hides in an image', async () => {
    const script = '<html><script>alert(document.domain)</script></html>';
    const polyglot = Buffer.concat([await picture(20, 20).jpeg().toBuffer(), Buffer.from(script)]);
    const { body, headers } = await fetchPhoto((await put(polyglot, { name: 'a.html' }).expect(200)).body.data.url);
    expect(body.includes('script')).toBe(false);
    expect(headers).toMatchObject({ 'content-type': 'image/webp', 'x-content-type-options': 'nosniff' });
  });

  it.each([
    ['a GIF', 'image/gif', () => Buffer.from('R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7', 'base64')],
    ['an SVG', null, () => Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')],
    ['a text', null, () => Buffer.from('not an image at all')],
    ['HTML', null, () => Buffer.from('<!doctype html><script>alert(1)</script>')],
    ['nothing', null, () => Buffer.alloc(0)],
    ['a PDF', 'application/pdf', () => Buffer.from('%PDF-1.7\n')],
  ])('refuses %s by its content', async (_what, seen, make) => {
    const reply = await put(make(), { name: 'a.png' });
    expect(reply.body.error).toMatchObject({
      code: 'FILE_TYPE_NOT_ALLOWED',
      httpStatusCode: 415,
      details: { allowed: ['image/jpeg', 'image/png', 'image/webp'] },
    });
    if (seen !== null) expect(reply.body.error.details.seen).toBe(seen);
  });

  it.each([
    ['a truncated JPEG', async () => half(await picture(600, 600).jpeg().toBuffer())],
    ['a truncated PNG', async () => half(await picture(600, 600).png().toBuffer())],
    ['a truncated WebP', async () => half(await picture(600, 600).webp().toBuffer())],
    ['a header alone', async () => (await picture(60, 60).jpeg().toBuffer()).subarray(0, 20)],
    ['a bomb of 400 million pixels', async () => emptyPng({ width: 20_000, height: 20_000, depth: 1, colour: 'grey' })],
  ])('refuses %s and goes on', async (_what, make) => {
    const before = (await me.get('/users/photo')).status;
    const bytes = await make();
    expect(bytes.length).toBeLessThan(MIB);
    const reply = await put(bytes);
    expect(reply.status).toBe(415);
    expect(reply.body.message).toMatch(/broken|pixels/);
    expect((await me.get('/users/photo')).status).toBe(before);
    await put(await picture(9, 9).png().toBuffer()).expect(200);
  });

  it('refuses what is larger than 5 MiB, announced or not', async () => {
    for (const bytes of [5 * MIB + 1, 5 * MIB + 100_000]) {
      const reply = await put(Buffer.alloc(bytes));
      expect(reply.body.error).toMatchObject({
        code: 'FILE_TOO_LARGE',
        httpStatusCode: 413,
        details: { maxBytes: 5 * MIB },
      });
    }
    // Exactly 5 MiB is looked at.
    expect((await put(Buffer.alloc(5 * MIB))).status).toBe(415);
  });

  it('gives back the memory that it took, also of what was cut off', async () => {
    const photo = await picture(300, 300).png().toBuffer();
    for (const bytes of [photo, Buffer.alloc(MIB), Buffer.alloc(6 * MIB)]) await put(bytes);
    const head = '--x\r\nContent-Disposition: form-data; name="photo"; filename="a.png"\r\n\r\n';
    const cut = await supertest(a.app)
      .put('/api/users/photo')
      .auth(me.token, { type: 'bearer' })
      .set('content-type', 'multipart/form-data; boundary=x')
      .send(`${head}${'x'.repeat(1000)}`);
    expect(cut.body.error.code).toBe('VALIDATION_FAILED');
    expect(photoForms.budget.heldBytes).toBe(0);
  });

  it('wants the one field', async () => {
    const request = supertest(a.app).put('/api/users/photo').auth(me.token, { type: 'bearer' });
    const reply = await request.attach('file', Buffer.from('x'), 'a.png');
    expect(reply.body.error.code).toBe('VALIDATION_FAILED');
    expect((await me.put('/users/photo', {})).body.error.code).toBe('VALIDATION_FAILED');
  });

  it('says that it is busy where many come at once, and stays whole', async () => {
    const people = await Promise.all(Array.from({ length: 40 }, () => a.user()));
    const photo = await picture(1500, 1500).png().toBuffer();
    const statuses = await Promise.all(people.map(async (by) => (await put(photo, { by })).status));
    expect(new Set(statuses)).toEqual(new Set([200, 503]));
    await purge();
    for (const [i, { id }] of people.entries()) expect(await stored(id)).toHaveLength(statuses[i] === 200 ? 1 : 0);
  });

  it('of two processes at once one wins last, and no object is left over', async () => {
    const somebody = await a.user();
    const there = await site.startAnother();
    const photo = await picture(30, 30).png().toBuffer();
    await Promise.all([put(photo, { by: somebody }), put(photo, { by: somebody, at: there })]);
    const row = await a.database.prisma.user.findUniqueOrThrow({ where: { id: somebody.id } });
    // Processes of a test have a store each: what counts is which objects are named and which are buried.
    const buried = await a.database.prisma.objectTombstone.findMany({
      where: { objectKey: { startsWith: `users/${somebody.id}/` } },
    });
    expect(buried).toHaveLength(1);
    expect(buried[0]?.objectKey).not.toBe(row.photoKey);
    expect(row.photoKey).toMatch(new RegExp(`^users/${somebody.id}/[0-9a-f-]{36}$`));
  });

  it('is not counted on the quota', async () => {
    const somebody = await a.user();
    await put(await picture(30, 30).png().toBuffer(), { by: somebody }).expect(200);
    expect((await somebody.get('/users/summary')).body.data.drive).toMatchObject({ bytesUsed: 0, objects: 0 });
  });
});

describe('a photo that dies on its way', () => {
  it('between the put and the naming leaves nothing', async () => {
    const somebody = await a.user();
    const photo = await picture(30, 30).png().toBuffer();
    const realPut = a.infrastructure.store.put.bind(a.infrastructure.store);
    // The removal begins while the object is being stored: what a put of over ten minutes meets.
    const store = vi.spyOn(a.infrastructure.store, 'put').mockImplementation(async (...args) => {
      const result = await realPut(...args);
      await purge();
      return result;
    });
    const reply = await put(photo, { by: somebody });
    store.mockRestore();
    expect(reply.body.error.code).toBe('DEPENDENCY_UNAVAILABLE');
    await purge();
    expect(await stored(somebody.id)).toEqual([]);
    expect((await somebody.get('/users/photo')).status).toBe(404);
  });

  it('with its account leaves nothing', async () => {
    const somebody = await a.user();
    const photo = await picture(30, 30).png().toBuffer();
    const realPut = a.infrastructure.store.put.bind(a.infrastructure.store);
    const store = vi.spyOn(a.infrastructure.store, 'put').mockImplementation(async (...args) => {
      const at = new Date();
      const data = { deletionRequestedAt: at, deletionDueAt: at, erasureStartedAt: at };
      await a.database.prisma.user.update({ where: { id: somebody.id }, data });
      return realPut(...args);
    });
    const reply = await put(photo, { by: somebody });
    store.mockRestore();
    expect(reply.body.error.code).toBe('ACCOUNT_DELETION_PENDING');
    await purge();
    expect(await stored(somebody.id)).toEqual([]);
  });

  it('in the put leaves its tombstone', async () => {
    const somebody = await a.user();
    const store = vi.spyOn(a.infrastructure.store, 'put').mockRejectedValue(new Error('killed'));
    const reply = await put(await picture(9, 9).png().toBuffer(), { by: somebody });
    store.mockRestore();
    expect(reply.status).toBe(500);
    const [tombstone] = await a.database.prisma.objectTombstone.findMany({
      where: { objectKey: { startsWith: `users/${somebody.id}/` } },
    });
    expect(tombstone?.origin).toBe('upload');
    expect(tombstone?.dueAt.getTime()).toBeGreaterThan(Date.now() + 500_000);
  });
});

describe('GET and DELETE /users/photo', () => {
  it('give and remove the own one', async () => {
    const somebody = await a.user();
    expect((await somebody.get('/users/photo')).body.error).toMatchObject({
      code: 'PHOTO_NOT_FOUND',
      httpStatusCode: 404,
    });
    const first = (await put(await picture(30, 30).png().toBuffer(), { by: somebody })).body.data.url;
    const second = (await put(await picture(40, 40).png().toBuffer(), { by: somebody })).body.data.url;
    const { url, expiresIn } = (await somebody.get('/users/photo')).body.data;
    expect(expiresIn).toBe(3600);
    expect(new URL(url).pathname).toBe(new URL(second).pathname);
    await purge();
    expect((await fetchPhoto(first)).status).toBe(404);
    expect((await somebody.delete('/users/photo')).status).toBe(200);
    expect((await somebody.delete('/users/photo')).body.error.code).toBe('PHOTO_NOT_FOUND');
    expect((await somebody.get('/users/photo')).status).toBe(404);
    await purge();
    expect(await stored(somebody.id)).toEqual([]);
    expect(await a.auditOf(somebody.id)).toEqual([
      'user.register',
      'user.photo_changed',
      'user.photo_changed',
      'user.photo_deleted',
    ]);
  });
});

function half(bytes: Buffer): Buffer {
  return bytes.subarray(0, Math.floor(bytes.length / 2));
}
