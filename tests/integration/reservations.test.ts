import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { newId } from '../../src/platform/crypto/random.ts';
import { DirectActor, type DirectSite, put, startDirectSite } from '../support/direct-uploads.ts';
import type { Person } from '../support/world.ts';

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
});
afterAll(() => direct.stop());

async function reserve(bytes: number, objects: number, fields: object = {}): Promise<string> {
  const { status, body } = await me.call('POST', '/reservations', { bytes, objects, ...fields });
  if (status !== 201) throw new Error(JSON.stringify(body));
  return body.data.reservation.id;
}

async function form(fileName: string, content: string, reservationId: string, actor = me) {
  const body = new FormData();
  body.append('file', new Blob([content]), 'x.txt');
  const query = new URLSearchParams({ fileName, reservationId });
  const response = await fetch(`${direct.origin}/api/storage/upload?${query}`, {
    method: 'POST',
    headers: actor.actor.headers,
    body,
  });
  // biome-ignore lint/suspicious/noExplicitAny: checked by the expectations
  return { status: response.status, body: (await response.json()) as any };
}

/** As if it had been opened that long ago. */
async function age(id: string, seconds: number): Promise<void> {
  await direct.world.database.prisma.$executeRawUnsafe(
    `UPDATE reservations SET expires_at = expires_at - make_interval(secs => ${seconds}) WHERE id = '${id}'`,
  );
}

