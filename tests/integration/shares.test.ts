import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { newId } from '../../src/platform/crypto/random.ts';
import { type Accounts, type Caller, type Site, startAccounts } from '../support/accounts.ts';
import { bearer, claimedKey } from '../support/callers.ts';

const DAY_MS = 24 * 3600 * 1000;

let site: Site;
let a: Accounts;

beforeAll(async () => {
  site = await startAccounts();
  a = site.accounts;
});
afterAll(() => site.stop());

describe('sharing', () => {
  it('shares a file and a folder, and is recorded without an address', async () => {
    const [me, you] = [await a.user(), await userNamed('Grace')];
    const { fileId, folderId } = await drive(me, 'trips/rome/song.mp3');
    const expiresAt = new Date(Date.now() + DAY_MS).toISOString();
    const file = await me.post('/shares', { fileId, email: you.email.toUpperCase(), permission: 'VIEW', expiresAt });
    expect(file.status).toBe(201);
    const { share } = file.body.data;
    expect(share).toEqual({
      id: expect.any(String),
      fileId,
      folderId: null,
      name: 'song.mp3',
      email: you.email.toUpperCase(),
      username: null,
      permission: 'VIEW',
      expiresAt,
      createdAt: expect.any(String),
    });
    const folder = await me.post('/shares', { folderId, username: you.username.toUpperCase(), permission: 'EDIT' });
    expect(folder.body.data.share).toMatchObject({
      fileId: null,
      folderId,
      name: 'rome',
      email: null,
      expiresAt: null,
    });
    const rows = await a.database.prisma.auditLog.findMany({ where: { subjectId: share.id } });
    expect(rows.map(({ action, actorId, subjectType, metadata }) => [action, actorId, subjectType, metadata])).toEqual([
      ['share.create', me.id, 'share', { fileId, permission: 'VIEW', expiresAt }],
    ]);
    const received = await you.get('/shared-with-me');
    expect(received.body.data.shares).toEqual([
      {
        id: folder.body.data.share.id,
        fileId: null,
        folderId,
        name: 'rome',
        owner: { name: null, username: null, email: me.email },
        permission: 'EDIT',
        expiresAt: null,
        sharedAt: folder.body.data.share.createdAt,
      },
      expect.objectContaining({ id: share.id, fileId, name: 'song.mp3', permission: 'VIEW', expiresAt }),
    ]);
    expect(JSON.stringify(received.body)).not.toContain('trips');
  });

  it('is once with one address', async () => {
    const [me, you] = [await a.user(), await userNamed('Grace')];
    const { fileId } = await drive(me);
    const share = (fields: object) => me.post('/shares', { fileId, permission: 'VIEW', ...fields });
    expect((await share({ email: you.email })).status).toBe(201);
    const again = await share({ email: ` ${you.email.toUpperCase()} `, permission: 'EDIT' });
    expect([again.status, again.body.error.code]).toEqual([409, 'SHARE_EXISTS']);
    // The same person by another address: nothing tells that it is.
    expect((await share({ username: you.username })).status).toBe(201);
    const unknown = { email: a.newEmail() };
    const codes = (await Promise.all([1, 2, 3].map(() => share(unknown)))).map(({ status }) => status);
    expect(codes.toSorted()).toEqual([201, 409, 409]);
  });

  it('is not with oneself', async () => {
    const me = await userNamed('Ada');
    const { fileId } = await drive(me);
    for (const own of [{ email: me.email.toUpperCase() }, { username: me.username.toUpperCase() }]) {
      const reply = await me.post('/shares', { fileId, permission: 'VIEW', ...own });
      expect([reply.status, reply.body.error.details[0].path]).toEqual([400, Object.keys(own)[0]]);
    }
  });

  it('refuses what is not whole', async () => {
    const me = await a.user();
    const { fileId, folderId } = await drive(me, 'a/b.txt');
    const email = a.newEmail();
    const good = { fileId, email, permission: 'VIEW' };
    for (const [bad, path] of [
      [{ ...good, folderId }, 'folderId'],
      [{ email, permission: 'VIEW' }, 'fileId'],
      [{ ...good, username: 'grace' }, 'username'],
      [{ fileId, permission: 'VIEW' }, 'email'],
      [{ ...good, permission: 'OWN' }, 'permission'],
      [{ ...good, email: 'nobody' }, 'email'],
      [{ ...good, expiresAt: '2020-01-01T00:00:00Z' }, 'expiresAt'],
      [{ ...good, expiresAt: '+010000-01-01T00:00:00Z' }, 'expiresAt'],
    ] as const) {
      const reply = await me.post('/shares', bad);
      expect([reply.status, reply.body.error.details[0].path], JSON.stringify(bad)).toEqual([400, path]);
    }
    const both = await me.get(`/shares?fileId=${fileId}&folderId=${folderId}`);
    expect(both.body.error.details[0].path).toBe('fileId');
  });

  it('is of what lives in the own drive, and of nothing else', async () => {
    const [me, you, admin] = [await a.user(), await a.user(), await a.admin()];
    const { fileId, folderId } = await drive(me, 'a/b.txt');
    await me.post('/shares', { folderId, email: you.email, permission: 'EDIT' });
    const key = await claimedKey(a, me, admin);
    const pocket = await put(key.headers, 'pocket.txt');
    const trashed = await drive(me, 'gone.txt');
    await a.anonymous().delete('/api/storage/files/gone.txt').set(bearer(me)).expect(200);
    const email = a.newEmail();
    for (const [who, subject, code] of [
      [you, { fileId }, 'FILE_NOT_FOUND'],
      [you, { folderId }, 'FOLDER_NOT_FOUND'],
      [me, { fileId: pocket }, 'FILE_NOT_FOUND'],
      [me, { fileId: trashed.fileId }, 'FILE_NOT_FOUND'],
      [me, { fileId: folderId }, 'FILE_NOT_FOUND'],
      [me, { folderId: fileId }, 'FOLDER_NOT_FOUND'],
      [me, { fileId: newId() }, 'FILE_NOT_FOUND'],
      [me, { folderId: 'x' }, 'FOLDER_NOT_FOUND'],
    ] as const) {
      const reply = await who.post('/shares', { ...subject, email, permission: 'VIEW' });
      expect([reply.status, reply.body.error.code]).toEqual([404, code]);
    }
  });
});

