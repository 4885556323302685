import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Accounts, type Caller, type Site, startAccounts } from '../support/accounts.ts';
import { bearer } from '../support/callers.ts';
import { auditSpace } from '../support/spaces.ts';

// What a share lets somebody do, over the routes of the drive.

let site: Site;
let a: Accounts;
let owner: Caller;
let guest: Caller;
let stranger: Caller;

beforeAll(async () => {
  site = await startAccounts({}, { workers: false });
  a = site.accounts;
});
afterAll(() => site.stop());

beforeEach(async () => {
  [owner, guest, stranger] = await Promise.all([a.user(), a.user(), a.user()]);
});
afterEach(async () => {
  for (const person of [owner, guest]) expect((await auditSpace(a.database, await driveOf(person))).faults).toEqual([]);
});

describe('VIEW', () => {
  it('reads and lists, now and later, and changes nothing', async () => {
    const trips = await folder(owner, 'trips');
    const rome = await folder(owner, 'rome', trips);
    const early = await file(owner, 'early.txt', rome);
    await share({ folderId: trips }, 'VIEW');
    const late = await file(owner, 'late.txt', rome);
    const later = await folder(owner, 'later', trips);
    for (const id of [trips, rome, later]) expect((await guest.get(`/drive/${id}`)).status).toBe(200);
    for (const id of [early, late]) {
      expect((await guest.get(`/files/${id}`)).status).toBe(200);
      const content = await a.anonymous().get(`/api/files/${id}/content`).set(bearer(guest)).expect(200);
      expect(content.text).toBe('x');
    }
    const names = (await guest.get(`/drive/${rome}`)).body.data.files.map(({ name }: { name: string }) => name);
    expect(names).toEqual(['early.txt', 'late.txt']);
    for (const refused of [
      await guest.get(`/files/${early}/link`),
      await guest.patch(`/files/${early}`, { name: 'mine.txt' }),
      await guest.delete(`/files/${early}`),
      await guest.post(`/files/${early}/copy`, { folderId: trips }),
      await guest.post('/drive', { name: 'mine', parentId: trips }),
      await guest.patch(`/drive/${rome}`, { name: 'mine' }),
      await guest.delete(`/drive/${rome}`),
      await send('post', `/files?folderId=${trips}&fileName=mine.txt`),
      await send('put', `/files/${early}/content`),
    ]) {
      expect([refused.status, refused.body.error.code]).toEqual([403, 'FORBIDDEN']);
    }
  });

  it('is for whom it was given; to everybody else nothing is there', async () => {
    const trips = await folder(owner, 'trips');
    const above = await file(owner, 'above.txt');
    const inside = await file(owner, 'inside.txt', trips);
    await share({ folderId: trips }, 'EDIT');
    for (const [who, paths] of [
      [stranger, [`/files/${inside}`, `/files/${above}`, `/drive/${trips}`]],
      [guest, [`/files/${above}`]],
    ] as const) {
      for (const path of paths) expect((await who.get(path)).status).toBe(404);
      for (const path of paths) expect((await who.delete(path)).status).toBe(404);
    }
  });

  it('of a file is of that file alone, also below a folder that is shared to be changed', async () => {
    const trips = await folder(owner, 'trips');
    const [one, two] = [await file(owner, 'one.txt', trips), await file(owner, 'two.txt', trips)];
    await share({ fileId: one }, 'VIEW');
    const seen = await guest.get(`/files/${one}`);
    expect(seen.body.data.file).toMatchObject({ name: 'one.txt', folderId: null });
    expect(JSON.stringify(seen.body)).not.toContain('trips');
    expect((await guest.get(`/files/${two}`)).status).toBe(404);
    expect((await guest.get(`/drive/${trips}`)).status).toBe(404);
    expect((await guest.patch(`/files/${one}`, { tags: ['a'] })).status).toBe(403);
    // The best permission counts.
    const { id } = await share({ folderId: trips }, 'EDIT');
    expect((await guest.patch(`/files/${one}`, { tags: ['a'] })).status).toBe(200);
    await owner.delete(`/shares/${id}`);
    expect((await guest.patch(`/files/${one}`, { tags: ['b'] })).status).toBe(403);
    expect((await guest.get(`/files/${one}`)).status).toBe(200);
  });
});

