import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newId } from '../../src/platform/crypto/random.ts';
import { type Accounts, type Caller, PASSWORD, type Site, startAccounts } from '../support/accounts.ts';

const DAY = 24 * 3600;
const UNKNOWN_IDS = [newId(), 'x', '1', "';--", '00000000', '%00', `${newId()}x`];

let site: Site;
let a: Accounts;
let there: Accounts;
let admin: Caller;

beforeAll(async () => {
  site = await startAccounts();
  a = site.accounts;
  there = await site.startAnother();
  admin = await a.admin();
});
afterAll(() => site.stop());

// biome-ignore lint/suspicious/noExplicitAny: answers are checked by the expectations
type Json = any;

async function list(query: Record<string, string | number>): Promise<Json> {
  const reply = await admin.get(`/admin/users?${new URLSearchParams(query as Record<string, string>)}`);
  expect(reply.status).toBe(200);
  return reply.body;
}

async function idsOf(query: Record<string, string | number>): Promise<string[]> {
  return (await list({ limit: 200, ...query })).data.users.map(({ id }: Json) => id);
}

async function get(id: string): Promise<Json> {
  const reply = await admin.get(`/admin/users/${id}`);
  expect(reply.status).toBe(200);
  return reply.body.data.user;
}

function patch(id: string, body: object, by: Caller = admin) {
  return by.patch(`/admin/users/${id}`, body);
}

function update(id: string, data: object) {
  return a.database.prisma.user.update({ where: { id }, data });
}

function login(email: string, password = PASSWORD) {
  return a.anonymous().post('/api/auth/login').set('user-agent', 'a test').send({ email, password });
}

async function auditEntries(subjectId: string) {
  const rows = await a.database.prisma.auditLog.findMany({
    where: { subjectId, action: { startsWith: 'admin.' } },
    orderBy: { id: 'asc' },
  });
  return rows.map(({ action, actorId, actorType, metadata }) => ({ action, actorId, actorType, metadata }));
}