describe('who exists', () => {
  it('shows in no answer and in no statement', async () => {
    const me = await a.user();
    const { fileId } = await drive(me);
    const disabled = await padded();
    await a.database.prisma.user.update({ where: { id: disabled.id }, data: { disabledAt: new Date() } });
    const leaving = await padded();
    await a.database.prisma.user.update({
      where: { id: leaving.id },
      data: { deletionRequestedAt: new Date(), deletionDueAt: new Date(Date.now() + DAY_MS) },
    });
    const unverified = await padded();
    await a.database.prisma.user.update({ where: { id: unverified.id }, data: { emailVerifiedAt: null } });
    const known = await padded();
    const nobody = { email: paddedEmail(), username: paddedName() };
    const seen = [];
    for (const { email, username } of [nobody, known, unverified, disabled, leaving, nobodyElse()]) {
      for (const address of [{ email }, { username }]) {
        const { result, statements } = await watched(() =>
          me.post('/shares', { fileId, ...address, permission: 'VIEW' }),
        );
        const { id, createdAt, ...share } = result.body.data.share;
        expect([id, createdAt]).toEqual([expect.any(String), expect.any(String)]);
        expect(share).toMatchObject(address);
        const { 'content-length': length } = result.headers;
        seen.push({ kind: Object.keys(address)[0], status: result.status, length, statements });
      }
    }
    for (const kind of ['email', 'username']) {
      const ofKind = seen.filter((one) => one.kind === kind);
      expect(ofKind).toHaveLength(6);
      expect(ofKind[0]?.statements.length).toBeGreaterThan(5);
      for (const one of ofKind) expect(one).toEqual(ofKind[0]);
    }
    const list = (await me.get('/shares')).body.data.shares as object[];
    expect(new Set(list.map((share) => Object.keys(share).join()))).toHaveLength(1);
    expect(list).toHaveLength(12);
  });

  it('an e-mail address waits for whoever proves it, by registration and by a change', async () => {
    const [me, other] = [await a.user(), await a.user()];
    const { fileId } = await drive(me);
    const [first, second] = [a.newEmail(), a.newEmail()];
    for (const email of [first.toUpperCase(), second]) await me.post('/shares', { fileId, email, permission: 'VIEW' });
    const you = await a.register({ email: first });
    expect((await you.get('/shared-with-me')).body.error.code).toBe('EMAIL_NOT_VERIFIED');
    expect(await granteesOf(fileId)).toEqual([null, null]);
    await verify(you);
    expect(await granteesOf(fileId)).toEqual([you.id, null]);
    const [got, ...more] = (await you.get('/shared-with-me')).body.data.shares;
    expect(more).toEqual([]);
    const noted = await claimsOf(you);
    expect(noted).toMatchObject([
      {
        actorType: 'user',
        subjectType: 'share',
        subjectId: got.id,
        ip: expect.any(String),
        requestId: expect.any(String),
      },
    ]);
    expect(noted[0]?.metadata).toEqual({ fileId, permission: 'VIEW', expiresAt: null, claimed: true });
    // Another address: what was shared stays with the person.
    a.clock.advance(61);
    expect((await you.put('/users/profile', { email: second })).status).toBe(200);
    expect(await granteesOf(fileId)).toEqual([you.id, null]);
    await verify(you, second);
    expect(await granteesOf(fileId)).toEqual([you.id, you.id]);
    // The old one is free again; who proves it next gets nothing of what was given before.
    a.clock.advance(61);
    expect((await other.put('/users/profile', { email: first })).status).toBe(200);
    await verify(other, first, 2);
    expect((await other.get('/shared-with-me')).body.data.shares).toEqual([]);
  });

  it('a share with an address that turns out to be the own one breaks no verification', async () => {
    const me = await a.user();
    const { fileId } = await drive(me);
    const email = a.newEmail();
    await me.post('/shares', { fileId, email, permission: 'VIEW' });
    a.clock.advance(61);
    await me.put('/users/profile', { email });
    await verify(me, email);
    expect(await granteesOf(fileId)).toEqual([null]);
    expect((await me.get('/shared-with-me')).body.data.shares).toEqual([]);
  });

  it('a username that nobody had is given to nobody', async () => {
    const me = await a.user();
    const { fileId } = await drive(me);
    const username = paddedName();
    await me.post('/shares', { fileId, username, permission: 'VIEW' });
    const you = await a.register({ username });
    await verify(you);
    expect(await granteesOf(fileId)).toEqual([null]);
  });

  it('an address that is proven while it is shared with gets the share, whichever is first', async () => {
    const owners = await Promise.all([1, 2, 3, 4, 5, 6].map(() => a.user()));
    const files = await Promise.all(owners.map((owner) => drive(owner)));
    const you = await a.register();
    const code = await a.mailBox.code(you.email);
    await Promise.all([
      you.post(`/otp/verify/${code}`),
      ...owners.map((owner, i) =>
        owner.post('/shares', { fileId: files[i]?.fileId, email: you.email, permission: 'VIEW' }),
      ),
    ]);
    expect((await you.get('/shared-with-me')).body.data.shares).toHaveLength(6);
  });

  it('very many that wait are given by a job', async () => {
    const [me, email] = [await a.user(), a.newEmail()];
    await insertShares(me, 2500, () => ({ email }));
    const you = await a.register({ email });
    await verify(you);
    await vi.waitFor(
      async () => {
        expect(await a.database.prisma.share.count({ where: { granteeId: you.id } })).toBe(2500);
      },
      { timeout: 20_000, interval: 100 },
    );
    const noted = await claimsOf(you);
    expect(new Set(noted.map(({ subjectId }) => subjectId)).size).toBe(2500);
    expect(noted).toHaveLength(2500);
  }, 40_000);
});