describe('EDIT', () => {
  it('takes what is uploaded into the owner’s quota, and names who did it', async () => {
    const trips = await folder(owner, 'trips');
    const { id } = await share({ folderId: trips }, 'EDIT');
    const reply = await send('post', `/files?folderId=${trips}&fileName=new.txt`);
    expect(reply.status).toBe(201);
    expect(reply.body.data).not.toHaveProperty('usage');
    const [owners, guests] = await Promise.all(
      [owner, guest].map(async (one) => auditSpace(a.database, await driveOf(one))),
    );
    expect([owners?.usedBytes, owners?.usedObjects, guests?.usedBytes, guests?.usedObjects]).toEqual([1, 1, 0, 0]);
    const entry = await a.database.prisma.auditLog.findFirst({
      where: { action: 'file.upload', subjectId: reply.body.data.file.id },
    });
    expect(entry).toMatchObject({ actorType: 'user', actorId: guest.id, metadata: { shareId: id } });
    // And is held to what the owner has left.
    await a.database.prisma.space.update({ where: { id: await driveOf(owner) }, data: { quotaBytes: 1n } });
    const full = await send('post', `/files?folderId=${trips}&fileName=more.txt`);
    expect(full.body.error.code).toBe('QUOTA_EXCEEDED');
  });

  it('shares nothing on', async () => {
    const trips = await folder(owner, 'trips');
    const inside = await file(owner, 'inside.txt', trips);
    await share({ folderId: trips }, 'EDIT');
    for (const subject of [{ folderId: trips }, { fileId: inside }]) {
      const reply = await guest.post('/shares', { ...subject, email: stranger.email, permission: 'VIEW' });
      expect(reply.status).toBe(404);
    }
  });

  it('two shares of folders within each other: each where it is', async () => {
    const outer = await folder(owner, 'outer');
    const inner = await folder(owner, 'inner', outer);
    const [top, deep] = [await file(owner, 'top.txt', outer), await file(owner, 'deep.txt', inner)];
    await share({ folderId: outer }, 'VIEW');
    const { id } = await share({ folderId: inner }, 'EDIT');
    expect((await guest.patch(`/files/${top}`, { tags: ['a'] })).status).toBe(403);
    expect((await guest.patch(`/files/${deep}`, { tags: ['a'] })).status).toBe(200);
    await owner.delete(`/shares/${id}`);
    expect((await guest.patch(`/files/${deep}`, { tags: ['b'] })).status).toBe(403);
    expect((await guest.get(`/files/${deep}`)).status).toBe(200);
  });
});

