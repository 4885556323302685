import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Accounts, PASSWORD, type Site, startAccounts, WISH } from '../support/accounts.ts';
import { login } from '../support/callers.ts';
import { World } from '../support/world.ts';

// Where the end of an account, or of somebody's rights, meets what is under way.

let site: Site;
let a: Accounts;
let b: Accounts;
let world: World;

beforeAll(async () => {
  site = await startAccounts();
  a = site.accounts;
  b = await site.startAnother();
  world = new World(a);
});
afterAll(() => site.stop());

describe('the last admin', () => {
  it('stays also while a new address of that admin is unproven', async () => {
    const lonely = await startAccounts();
    try {
      const admin = await lonely.accounts.admin();
      expect((await admin.put('/users/profile', { email: lonely.accounts.newEmail() })).status).toBe(200);
      const reply = await admin.delete('/users/account', { password: PASSWORD });
      expect(reply.body.error.code).toBe('LAST_ADMIN');
    } finally {
      await lonely.stop();
    }
  });
});

describe('two admins who delete each other', () => {
  it('are one who did and one who could not, whoever else there is', async () => {
    await a.admin();
    for (let round = 0; round < 5; round += 1) {
      const [one, two] = [await a.admin(), await a.admin()];
      const replies = await Promise.all([
        one.delete(`/admin/users/${two.id}`),
        two.at(b).delete(`/admin/users/${one.id}`),
      ]);
      const statuses = replies.map(({ status }) => status).toSorted();
      expect(statuses[0]).toBe(200);
      expect([401, 403]).toContain(statuses[1]);
    }
  });
});

describe('an account that its owner has deleted', () => {
  it('can be deleted by an admin as well, and then only an admin can keep it', async () => {
    const [admin, me] = [await a.admin(), await a.user()];
    await me.delete('/users/account', { password: PASSWORD });
    expect((await admin.delete(`/admin/users/${me.id}`)).status).toBe(200);
    expect((await admin.delete(`/admin/users/${me.id}`)).body.error.code).toBe('CONFLICT');
    const back = await login(a, me);
    expect((await back.post('/users/account/restore')).body.error.code).toBe('FORBIDDEN');
    expect((await admin.post(`/admin/users/${me.id}/restore`)).status).toBe(200);
  });

  it('gets no key for a request that came through', async () => {
    const admin = await a.admin();
    const leaving = await world.person({ leaving: true });
    const request = await world.pendingRequest(leaving);
    const reply = await admin.patch(`/apiKeys/request/admin/review/${request}`, { approved: true });
    expect(reply.body.error.code).toBe('CONFLICT');
    expect(await a.database.prisma.apiKey.count({ where: { userId: leaving.userId } })).toBe(0);
    expect((await admin.patch(`/apiKeys/request/admin/review/${request}`, { approved: false })).status).toBe(200);
  });

  it('has no key that opens, even one that nobody has revoked', async () => {
    const key = await world.key(await world.person({ leaving: true }));
    const reply = await world.send('get', { path: '/storage/usage' }, key.headers);
    expect(reply.body.error.code).toBe('KEY_REVOKED');
  });

  it('meets approvals that race with it in one order or the other', async () => {
    const admin = await a.admin();
    for (let round = 0; round < 8; round += 1) {
      const me = await a.user();
      const { id } = (await me.post('/apiKeys/request/create', WISH)).body.data.request;
      const [review, deletion] = await Promise.all([
        admin.patch(`/apiKeys/request/admin/review/${id}`, { approved: true }),
        me.at(b).delete('/users/account', { password: PASSWORD }),
      ]);
      expect(deletion.status).toBe(200);
      expect([200, 409]).toContain(review.status);
      const living = await a.database.prisma.apiKey.count({ where: { userId: me.id, revokedAt: null } });
      expect(living).toBe(0);
    }
  });
});

describe('a time beyond the year 9999', () => {
  const BEYOND = '9999-12-31T23:59:59-23:59';

  it('is refused wherever one can be given', async () => {
    const [admin, me] = [await a.admin(), await a.user()];
    const asked = await me.post('/apiKeys/request/create', { ...WISH, expiresAt: BEYOND });
    expect(asked.body.error.details).toEqual([{ path: 'expiresAt', message: expect.stringContaining('10000') }]);
    const { id } = (await me.post('/apiKeys/request/create', WISH)).body.data.request;
    const review = await admin.patch(`/apiKeys/request/admin/review/${id}`, { approved: true, expiresAt: BEYOND });
    expect(review.status).toBe(400);
    expect((await admin.get(`/admin/audit-logs?to=${encodeURIComponent(BEYOND)}`)).status).toBe(400);
    expect((await me.get('/apiKeys')).status).toBe(200);
  });
});
