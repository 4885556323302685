import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Accounts, type Site, startAccounts } from '../support/accounts.ts';

let site: Site;
let a: Accounts;

beforeAll(async () => {
  site = await startAccounts();
  a = site.accounts;
});
afterAll(() => site.stop());

describe('GET /users/profile', () => {
  it('shows the own account and keys, and nobody else’s', async () => {
    const [me, other, admin] = [await a.user(), await a.user(), await a.admin()];
    const key = await a.approvedKey(me, admin);
    const reply = await me.get('/users/profile');
    expect(reply.status).toBe(200);
    expect(reply.body.data).toMatchObject({ user: { id: me.id, emailVerified: true }, apiKeys: [key] });
    expect((await other.get('/users/profile')).body.data).toMatchObject({ user: { id: other.id }, apiKeys: [] });
  });

  it('is open to the unverified', async () => {
    const me = await a.register();
    expect((await me.get('/users/profile')).body.data.user.emailVerified).toBe(false);
  });

  it('wants a session of a living account', async () => {
    await a.anonymous().get('/api/users/profile').expect(401);
    const me = await a.user();
    await a.database.prisma.user.update({ where: { id: me.id }, data: { disabledAt: new Date() } });
    const reply = await me.get('/users/profile');
    expect(reply.status).toBe(403);
    expect(reply.body.error.code).toBe('ACCOUNT_DISABLED');
  });
});