describe('listing', () => {
  it('pages what I share, of all or of one thing, and nobody else’s', async () => {
    const [me, you] = [await a.user(), await a.user()];
    const one = await drive(me, 'one.txt');
    const two = await drive(me, 'x/two.txt');
    const ids: string[] = [];
    for (const subject of [{ fileId: one.fileId }, { fileId: two.fileId }, { folderId: two.folderId }]) {
      for (let i = 0; i < 2; i += 1) {
        const reply = await me.post('/shares', { ...subject, email: a.newEmail(), permission: 'VIEW' });
        ids.push(reply.body.data.share.id);
      }
    }
    expect(await pages(me, '/shares', 4)).toEqual(ids.toReversed());
    expect(await pages(me, `/shares?fileId=${one.fileId}`, 1)).toEqual(ids.slice(0, 2).toReversed());
    expect(await pages(me, `/shares?folderId=${two.folderId}`, 10)).toEqual(ids.slice(4).toReversed());
    expect(await pages(me, '/shares?fileId=x', 10)).toEqual([]);
    expect(await pages(you, `/shares?fileId=${one.fileId}`, 10)).toEqual([]);
    expect((await me.get('/shares?cursor=x')).body.error.code).toBe('VALIDATION_FAILED');
  });

  it('shows what is shared with me as long as it is there and its owner is', async () => {
    const [me, you] = [await a.user(), await a.user()];
    const { fileId } = await drive(me, 'there.txt');
    const soon = new Date(a.clock.now().getTime() + 300_000).toISOString();
    const kept = (await me.post('/shares', { fileId, email: you.email, permission: 'VIEW' })).body.data.share.id;
    const other = await drive(me, 'other.txt');
    const ends = { fileId: other.fileId, email: you.email, permission: 'VIEW', expiresAt: soon };
    const ending = (await me.post('/shares', ends)).body.data.share.id;
    const shown = () => pages(you, '/shared-with-me', 1);
    expect(await shown()).toEqual([ending, kept]);
    const update = (data: object) => a.database.prisma.user.update({ where: { id: me.id }, data });
    await update({ disabledAt: new Date() });
    expect(await shown()).toEqual([]);
    await update({ disabledAt: null, deletionRequestedAt: new Date(), deletionDueAt: new Date(Date.now() + DAY_MS) });
    expect(await shown()).toEqual([]);
    await update({ deletionRequestedAt: null, deletionDueAt: null });
    expect(await shown()).toEqual([ending, kept]);
    a.clock.advance(301);
    expect(await shown()).toEqual([kept]);
    // Over, but the owner's still, who can let it begin again.
    expect(await pages(me, '/shares', 10)).toEqual([ending, kept]);
    expect((await me.patch(`/shares/${ending}`, { expiresAt: null })).body.data.share.expiresAt).toBe(null);
    expect(await shown()).toEqual([ending, kept]);
    // In the trash and back, as deleting and restoring leave the row.
    const file = { where: { id: fileId } };
    await a.database.prisma.file.update({ ...file, data: { deletedAt: new Date(), trashExpiresAt: new Date() } });
    expect(await shown()).toEqual([ending]);
    expect(await pages(me, '/shares', 10)).toEqual([ending, kept]);
    await a.database.prisma.file.update({ ...file, data: { deletedAt: null, trashExpiresAt: null } });
    expect(await shown()).toEqual([ending, kept]);
    await a.database.prisma.file.delete(file);
    expect(await pages(me, '/shares', 10)).toEqual([ending]);
    expect(await shown()).toEqual([ending]);
  });

  it('looks at no more than 500 shares for a page, however many are over', async () => {
    const [me, you] = [await a.user(), await a.user()];
    const { fileId } = await drive(me);
    const kept = (await me.post('/shares', { fileId, email: you.email, permission: 'VIEW' })).body.data.share.id;
    await insertShares(me, 2300, (i) => ({ email: `${i}@example.org`, granteeId: you.id, expiresAt: new Date(0) }));
    let cursor: string | null = null;
    const found: string[][] = [];
    do {
      const { data, meta }: Page = (await you.get(`/shared-with-me?limit=10${cursor ? `&cursor=${cursor}` : ''}`)).body;
      found.push(data.shares.map(({ id }) => id));
      cursor = meta.nextCursor;
    } while (cursor !== null);
    expect(found).toEqual([[], [], [], [], [kept]]);
  });
});