describe('GET /admin/users', () => {
  it('shows accounts with counts, usage and last login', async () => {
    const user = await a.user();
    const keys = [await a.approvedKey(user, admin), await a.approvedKey(user, admin)];
    await user.delete(`/apiKeys/${keys[0]?.id}`);
    await user.post('/apiKeys/request/create', {
      keyName: 'more',
      requestedStorageGB: 1,
      requestedObjects: 1,
      reason: 'one that is pending',
    });
    await a.database.prisma.space.updateMany({
      where: { ownerId: user.id, kind: 'DRIVE' },
      data: { usedBytes: 100n, usedObjects: 3n, reservedBytes: 7n, reservedObjects: 1n },
    });
    await a.database.prisma.space.updateMany({
      where: { apiKey: { id: { in: keys.map(({ id }) => id) } } },
      data: { usedBytes: 1000n, usedObjects: 10n, reservedBytes: 1n, reservedObjects: 1n },
    });
    await login(user.email);
    const { data, meta } = await list({ limit: 1 });
    expect(data.users).toEqual([
      {
        id: user.id,
        email: user.email,
        username: null,
        name: null,
        role: 'USER',
        emailVerified: true,
        createdAt: expect.stringMatching(/Z$/),
        updatedAt: expect.stringMatching(/Z$/),
        status: 'active',
        disabledAt: null,
        lastLoginAt: expect.stringMatching(/Z$/),
        loginCount: 1,
        deletion: null,
        apiKeyCount: 2,
        activeKeyCount: 1,
        pendingRequestCount: 1,
        drive: { bytesUsed: 100, objects: 3, quota: { maxBytes: 5 * 1024 ** 3, maxObjects: 10_000 } },
        usage: { bytesUsed: 2100, objects: 23, bytesReserved: 9 },
      },
    ]);
    expect(meta).toEqual({ nextCursor: user.id, limit: 1, counts: expect.any(Object) });
  });

  it('tells the status, filters by it and counts by it', async () => {
    const [active, disabled, deleting, leaving] = [await a.user(), await a.user(), await a.user(), await a.user()];
    const unverified = await a.register();
    const before = (await list({})).meta.counts;
    const now = a.clock.now();
    await update(disabled.id, { disabledAt: now });
    await update(deleting.id, { deletionRequestedAt: now, deletionDueAt: now, deletionByAdmin: true });
    await update(leaving.id, { disabledAt: now, deletionRequestedAt: now, deletionDueAt: now });
    expect((await list({})).meta.counts).toEqual({
      active: before.active - 3,
      disabled: before.disabled + 1,
      unverified: before.unverified,
      deleting: before.deleting + 2,
    });
    const mine = [active, disabled, deleting, leaving, unverified].map(({ id }) => id);
    const found = async (query: Record<string, string>) => (await idsOf(query)).filter((id) => mine.includes(id));
    expect(await found({ status: 'active' })).toEqual([active.id]);
    expect(await found({ status: 'disabled' })).toEqual([disabled.id]);
    expect(await found({ status: 'deleting' })).toEqual([leaving.id, deleting.id]);
    expect(await found({ status: 'unverified' })).toEqual([unverified.id]);
    expect(await get(deleting.id)).toMatchObject({
      status: 'deleting',
      deletion: { requestedAt: now.toISOString(), dueAt: now.toISOString(), byAdmin: true },
    });
    expect(await get(disabled.id)).toMatchObject({ status: 'disabled', disabledAt: now.toISOString(), deletion: null });
  });

  it('filters by role', async () => {
    const other = await a.admin();
    const found = await idsOf({ role: 'ADMIN' });
    expect(found).toContain(other.id);
    expect(found).toContain(admin.id);
    expect(new Set((await list({ role: 'ADMIN' })).data.users.map(({ role }: Json) => role))).toEqual(
      new Set(['ADMIN']),
    );
    expect(await idsOf({ role: 'USER' })).not.toContain(other.id);
  });

  it('filters by how long somebody has been away', async () => {
    const [never, old, recent] = [await a.user(), await a.user(), await a.user()];
    const daysAgo = (days: number) => new Date(a.clock.now().getTime() - days * DAY * 1000);
    for (const { id } of [never, old, recent]) await update(id, { createdAt: daysAgo(100) });
    await update(old.id, { lastLoginAt: daysAgo(40) });
    await update(recent.id, { lastLoginAt: daysAgo(29) });
    expect(await idsOf({ inactiveDays: 30 })).toEqual([old.id, never.id]);
    expect(await idsOf({ inactiveDays: 99 })).toEqual([never.id]);
    expect(await idsOf({ inactiveDays: 101 })).toEqual([]);
    expect(await idsOf({ inactiveDays: 36_500 })).toEqual([]);
  });

  it('searches e-mail, username and name in any case, and ids', async () => {
    const email = 'Zoë.Grünwald@example.com';
    const zoe = await a.register({ email, username: 'Zoe_G', name: 'Zoe\u0308 Großmann-ÅÄÖ' });
    for (const search of [
      'zoë.grün',
      'ZOË.GRÜNWALD',
      'zoe\u0308.gr',
      'zoe_g',
      'OE_G',
      'zoë großmann',
      'åäö',
      '  zoë.grün ',
      zoe.id,
      zoe.id.toUpperCase(),
      zoe.id.slice(0, 18),
    ]) {
      expect(await idsOf({ search }), search).toEqual([zoe.id]);
    }
    expect(await idsOf({ search: 'zoe_g', role: 'ADMIN' })).toEqual([]);
  });

  it('takes wildcards and quotes for what they are', async () => {
    const [percent, plain, slash] = [
      await a.register({ name: '100% pure' }),
      await a.register({ name: '100 pure x_y' }),
      await a.register({ name: 'back\\slash' }),
    ];
    expect(await idsOf({ search: '100%' })).toEqual([percent.id]);
    expect(await idsOf({ search: '0% P' })).toEqual([percent.id]);
    expect(await idsOf({ search: 'x_y' })).toEqual([plain.id]);
    expect(await idsOf({ search: 'x\\_y' })).toEqual([]);
    expect(await idsOf({ search: '_____________' })).toEqual([]);
    expect(await idsOf({ search: 'k\\s' })).toEqual([slash.id]);
    for (const search of ["' OR 1=1 --", "'; DROP TABLE users; --", '$1', '\\', '")(']) {
      expect((await idsOf({ search })).length, search).toBeLessThan(2);
    }
  });

  it('refuses what is no filter', async () => {
    for (const [name, value] of [
      ['search', ''],
      ['search', '   '],
      ['search', 'a%00b'],
      ['search', 'x'.repeat(321)],
      ['status', 'ACTIVE'],
      ['role', 'root'],
      ['inactiveDays', '0'],
      ['inactiveDays', '-1'],
      ['inactiveDays', '1.5'],
      ['inactiveDays', 'x'],
      ['inactiveDays', '36501'],
      ['limit', '0'],
      ['limit', '201'],
      ['cursor', 'x'],
    ]) {
      const reply = await admin.get(`/admin/users?${name}=${value}`);
      expect(reply.status, `${name}=${value}`).toBe(400);
      expect(reply.body.error.details[0].path).toBe(name);
    }
    // No half characters come through a URL: the decoder puts U+FFFD in their place.
    expect((await admin.get('/admin/users?search=%ED%A0%80')).status).toBe(200);
    expect((await admin.get('/admin/users?search=a&search=b')).status).toBe(400);
  });

  it('walks 120 users by pages, each once, newest first, while others come', async () => {
    const mark = `walk-${process.pid}`;
    const ids = Array.from({ length: 120 }, () => newId()).sort();
    await a.database.prisma.user.createMany({
      data: ids.map((id) => ({ id, email: `${id}@x.io`, emailKey: `${id}@x.io`, name: mark, passwordHash: 'none' })),
    });
    const seen: string[] = [];
    let cursor: string | null = null;
    let pages = 0;
    do {
      const page: Json = await list({ search: mark, limit: 7, ...(cursor === null ? {} : { cursor }) });
      seen.push(...page.data.users.map(({ id }: Json) => id));
      cursor = page.meta.nextCursor;
      pages += 1;
      if (pages === 3) await a.register({ name: mark });
    } while (cursor !== null);
    expect(seen).toEqual(ids.toReversed());
    expect(pages).toBe(18);
  });
});