describe('at once', () => {
  it('holds what the owner changes, ends or lets run out, in every process', async () => {
    const there = await site.startAnother();
    const trips = await folder(owner, 'trips');
    const one = await file(owner, 'one.txt', trips);
    const { id } = await share({ folderId: trips }, 'VIEW');
    const [read, write] = [
      async () => (await guest.at(there).get(`/files/${one}`)).status,
      async () => (await guest.at(there).patch(`/files/${one}`, { tags: [crypto.randomUUID().slice(0, 8)] })).status,
    ];
    expect([await read(), await write()]).toEqual([200, 403]);
    await owner.patch(`/shares/${id}`, { permission: 'EDIT' });
    expect([await read(), await write()]).toEqual([200, 200]);
    await owner.patch(`/shares/${id}`, { permission: 'VIEW' });
    expect([await read(), await write()]).toEqual([200, 403]);
    await owner.patch(`/shares/${id}`, { expiresAt: new Date(a.clock.now().getTime() + 60_000).toISOString() });
    expect(await read()).toBe(200);
    a.clock.advance(61);
    expect([await read(), await write()]).toEqual([404, 404]);
    await owner.patch(`/shares/${id}`, { expiresAt: null });
    expect(await read()).toBe(200);
    await owner.delete(`/shares/${id}`);
    expect([await read(), await write()]).toEqual([404, 404]);
  });

  it('follows what is moved, into the folder and out of it', async () => {
    const [shared, other] = [await folder(owner, 'shared'), await folder(owner, 'other')];
    const [one, two] = [await file(owner, 'one.txt', shared), await file(owner, 'two.txt', other)];
    await share({ folderId: shared }, 'VIEW');
    const { id } = await share({ fileId: two }, 'VIEW');
    await owner.patch(`/files/${one}`, { folderId: other });
    expect((await guest.get(`/files/${one}`)).status).toBe(404);
    await owner.patch(`/drive/${other}`, { parentId: shared });
    expect((await guest.get(`/files/${one}`)).status).toBe(200);
    await owner.patch(`/drive/${other}`, { parentId: null });
    expect((await guest.get(`/files/${one}`)).status).toBe(404);
    // A share of the file itself goes with it.
    await owner.patch(`/files/${two}`, { folderId: null });
    expect((await guest.get(`/files/${two}`)).status).toBe(200);
    await guest.delete(`/shared-with-me/${id}`);
    expect((await guest.get(`/files/${two}`)).status).toBe(404);
  });

  it('ends with the owner’s account being disabled or about to go, and with the folder', async () => {
    const trips = await folder(owner, 'trips');
    const one = await file(owner, 'one.txt', trips);
    await share({ folderId: trips }, 'EDIT');
    const update = (data: object) => a.database.prisma.user.update({ where: { id: owner.id }, data });
    const soon = new Date(Date.now() + 24 * 3600 * 1000);
    for (const [data, back] of [
      [{ disabledAt: new Date() }, { disabledAt: null }],
      [
        { deletionRequestedAt: new Date(), deletionDueAt: soon },
        { deletionRequestedAt: null, deletionDueAt: null },
      ],
    ]) {
      await update(data ?? {});
      expect((await guest.get(`/files/${one}`)).status).toBe(404);
      expect((await send('post', `/files?folderId=${trips}&fileName=new.txt`)).status).toBe(404);
      expect((await guest.get('/shared-with-me')).body.data.shares).toEqual([]);
      await update(back ?? {});
      expect((await guest.get(`/files/${one}`)).status).toBe(200);
    }
    expect((await owner.delete(`/drive/${trips}`)).status).toBe(200);
    expect((await guest.get(`/drive/${trips}`)).status).toBe(404);
    expect((await guest.get(`/files/${one}`)).status).toBe(404);
    expect((await owner.get('/shares')).body.data.shares).toEqual([]);
  });
});

async function folder(by: Caller, name: string, parentId?: string): Promise<string> {
  const reply = await by.post('/drive', { name, ...(parentId && { parentId }) });
  expect(reply.status).toBe(201);
  return reply.body.data.folder.id;
}

async function file(by: Caller, name: string, folderId?: string): Promise<string> {
  const reply = await send('post', `/files?fileName=${name}${folderId ? `&folderId=${folderId}` : ''}`, by);
  expect(reply.status).toBe(201);
  return reply.body.data.file.id;
}

/** A form with one byte. */
function send(method: 'post' | 'put', path: string, by = guest) {
  return a.anonymous()[method](`/api${path}`).set(bearer(by)).attach('file', Buffer.from('x'), 'x.txt');
}

async function share(subject: object, permission: 'VIEW' | 'EDIT'): Promise<{ id: string }> {
  const reply = await owner.post('/shares', { ...subject, email: guest.email, permission });
  expect(reply.status).toBe(201);
  return reply.body.data.share;
}

async function driveOf(person: Caller): Promise<string> {
  return (await a.database.prisma.space.findFirstOrThrow({ where: { ownerId: person.id, kind: 'DRIVE' } })).id;
}