describe('changing and ending', () => {
  it('holds at once, in every process, and is recorded', async () => {
    const [me, you] = [await a.user(), await a.user()];
    const there = await site.startAnother();
    const { fileId } = await drive(me);
    const { id } = (await me.post('/shares', { fileId, email: you.email, permission: 'VIEW' })).body.data.share;
    const expiresAt = new Date(a.clock.now().getTime() + DAY_MS).toISOString();
    const changed = await me.patch(`/shares/${id}`, { permission: 'EDIT', expiresAt });
    expect(changed.body.data.share).toMatchObject({ id, email: you.email, permission: 'EDIT', expiresAt });
    const [seen] = (await you.at(there).get('/shared-with-me')).body.data.shares;
    expect(seen).toMatchObject({ permission: 'EDIT', expiresAt });
    // Nothing new: no entry.
    await me.patch(`/shares/${id}`, { permission: 'EDIT' });
    const ended = await me.delete(`/shares/${id}`);
    expect(ended.body.data.share).toEqual(changed.body.data.share);
    expect((await you.at(there).get('/shared-with-me')).body.data.shares).toEqual([]);
    const entries = await a.database.prisma.auditLog.findMany({ where: { subjectId: id }, orderBy: { id: 'asc' } });
    expect(entries.map(({ action, metadata }) => [action, metadata])).toEqual([
      ['share.create', { fileId, permission: 'VIEW', expiresAt: null }],
      ['share.change', { fileId, permission: 'EDIT', expiresAt, previousPermission: 'VIEW', previousExpiresAt: null }],
      ['share.delete', { fileId, permission: 'EDIT', expiresAt }],
    ]);
    for (const reply of [await me.delete(`/shares/${id}`), await me.patch(`/shares/${id}`, { permission: 'VIEW' })]) {
      expect([reply.status, reply.body.error.code]).toEqual([404, 'SHARE_NOT_FOUND']);
    }
  });

  it('is the owner’s; the other one can leave', async () => {
    const [me, you, third] = [await a.user(), await a.user(), await a.user()];
    const { folderId } = await drive(me, 'trip/a.txt');
    const { id } = (await me.post('/shares', { folderId, email: you.email, permission: 'EDIT' })).body.data.share;
    for (const reply of [
      await you.delete(`/shares/${id}`),
      await you.patch(`/shares/${id}`, { permission: 'VIEW' }),
      await third.delete(`/shared-with-me/${id}`),
      await me.delete(`/shared-with-me/${id}`),
    ]) {
      expect([reply.status, reply.body.error.code]).toEqual([404, 'SHARE_NOT_FOUND']);
    }
    expect((await you.delete(`/shared-with-me/${id}`)).body).toMatchObject({ success: true, data: null });
    expect((await you.delete(`/shared-with-me/${id}`)).status).toBe(404);
    expect((await me.get('/shares')).body.data.shares).toEqual([]);
    const last = await a.database.prisma.auditLog.findFirst({ where: { subjectId: id, action: 'share.delete' } });
    expect(last).toMatchObject({ actorId: you.id, metadata: { folderId, permission: 'EDIT', byGrantee: true } });
  });

  it('refuses changes that are none, or over', async () => {
    const me = await a.user();
    const { fileId } = await drive(me);
    const { id } = (await me.post('/shares', { fileId, email: a.newEmail(), permission: 'VIEW' })).body.data.share;
    for (const bad of [{}, { expiresAt: '2020-01-01T00:00:00Z' }, { permission: null }, { email: 'a@b.example' }]) {
      expect((await me.patch(`/shares/${id}`, bad)).body.error.code).toBe('VALIDATION_FAILED');
    }
  });
});