describe('GET /admin/users/:id', () => {
  it('shows the last 20 logins and the living sessions', async () => {
    const user = await a.user();
    for (let i = 0; i < 11; i += 1) {
      await login(user.email).expect(200);
      await login(user.email, 'wrong password').expect(401);
    }
    await user.post('/auth/logout');
    const shown = await get(user.id);
    expect(shown).toMatchObject({ id: user.id, loginCount: 11, activeSessionCount: 11 });
    expect(shown.recentLogins).toHaveLength(20);
    expect(shown.recentLogins.map(({ succeeded }: Json) => succeeded)).toEqual(
      Array.from({ length: 20 }, (_, i) => i % 2 === 1),
    );
    expect(shown.recentLogins[0]).toEqual({
      at: expect.stringMatching(/Z$/),
      ip: expect.stringContaining('127.0.0.1'),
      userAgent: 'a test',
      succeeded: false,
    });
    expect(await get(user.id.toUpperCase())).toEqual(shown);
    expect((await get((await a.user()).id)).recentLogins).toEqual([]);
  });

  it('knows no other ids', async () => {
    for (const id of UNKNOWN_IDS) {
      const reply = await admin.get(`/admin/users/${id}`);
      expect(reply.status, id).toBe(404);
      expect(reply.body.error.code).toBe('USER_NOT_FOUND');
    }
  });
});

