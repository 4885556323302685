import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Accounts, type Caller, PASSWORD, type Site, startAccounts, WISH } from '../support/accounts.ts';
import { bearer, claimedKey, login, upload } from '../support/callers.ts';

const DAY = 24 * 3600;

let site: Site;
let a: Accounts;
let admin: Caller;

beforeAll(async () => {
  site = await startAccounts({}, { workers: false });
  a = site.accounts;
  admin = await a.admin();
});
afterAll(() => site.stop());

describe('DELETE /users/account', () => {
  it('closes every door at once, and says until when it can be undone', async () => {
    const me = await a.user();
    const [mine, old] = [await claimedKey(a, me, admin), await claimedKey(a, me, admin)];
    await me.delete(`/apiKeys/${old.id}`);
    const asked = (await me.post('/apiKeys/request/create', WISH)).body.data.request;
    const elsewhere = await login(a, me);
    const reply = await me.delete('/users/account', { password: PASSWORD });
    expect(reply.status).toBe(200);
    const { requestedAt, dueAt } = reply.body.data.deletion;
    expect(Date.parse(dueAt) - Date.parse(requestedAt)).toBe(30 * DAY * 1000);
    for (const session of [me, elsewhere]) expect((await session.get('/users/profile')).status).toBe(401);
    await a.anonymous().post('/api/auth/refresh').send({ refreshToken: me.refreshToken }).expect(401);
    const refused = await a.anonymous().get('/api/storage/files').set(mine.headers);
    expect(refused.body.error.code).toBe('KEY_REVOKED');
    const row = await a.database.prisma.apiKeyRequest.findUniqueOrThrow({ where: { id: asked.id } });
    expect(row.status).toBe('WITHDRAWN');
    const entry = await a.database.prisma.auditLog.findFirstOrThrow({
      where: { subjectId: me.id, action: 'user.delete' },
    });
    expect(entry.metadata).toEqual({ byAdmin: false, revokedKeys: 1, endedSessions: 2, withdrawnRequests: 1 });
    // Logging in works, and opens nothing but the way back.
    const back = await login(a, me);
    expect((await back.get('/users/profile')).body.error.code).toBe('ACCOUNT_DELETION_PENDING');
    expect((await back.delete('/users/account', { password: PASSWORD })).body.error.code).toBe(
      'ACCOUNT_DELETION_PENDING',
    );
  });

  it('wants the password', async () => {
    const me = await a.register();
    const wrong = await me.delete('/users/account', { password: 'wrong' });
    expect(wrong.body.error).toMatchObject({ code: 'INVALID_CREDENTIALS', httpStatusCode: 401 });
    expect((await me.delete('/users/account', {})).body.error.code).toBe('VALIDATION_FAILED');
    expect((await me.get('/users/profile')).status).toBe(200);
    expect((await me.delete('/users/account', { password: PASSWORD })).status).toBe(200);
  });

  it('happens once, however many ask', async () => {
    const me = await a.user();
    const replies = await Promise.all(
      Array.from({ length: 6 }, () => me.delete('/users/account', { password: PASSWORD })),
    );
    expect(replies.filter(({ status }) => status === 200)).toHaveLength(1);
    // Whoever was authorized before and came second: CONFLICT; after: the session has ended.
    expect(replies.every(({ status }) => [200, 401, 403, 409].includes(status))).toBe(true);
    expect((await a.auditOf(me.id)).filter((action) => action === 'user.delete')).toHaveLength(1);
  });

  it('keeps the last admin who can act, also when two go at once', async () => {
    const lonely = await startAccounts({}, { workers: false });
    try {
      const [one, two] = [await lonely.accounts.admin(), await lonely.accounts.admin()];
      // An admin who cannot act does not count.
      await lonely.accounts.database.prisma.user.update({
        where: { id: (await lonely.accounts.admin()).id },
        data: { disabledAt: new Date() },
      });
      const replies = await Promise.all(
        [one, two].map((each) => each.delete('/users/account', { password: PASSWORD })),
      );
      expect(replies.map(({ status }) => status).toSorted()).toEqual([200, 409]);
      expect(replies.find(({ status }) => status === 409)?.body.error.code).toBe('LAST_ADMIN');
    } finally {
      await lonely.stop();
    }
  });
});