describe('limits', () => {
  it('are 100 of one thing, also with many at once', async () => {
    const me = await a.user();
    const { fileId } = await drive(me);
    await insertShares(me, 95, (i) => ({ email: `${i}@example.org`, fileId }));
    const share = () => me.post('/shares', { fileId, email: a.newEmail(), permission: 'VIEW' });
    const replies = await Promise.all(Array.from({ length: 12 }, share));
    expect(replies.filter(({ status }) => status === 201)).toHaveLength(5);
    for (const { body } of replies.filter(({ status }) => status !== 201)) expect(body.error.code).toBe('CONFLICT');
    expect(await a.database.prisma.share.count({ where: { fileId } })).toBe(100);
  });

  it('are 10,000 of one owner, also with many at once', async () => {
    const [me, you] = [await a.user(), await a.user()];
    const { fileId } = await drive(me);
    await insertShares(me, 9_997, (i) => ({ email: `${i}@example.org`, granteeId: you.id }));
    const share = () => me.post('/shares', { fileId, email: a.newEmail(), permission: 'VIEW' });
    const replies = await Promise.all(Array.from({ length: 8 }, share));
    expect(replies.filter(({ status }) => status === 201)).toHaveLength(3);
    for (const { body } of replies.filter(({ status }) => status !== 201)) expect(body.error.code).toBe('CONFLICT');
  }, 60_000);

  it('let a page cost the same with 1000 shares and with 10,000', async () => {
    const [few, many, you, me] = [await a.user(), await a.user(), await a.user(), await a.user()];
    await insertShares(few, 1000, (i) => ({ email: `${i}@example.org`, granteeId: you.id }));
    await insertShares(many, 9_999, (i) => ({ email: `${i}@example.org`, granteeId: me.id }));
    await a.database.prisma.$executeRaw`ANALYZE shares, files`;
    for (const [path, one, other] of [
      ['/shares', few, many],
      ['/shared-with-me', you, me],
    ] as const) {
      const least = await blocksOf(one, path);
      const { nextCursor } = (await other.get(`${path}?limit=200`)).body.meta;
      expect(least).toBeGreaterThan(10);
      for (const page of [path, `${path}?cursor=${nextCursor}`]) {
        expect(await blocksOf(other, page)).toBeLessThan(1.3 * least + 10);
      }
    }
  }, 60_000);
});