describe('a reservation', () => {
  it('holds room, which uploads of every kind draw', async () => {
    const id = await reserve(100, 4, { ttlSeconds: 600 });
    expect(await me.audit()).toMatchObject({ reservedBytes: 100, reservedObjects: 4, faults: [] });
    expect((await form('form.txt', '0123456789', id)).status).toBe(201);
    const single = await me.presign(20, { fileName: 'single.txt', reservationId: id });
    expect(single.status).toBe(201);
    const multi = await me.openMultipart(30, { fileName: 'multi.txt', reservationId: id });
    expect(multi.status).toBe(201);
    const { body } = await me.call('GET', `/reservations/${id}`);
    expect(body.data.reservation).toMatchObject({ bytes: 100, objects: 4, bytesLeft: 40, objectsLeft: 1 });
    expect(await me.audit()).toMatchObject({ usedBytes: 10, reservedBytes: 90, faults: [] });

    // What is given up goes back to it, what is completed does not.
    await me.call('DELETE', `/uploads/${multi.body.data.uploadId}`);
    await put(single.body.data, Buffer.alloc(20, 'a'));
    expect((await me.complete(single.body.data.uploadId)).status).toBe(200);
    const after = await me.call('GET', `/reservations/${id}`);
    expect(after.body.data.reservation).toMatchObject({ bytesLeft: 70, objectsLeft: 2 });
    expect(await me.audit()).toMatchObject({ usedBytes: 30, reservedBytes: 70, faults: [] });

    const released = await me.call('DELETE', `/reservations/${id}`);
    expect(released.body.data.reservation).toMatchObject({ id, bytesLeft: 70 });
    expect((await me.call('DELETE', `/reservations/${id}`)).body.error.code).toBe('RESERVATION_NOT_FOUND');
    expect(await me.audit()).toMatchObject({ usedBytes: 30, reservedBytes: 0, reservedObjects: 0, faults: [] });
    expect(await direct.site.accounts.auditOf(id)).toEqual(['reservation.create', 'reservation.release']);
  });

  it('that is too small refuses, with its own counters', async () => {
    const id = await reserve(10, 1);
    for (const reply of [
      await form('a.txt', '01234567890', id),
      await me.presign(11, { reservationId: id }),
      await me.openMultipart(11, { reservationId: id }),
    ]) {
      expect(reply).toMatchObject({
        status: 413,
        body: {
          error: {
            code: 'QUOTA_EXCEEDED',
            details: { limit: 'bytes', quota: 10, used: 0, reserved: 0, requested: 11 },
          },
        },
      });
    }
    expect((await me.presign(5, { reservationId: id })).status).toBe(201);
    const none = await me.presign(5, { fileName: 'b', reservationId: id });
    expect(none.body.error.details).toMatchObject({ limit: 'objects', quota: 1, used: 1 });
    expect((await me.audit()).faults).toEqual([]);
  });

  it('gives the rest back when it expires; what has drawn on it goes on', async () => {
    const id = await reserve(100, 2, { ttlSeconds: 60 });
    const { body } = await me.presign(40, { reservationId: id });
    await age(id, 61);
    for (const reply of [
      await me.presign(1, { fileName: 'b', reservationId: id }),
      await me.openMultipart(1, { fileName: 'b', reservationId: id }),
      await form('b', 'x', id),
      await me.call('GET', `/reservations/${id}`),
      await me.call('DELETE', `/reservations/${id}`),
    ]) {
      expect(reply).toMatchObject({ status: 404, body: { error: { code: 'RESERVATION_NOT_FOUND' } } });
    }
    expect((await me.call('GET', '/reservations')).body.data.reservations).toEqual([]);
    await direct.site.accounts.composition.ledger.expireOverdue();
    expect(await me.audit()).toMatchObject({ reservedBytes: 40, reservedObjects: 1, faults: [] });
    await put(body.data, Buffer.alloc(40, 'a'));
    expect((await me.complete(body.data.uploadId)).status).toBe(200);
    expect(await me.audit()).toMatchObject({ usedBytes: 40, reservedBytes: 0, faults: [] });
  });

  it('of somebody else, or that is none, is not there', async () => {
    const id = await reserve(100, 2);
    const stranger = new DirectActor(direct, await direct.world.key(owner));
    for (const other of [id, newId(), 'x', `${newId()}x`]) {
      for (const reply of [
        await stranger.presign(1, { reservationId: other }),
        await stranger.openMultipart(1, { reservationId: other }),
        await form('b', 'x', other, stranger),
        await stranger.call('GET', `/reservations/${other}`),
        await stranger.call('DELETE', `/reservations/${other}`),
      ]) {
        expect(reply.body.error.code).toBe('RESERVATION_NOT_FOUND');
      }
    }
    expect((await stranger.call('GET', '/reservations')).body.data.reservations).toEqual([]);
    expect(await stranger.audit()).toMatchObject({ reservedBytes: 0, uploads: 0, faults: [] });
  });

  it('of a link’s drop is not to be seen or drawn on, by path or by id', async () => {
    const person = new DirectActor(direct, owner);
    const made = await person.call('POST', '/drive', { name: `drop ${newId()}` });
    const folderId = made.body.data.folder.id;
    const link = await person.call('POST', '/shares/links', { folderId, allowUpload: true, maxUploadBytes: 1000 });
    expect(link.status).toBe(201);
    const { prisma } = direct.world.database;
    const { reservationId } = await prisma.shareLink.findUniqueOrThrow({ where: { id: link.body.data.link.id } });
    if (!reservationId) throw new Error('a drop has a reservation');
    const drive = await fetch(`${direct.origin}/api/files?folderId=${folderId}&reservationId=${reservationId}`, {
      method: 'POST',
      headers: owner.headers,
      body: (() => {
        const body = new FormData();
        body.append('file', new Blob(['x']), 'x.txt');
        return body;
      })(),
    });
    expect(drive.status).toBe(404);
    for (const reply of [
      await person.presign(1, { reservationId }),
      await person.openMultipart(1, { reservationId }),
      await form('b', 'x', reservationId, person),
      await person.call('GET', `/reservations/${reservationId}`),
      await person.call('DELETE', `/reservations/${reservationId}`),
    ]) {
      expect(reply.body.error.code).toBe('RESERVATION_NOT_FOUND');
    }
    expect((await person.call('GET', '/reservations')).body.data.reservations).toEqual([]);
    const own = (await person.call('POST', '/reservations', { bytes: 10, objects: 1 })).body.data.reservation.id;
    const body = new FormData();
    body.append('file', new Blob(['x']), 'x.txt');
    const sent = await fetch(`${direct.origin}/api/files?folderId=${folderId}&reservationId=${own}`, {
      method: 'POST',
      headers: owner.headers,
      body,
    });
    expect(sent.status).toBe(201);
    expect((await person.call('GET', `/reservations/${own}`)).body.data.reservation).toMatchObject({ objectsLeft: 0 });
    expect((await person.audit()).faults).toEqual([]);
  });

  it('of no objects is for files that replace others', async () => {
    const spaceId = await me.spaceId();
    await me.complete((await me.sent(Buffer.from('old'), { fileName: 'a' })).uploadId);
    await direct.world.database.prisma.space.update({ where: { id: spaceId }, data: { quotaObjects: 1n } });
    const id = await reserve(10, 0);
    expect((await me.presign(5, { fileName: 'b', reservationId: id })).body.error.code).toBe('QUOTA_EXCEEDED');
    const fields = { fileName: 'a', conflict: 'replace', reservationId: id };
    const { uploadId } = await me.sent(Buffer.from('newer'), fields);
    expect((await me.complete(uploadId)).status).toBe(200);
    expect(await me.audit()).toMatchObject({ usedBytes: 5, usedObjects: 1, reservedObjects: 0, faults: [] });
  });

  it('that is released while it is drawn on tells what was given back', async () => {
    for (let round = 0; round < 6; round += 1) {
      const id = await reserve(100, 2);
      const [drawn, released] = await Promise.all([
        me.presign(40, { fileName: `${round}`, reservationId: id }),
        me.call('DELETE', `/reservations/${id}`),
      ]);
      const left = drawn.status === 201 ? { bytesLeft: 60, objectsLeft: 1 } : { bytesLeft: 100, objectsLeft: 2 };
      expect(released.body.data.reservation).toMatchObject(left);
      const entry = await direct.world.database.prisma.auditLog.findFirstOrThrow({
        where: { subjectId: id, action: 'reservation.release' },
      });
      expect(entry.metadata).toEqual({ heldBytes: left.bytesLeft, heldObjects: left.objectsLeft });
      if (drawn.status === 201) await me.call('DELETE', `/uploads/${drawn.body.data.uploadId}`);
    }
    expect(await me.audit()).toMatchObject({ reservedBytes: 0, reservedObjects: 0, faults: [] });
  });

  it('is refused where there is no room, and recorded', async () => {
    const { body } = await me.call('POST', '/reservations', { bytes: 2 ** 30, objects: 1 });
    expect(body.error).toMatchObject({
      code: 'QUOTA_EXCEEDED',
      details: { limit: 'bytes', quota: 2 ** 29, used: 0, reserved: 0, requested: 2 ** 30 },
    });
    const objects = await me.call('POST', '/reservations', { bytes: 0, objects: 101 });
    expect(objects.body.error.details).toMatchObject({ limit: 'objects', quota: 100, requested: 101 });
    for (const fields of [
      { bytes: -1 },
      { objects: -1 },
      { bytes: 0, objects: 0 },
      { ttlSeconds: 59 },
      { ttlSeconds: 86_401 },
      { more: 1 },
    ]) {
      const refused = await me.call('POST', '/reservations', { bytes: 1, objects: 1, ...fields });
      expect(refused.body.error.code).toBe('VALIDATION_FAILED');
    }
    expect(await me.audit()).toMatchObject({ reservedBytes: 0, faults: [] });
  });

  it('is open a hundred times at the most, however many ask at once, and listed by pages', {
    timeout: 60_000,
  }, async () => {
    const spaceId = await me.spaceId();
    await direct.world.database.prisma.space.update({ where: { id: spaceId }, data: { quotaObjects: 1000n } });
    const replies = await Promise.all(
      Array.from({ length: 120 }, () => me.call('POST', '/reservations', { bytes: 1, objects: 1 })),
    );
    expect(replies.filter(({ status }) => status === 201)).toHaveLength(100);
    expect(new Set(replies.flatMap(({ body }) => body.error?.code ?? []))).toEqual(new Set(['CONFLICT']));
    const seen: string[] = [];
    for (let cursor: string | null = ''; cursor !== null; ) {
      const page = await me.call('GET', `/reservations?limit=30${cursor && `&cursor=${cursor}`}`);
      seen.push(...page.body.data.reservations.map(({ id }: { id: string }) => id));
      cursor = page.body.meta.nextCursor;
    }
    expect(seen).toHaveLength(100);
    expect(seen).toEqual([...seen].sort().reverse());
    await me.call('DELETE', `/reservations/${seen[0]}`);
    expect((await me.call('POST', '/reservations', { bytes: 1, objects: 1 })).status).toBe(201);
    expect((await me.audit()).faults).toEqual([]);
  });
});