describe('POST /users/account/restore', () => {
  it('brings back the account and the keys that went with it, and no other', async () => {
    const me = await a.user();
    const [mine, old] = [await claimedKey(a, me, admin), await claimedKey(a, me, admin)];
    await upload(a, mine.headers, 'a.bin').expect(201);
    await me.delete(`/apiKeys/${old.id}`);
    await me.delete('/users/account', { password: PASSWORD });
    const back = await login(a, me);
    const reply = await back.post('/users/account/restore');
    expect(reply.status).toBe(200);
    expect(reply.body.data.user).toMatchObject({ id: me.id, emailVerified: true });
    const keys = (await back.get('/users/profile')).body.data.apiKeys;
    expect(keys.map(({ id, isActive }: { id: string; isActive: boolean }) => [id, isActive])).toEqual([
      [old.id, false],
      [mine.id, true],
    ]);
    const files = await a.anonymous().get('/api/storage/files').set(mine.headers).expect(200);
    expect(files.body.data.files).toHaveLength(1);
    expect(await a.auditOf(me.id)).toContain('user.restore');
    expect((await back.post('/users/account/restore')).body.error).toMatchObject({
      code: 'CONFLICT',
      httpStatusCode: 409,
    });
    // And all over again.
    expect((await back.delete('/users/account', { password: PASSWORD })).status).toBe(200);
  });

  it('is not for who was deleted by an admin; admins restore', async () => {
    const me = await a.user();
    const deleted = await admin.delete(`/admin/users/${me.id}`);
    expect(deleted.body.data.deletion).toEqual({ requestedAt: expect.any(String), dueAt: expect.any(String) });
    expect((await me.get('/users/profile')).status).toBe(401);
    expect((await admin.delete(`/admin/users/${me.id}`)).body.error).toMatchObject({ code: 'CONFLICT' });
    const back = await login(a, me);
    expect((await back.post('/users/account/restore')).body.error).toMatchObject({
      code: 'FORBIDDEN',
      httpStatusCode: 403,
    });
    const restored = await admin.post(`/admin/users/${me.id}/restore`);
    expect(restored.body.data.user).toMatchObject({ id: me.id, status: 'active', deletion: null });
    expect((await back.get('/users/profile')).status).toBe(200);
    expect((await admin.post(`/admin/users/${me.id}/restore`)).body.error.code).toBe('CONFLICT');
    expect((await a.auditOf(me.id)).filter((action) => /delete|restore/.test(action))).toEqual([
      'user.delete',
      'user.restore',
    ]);
  });

  it('is no way for an admin round the own password', async () => {
    const reply = await admin.delete(`/admin/users/${admin.id}`);
    expect(reply.body.error.code).toBe('CONFLICT');
    expect((await admin.get('/users/profile')).status).toBe(200);
  });
});

describe('without a time of grace', () => {
  it('erases at once, by the jobs of any process', async () => {
    const now = await startAccounts({ ACCOUNT_DELETION_GRACE_DAYS: '0' });
    try {
      const { accounts } = now;
      const [me] = [await accounts.user(), await accounts.admin()];
      await accounts
        .anonymous()
        .post('/api/storage/upload')
        .set(bearer(me))
        .attach('file', Buffer.from('x'), 'x')
        .expect(201);
      const reply = await me.delete('/users/account', { password: PASSWORD });
      const { requestedAt, dueAt } = reply.body.data.deletion;
      expect(dueAt).toBe(requestedAt);
      expect((await accounts.mailBox.latest(me.email, { part: 'erased' })).subject).toContain('deleted');
      await expect.poll(() => accounts.database.prisma.user.count({ where: { id: me.id } })).toBe(0);
      const withText = () =>
        accounts.database.prisma.auditLog.count({
          where: { OR: [{ actorId: me.id }, { subjectId: me.id }], userAgent: { not: null } },
        });
      await expect.poll(withText).toBe(0);
      await accounts.composition.tombstones.purge();
      const objects: string[] = [];
      for await (const { key } of accounts.infrastructure.store.list(`users/${me.id}/`)) objects.push(key);
      expect(objects).toEqual([]);
      // The address is free again.
      await accounts.anonymous().post('/api/auth/register').send({ email: me.email, password: PASSWORD }).expect(201);
    } finally {
      await now.stop();
    }
  });
});