/** Blocks that the statement of a page touches. */
async function blocksOf(caller: Caller, path: string): Promise<number> {
  const spy = vi.spyOn(pg.Client.prototype, 'query');
  expect((await caller.get(path)).status).toBe(200);
  const sent = spy.mock.calls.map(([query]) => query as unknown as { name?: string; text: string; values: unknown[] });
  spy.mockRestore();
  const page = sent.find(({ name }) => name?.startsWith('share_'));
  if (!page) throw new Error('no page was read');
  const explain = { name: `test_${newId()}`, text: `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ${page.text}` };
  const [row] = await a.database.query<{ 'QUERY PLAN': [{ Plan: Record<string, number> }] }>(explain, page.values);
  const plan = row?.['QUERY PLAN'][0].Plan;
  return (plan?.['Shared Hit Blocks'] ?? Number.NaN) + (plan?.['Shared Read Blocks'] ?? 0);
}

/** Somebody with a username. */
async function userNamed(name: string): Promise<Caller & { username: string }> {
  const caller = await a.user();
  const username = `${name}-${newId().slice(-12)}`;
  await a.database.prisma.user.update({
    where: { id: caller.id },
    data: { username, usernameKey: username.toLowerCase() },
  });
  return Object.assign(caller, { username });
}

/** Addresses and names of one length, so that answers about them have one length too. */
const paddedEmail = () => `${newId()}@example.com`;
const paddedName = () => `n-${newId().slice(-12)}`;
const nobodyElse = () => ({ email: paddedEmail(), username: paddedName() });

async function padded() {
  const [email, username] = [paddedEmail(), paddedName()];
  const { id } = await a.register({ email, username });
  await a.database.prisma.user.update({ where: { id }, data: { emailVerifiedAt: new Date() } });
  return { id, email, username };
}

interface Page {
  readonly data: { readonly shares: readonly { readonly id: string }[] };
  readonly meta: { readonly nextCursor: string | null };
}