describe('PATCH /admin/users/:id', () => {
  it('disables and enables; sessions stay ended, keys come back', async () => {
    const user = await a.user();
    const key = await a.approvedKey(user, admin);
    const { accessKeyId, secretKey } = (await user.post(`/apiKeys/${key.id}/claim`)).body.data;
    const withKey = (process: Accounts) =>
      process.anonymous().get('/api/storage/usage').set({ 'x-access-key-id': accessKeyId, 'x-secret-key': secretKey });
    await withKey(there).expect(200);

    const disabled = await patch(user.id, { disabled: true });
    expect(disabled.status).toBe(200);
    expect(disabled.body.data.user).toMatchObject({
      id: user.id,
      status: 'disabled',
      disabledAt: expect.stringMatching(/Z$/),
      activeSessionCount: 0,
    });
    expect((await withKey(there)).body.error.code).toBe('ACCOUNT_DISABLED');
    expect((await user.at(there).get('/users/profile')).body.error.code).toBe('ACCOUNT_DISABLED');
    const refused = await a.anonymous().post('/api/auth/refresh').send({ refreshToken: user.refreshToken });
    expect(refused.body.error.code).toBe('ACCOUNT_DISABLED');
    expect((await login(user.email)).body.error.code).toBe('ACCOUNT_DISABLED');

    expect((await patch(user.id, { disabled: false })).body.data.user).toMatchObject({
      status: 'active',
      disabledAt: null,
    });
    await withKey(there).expect(200);
    expect((await user.get('/users/profile')).status).toBe(401);
    await a.anonymous().post('/api/auth/refresh').send({ refreshToken: user.refreshToken }).expect(401);
    await login(user.email).expect(200);
    const by = { actorId: admin.id, actorType: 'admin' };
    expect(await auditEntries(user.id)).toEqual([
      { action: 'admin.user_disable', ...by, metadata: { sessionsEnded: 1 } },
      { action: 'admin.user_enable', ...by, metadata: { disabledAt: disabled.body.data.user.disabledAt } },
    ]);
  });

  it('lets no login or refresh slip through while it disables', async () => {
    const user = await a.user();
    const attempts = Array.from({ length: 12 }, (_, i) =>
      i % 3 === 0
        ? a.anonymous().post('/api/auth/refresh').send({ refreshToken: user.refreshToken })
        : (i % 2 === 0 ? a : there).anonymous().post('/api/auth/login').send({ email: user.email, password: PASSWORD }),
    );
    const [verdict] = await Promise.all([patch(user.id, { disabled: true }), ...attempts]);
    expect(verdict.status).toBe(200);
    expect((await get(user.id)).activeSessionCount).toBe(0);
  });

  it('promotes and demotes, at the next request in every process', async () => {
    const user = await a.user();
    const elsewhere = user.at(there);
    expect((await elsewhere.get('/admin/users')).body.error.code).toBe('FORBIDDEN');
    expect((await patch(user.id, { role: 'ADMIN' })).body.data.user.role).toBe('ADMIN');
    // The token still says USER.
    expect((await elsewhere.get('/admin/users')).status).toBe(200);
    expect((await patch(user.id, { role: 'USER' })).body.data.user.role).toBe('USER');
    expect((await elsewhere.get('/admin/users')).body.error.code).toBe('FORBIDDEN');
    const token = (await login(user.email)).body.data.token;
    await patch(user.id, { role: 'ADMIN' });
    await patch(user.id, { role: 'USER' });
    await there.anonymous().get('/api/admin/users').auth(token, { type: 'bearer' }).expect(403);
    expect((await auditEntries(user.id)).map(({ metadata }) => metadata)).toEqual([
      { from: 'USER', to: 'ADMIN' },
      { from: 'ADMIN', to: 'USER' },
      { from: 'USER', to: 'ADMIN' },
      { from: 'ADMIN', to: 'USER' },
    ]);
  });

  it('sets the drive’s quota, also below what is used, and only the drive’s', async () => {
    const user = await a.user();
    const key = await a.approvedKey(user, admin);
    await a.database.prisma.space.updateMany({
      where: { ownerId: user.id, kind: 'DRIVE' },
      data: { usedBytes: 100n, usedObjects: 3n },
    });
    const lower = await patch(user.id, { driveQuota: { maxBytes: 50 } });
    expect(lower.body.data.user.drive).toEqual({
      bytesUsed: 100,
      objects: 3,
      quota: { maxBytes: 50, maxObjects: 10_000 },
    });
    const usage = await user.at(there).get('/storage/usage');
    expect(usage.body.data.quota).toMatchObject({ maxBytes: 50, canUpload: false, quotaExceeded: true });
    const largest = { maxBytes: 1024 ** 5, maxObjects: 100_000_000 };
    expect((await patch(user.id, { driveQuota: largest })).body.data.user.drive.quota).toEqual(largest);
    expect((await user.get(`/apiKeys/${key.id}`)).body.data.apiKey.quota).toEqual({
      maxBytes: 536_870_912,
      maxObjects: 100,
    });
    expect((await auditEntries(user.id)).map(({ action, metadata }) => ({ action, metadata }))).toEqual([
      {
        action: 'admin.drive_quota_change',
        metadata: { oldMaxBytes: 5 * 1024 ** 3, maxBytes: 50, oldMaxObjects: 10_000, maxObjects: 10_000 },
      },
      {
        action: 'admin.drive_quota_change',
        metadata: { oldMaxBytes: 50, maxBytes: 1024 ** 5, oldMaxObjects: 10_000, maxObjects: 100_000_000 },
      },
    ]);
  });

  it('does several things at once, and records only what changes', async () => {
    const user = await a.user();
    const { drive, updatedAt } = await get(user.id);
    const same = { disabled: false, role: 'USER', driveQuota: drive.quota };
    const reply = await patch(user.id, same);
    expect(reply.status).toBe(200);
    expect(reply.body.data.user.updatedAt).toBe(updatedAt);
    expect(await auditEntries(user.id)).toEqual([]);
    await patch(user.id, { disabled: true, role: 'ADMIN', driveQuota: { maxObjects: 5 } });
    expect(await get(user.id)).toMatchObject({
      status: 'disabled',
      role: 'ADMIN',
      drive: { quota: { maxBytes: drive.quota.maxBytes, maxObjects: 5 } },
    });
    await patch(user.id, { disabled: true });
    expect((await auditEntries(user.id)).map(({ action }) => action)).toEqual([
      'admin.user_disable',
      'admin.role_change',
      'admin.drive_quota_change',
    ]);
  });

  it.each([
    ['nothing', {}],
    ['an empty quota', { driveQuota: {} }],
    ['an unknown field', { disabled: true, email: 'x@example.com' }],
    ['an unknown field of the quota', { driveQuota: { maxBytes: 1, maxGB: 1 } }],
    ['a text for a truth', { disabled: 'true' }],
    ['an unknown role', { role: 'ROOT' }],
    ['no bytes', { driveQuota: { maxBytes: 0 } }],
    ['too many bytes', { driveQuota: { maxBytes: 1024 ** 5 + 1 } }],
    ['half a byte', { driveQuota: { maxBytes: 1.5 } }],
    ['no objects', { driveQuota: { maxObjects: 0 } }],
    ['too many objects', { driveQuota: { maxObjects: 100_000_001 } }],
    ['null', { disabled: null }],
  ])('refuses %s', async (_what, body) => {
    const user = await a.user();
    const reply = await patch(user.id, body);
    expect(reply.status).toBe(400);
    expect(reply.body.error.code).toBe('VALIDATION_FAILED');
    expect(await auditEntries(user.id)).toEqual([]);
  });

  it('knows no other ids', async () => {
    for (const id of UNKNOWN_IDS) {
      expect((await patch(id, { disabled: true })).body.error.code, id).toBe('USER_NOT_FOUND');
    }
  });
});