/** Proves the address by the code that was mailed to it. */
async function verify(caller: Caller, email = caller.email, mails = 1): Promise<void> {
  expect((await caller.post(`/otp/verify/${await a.mailBox.code(email, mails)}`)).status).toBe(200);
}

/** What the audit log has of shares that somebody got by proving an address. */
function claimsOf({ id }: Caller) {
  const where = { action: 'share.change', actorId: id, metadata: { path: ['claimed'], equals: true } };
  return a.database.prisma.auditLog.findMany({ where });
}

/** Every statement that the service sends meanwhile, without what the jobs send. */
async function watched<T>(work: () => Promise<T>): Promise<{ result: T; statements: string[] }> {
  const spy = vi.spyOn(pg.Client.prototype, 'query');
  try {
    const result = await work();
    const statements = spy.mock.calls
      .map(([query]) => (typeof query === 'string' ? query : (query as unknown as { text: string }).text))
      .filter((text) => !/pgboss/i.test(text));
    return { result, statements };
  } finally {
    spy.mockRestore();
  }
}

async function put(headers: Record<string, string>, path: string): Promise<string> {
  const reply = await a
    .anonymous()
    .post(`/api/storage/upload?fileName=${encodeURIComponent(path)}`)
    .set(headers)
    .attach('file', Buffer.from('x'), 'x.txt')
    .expect(201);
  return reply.body.data.file.id;
}

/** A file in the drive, and the folder that it lies in. */
async function drive(owner: Caller, path = 'file.txt'): Promise<{ fileId: string; folderId: string | undefined }> {
  const fileId = await put(bearer(owner), path);
  const space = await a.database.prisma.space.findFirstOrThrow({ where: { ownerId: owner.id, kind: 'DRIVE' } });
  const folder = await a.database.prisma.folder.findFirst({
    where: { spaceId: space.id, path: path.slice(0, Math.max(0, path.lastIndexOf('/'))) },
  });
  return { fileId, folderId: folder?.id };
}

/** Rows as they would be, each of a file of its own unless told. */
async function insertShares(
  owner: Caller,
  count: number,
  fieldsOf: (i: number) => { email: string; fileId?: string; granteeId?: string; expiresAt?: Date },
): Promise<void> {
  const space = await a.database.prisma.space.findFirstOrThrow({ where: { ownerId: owner.id, kind: 'DRIVE' } });
  const rows = Array.from({ length: count }, (_, i) => {
    const { email, fileId = newId(), ...fields } = fieldsOf(i);
    const base = { id: newId(), spaceId: space.id, ownerId: owner.id, fileId, subjectId: fileId, permission: 'VIEW' };
    return { ...base, granteeKey: `email:${email.toLowerCase()}`, granteeEmail: email, ...fields } as const;
  });
  const known = new Set((await a.database.prisma.file.findMany({ select: { id: true } })).map(({ id }) => id));
  await a.database.prisma.file.createMany({
    data: [...new Set(rows.map(({ fileId }) => fileId))]
      .filter((id) => !known.has(id))
      .map((id) => ({
        id,
        spaceId: space.id,
        path: id,
        objectKey: `${space.prefix}${id}`,
        sizeBytes: 0n,
        sha256: '0'.repeat(64),
        etag: 'e',
        contentType: 'a/b',
        category: 'other',
        extension: '',
      })),
  });
  await a.database.prisma.share.createMany({ data: rows.map((row) => ({ ...row, permission: 'VIEW' as const })) });
}

async function pages(caller: Caller, path: string, limit: number): Promise<string[]> {
  const found: string[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const query: string = `${path.includes('?') ? '&' : '?'}limit=${limit}${cursor === '' ? '' : `&cursor=${cursor}`}`;
    const { data, meta }: Page = (await caller.get(`${path}${query}`)).body;
    found.push(...data.shares.map(({ id }) => id));
    cursor = meta.nextCursor;
  }
  return found;
}

async function granteesOf(fileId: string): Promise<(string | null)[]> {
  const rows = await a.database.prisma.share.findMany({ where: { fileId }, orderBy: { id: 'asc' } });
  return rows.map(({ granteeId }) => granteeId);
}