describe('the last admin who can act', () => {
  let fresh: Site;
  let here: Accounts;
  let one: Caller;
  let two: Caller;

  beforeAll(async () => {
    fresh = await startAccounts();
    here = fresh.accounts;
    const other = await fresh.startAnother();
    one = await here.admin();
    two = (await here.admin()).at(other);
  });
  afterAll(() => fresh.stop());

  function set(who: Caller, data: object) {
    return here.database.prisma.user.update({ where: { id: who.id }, data });
  }

  /** Both can act again and are logged in. */
  async function reset(): Promise<void> {
    for (const who of [one, two]) {
      await set(who, {
        role: 'ADMIN',
        disabledAt: null,
        emailVerifiedAt: new Date(),
        deletionRequestedAt: null,
        deletionDueAt: null,
      });
      await here.database.prisma.session.updateMany({ where: { userId: who.id }, data: { revokedAt: null } });
    }
  }

  it('is neither demoted nor disabled, whoever else has the role', async () => {
    const now = new Date();
    for (const unable of [
      { role: 'USER' },
      { disabledAt: now },
      { emailVerifiedAt: null },
      { deletionRequestedAt: now, deletionDueAt: now },
    ]) {
      await reset();
      await set(two, unable);
      for (const change of [{ role: 'USER' }, { disabled: true }, { disabled: true, role: 'USER' }]) {
        const reply = await patch(one.id, { ...change, driveQuota: { maxBytes: 1 } }, one);
        expect(reply.status).toBe(409);
        expect(reply.body.error.code).toBe('LAST_ADMIN');
      }
      expect((await one.get(`/admin/users/${one.id}`)).body.data.user).toMatchObject({
        role: 'ADMIN',
        status: 'active',
        drive: { quota: { maxBytes: 5 * 1024 ** 3 } },
      });
      // What cannot act may go.
      expect((await patch(two.id, { role: 'USER' }, one)).status).toBe(200);
    }
    expect(await here.auditOf(one.id)).not.toContain('admin.role_change');
  });

  it('may leave when another one stays', async () => {
    await reset();
    const left = await patch(one.id, { role: 'USER' }, one);
    expect(left.status).toBe(200);
    expect(left.body.data.user.role).toBe('USER');
    expect((await one.get('/admin/users')).body.error.code).toBe('FORBIDDEN');
    await reset();
    expect((await patch(two.id, { disabled: true }, two)).status).toBe(200);
    expect((await two.get('/admin/users')).body.error.code).toBe('ACCOUNT_DISABLED');
  });

  it('is still there when two take each other’s or their own role at the same moment, in two processes', async () => {
    const demote = { role: 'USER' };
    const disable = { disabled: true };
    for (let round = 0; round < 40; round += 1) {
      await reset();
      const own = round % 4 === 3;
      const [first, second] = round % 2 === 0 ? [demote, demote] : [disable, demote];
      const replies = await Promise.all([
        patch(own ? one.id : two.id, first, one),
        patch(own ? two.id : one.id, second, two),
      ]);
      const statuses = replies.map(({ status }) => status);
      expect(
        statuses.filter((status) => status === 200),
        `round ${round}: ${statuses}`,
      ).toHaveLength(1);
      const refused = replies.find(({ status }) => status !== 200);
      // Whoever is asked who it is after the other has done it is no admin any more.
      expect(['LAST_ADMIN', 'FORBIDDEN', 'UNAUTHENTICATED', 'ACCOUNT_DISABLED']).toContain(refused?.body.error.code);
      const able = await here.database.prisma.user.count({
        where: { role: 'ADMIN', disabledAt: null, emailVerifiedAt: { not: null }, deletionDueAt: null },
      });
      expect(able, `round ${round}`).toBe(1);
    }
  }, 60_000);

  it('stays when ten demote one another in a ring', async () => {
    await reset();
    const ring = [one, two, ...(await Promise.all(Array.from({ length: 8 }, () => here.admin())))];
    for (let round = 0; round < 5; round += 1) {
      await here.database.prisma.user.updateMany({
        where: { id: { in: ring.map(({ id }) => id) } },
        data: { role: 'ADMIN' },
      });
      const replies = await Promise.all(
        ring.map((caller, i) => patch(ring[(i + 1) % ring.length]?.id ?? '', { role: 'USER' }, caller)),
      );
      const able = await here.database.prisma.user.count({ where: { role: 'ADMIN' } });
      expect(able).toBe(ring.length - replies.filter(({ status }) => status === 200).length);
      expect(able).toBeGreaterThanOrEqual(1);
    }
  });

  it('is not undone by one who was demoted while the request was under way', async () => {
    await reset();
    const third = await here.admin();
    const replies = await Promise.all([
      patch(third.id, { role: 'USER' }, one),
      ...Array.from({ length: 8 }, () => patch(third.id, { role: 'ADMIN' }, third)),
    ]);
    expect(replies[0]?.status).toBe(200);
    const { role } = await here.database.prisma.user.findUniqueOrThrow({ where: { id: third.id } });
    expect(role).toBe('USER');
  });
});
