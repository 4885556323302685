import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Accounts, PASSWORD, type Site, startAccounts } from '../support/accounts.ts';

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

describe('PUT /users/profile', () => {
  it('changes name and username, and clears them', async () => {
    const me = await a.user();
    const username = `New.${process.pid}`;
    const reply = await me.put('/users/profile', { name: ' Ada ', username });
    expect(reply.status).toBe(200);
    expect(reply.body.data.user).toMatchObject({ id: me.id, name: 'Ada', username, emailVerified: true });
    await a.anonymous().post('/api/auth/login').send({ username, password: PASSWORD }).expect(200);
    const cleared = await me.put('/users/profile', { name: null, username: null });
    expect(cleared.body.data.user).toMatchObject({ name: null, username: null, email: me.email });
    expect(await a.auditOf(me.id)).toEqual([
      'user.register',
      'user.profile_changed',
      'user.login',
      'user.profile_changed',
    ]);
    const entry = await a.database.prisma.auditLog.findFirstOrThrow({
      where: { subjectId: me.id, action: 'user.profile_changed' },
    });
    expect(entry.metadata).toEqual({ name: true, email: false, username: true });
  });

  it('is open to the unverified, and writes nothing where nothing changes', async () => {
    const me = await a.register({ name: 'Ada' });
    const reply = await me.put('/users/profile', { name: 'Ada' });
    expect(reply.status).toBe(200);
    expect(reply.body.data.user.updatedAt).toBe(reply.body.data.user.createdAt);
    expect(await a.auditOf(me.id)).toEqual(['user.register']);
  });

  it.each([
    ['nothing', {}, ['body']],
    ['a bad address', { email: 'nobody' }, ['email']],
    ['no address', { email: null }, ['email']],
    ['a bad username', { username: 'a b' }, ['username']],
    ['an empty name', { name: ' ' }, ['name']],
    ['a role', { name: 'Ada', role: 'ADMIN' }, ['role']],
  ])('refuses %s', async (_what, body, paths) => {
    const reply = await (await a.user()).put('/users/profile', body);
    expect(reply.body.error).toMatchObject({ code: 'VALIDATION_FAILED', httpStatusCode: 400 });
    expect(reply.body.error.details.map(({ path }: { path: string }) => path)).toEqual(paths);
  });

  it('proves a new address anew and tells the old one', async () => {
    const me = await a.user();
    a.clock.advance(61);
    const email = a.newEmail();
    const reply = await me.put('/users/profile', { email });
    expect(reply.body.data.user).toMatchObject({ email, emailVerified: false });
    expect((await me.get('/users/summary')).body.error.code).toBe('EMAIL_NOT_VERIFIED');
    const told = await a.mailBox.latest(me.email, { part: email });
    expect(told.subject).toContain('e-mail address');
    const code = await a.mailBox.code(email);
    const verified = await me.post(`/otp/verify/${code}`);
    expect(verified.body.data.user).toMatchObject({ email, emailVerified: true });
    await a.anonymous().post('/api/auth/login').send({ email: me.email, password: PASSWORD }).expect(401);
    await a.anonymous().post('/api/auth/login').send({ email, password: PASSWORD }).expect(200);
    const entries = await a.database.prisma.auditLog.findMany({ where: { subjectId: me.id } });
    expect(entries.map(({ action }) => action)).toContain('user.email_changed');
    expect(JSON.stringify(entries.map(({ metadata }) => metadata))).not.toContain('@');
  });

  it('takes no code of the old address for the new one, and sends none too soon', async () => {
    const me = await a.register();
    const oldCode = await a.mailBox.code(me.email);
    const email = a.newEmail();
    expect((await me.put('/users/profile', { email })).status).toBe(200);
    expect((await me.post(`/otp/verify/${oldCode}`)).body.error.code).toBe('OTP_INVALID');
    // Within the minute of the registration's mail, whose code must not count as one that is on its way.
    const early = await me.post('/otp/send');
    expect(early.status).toBe(429);
    expect(Number(early.headers['retry-after'])).toBeLessThanOrEqual(60);
    a.clock.advance(61);
    expect((await me.post('/otp/send')).status).toBe(200);
    expect((await me.post(`/otp/verify/${await a.mailBox.code(email)}`)).status).toBe(200);
    // The old address was never proven: nobody there needs to know.
    expect((await a.mailBox.all(me.email)).length).toBe(1);
  });

  it('keeps an address verified whose case alone changes', async () => {
    const me = await a.user();
    const email = me.email.toUpperCase();
    const reply = await me.put('/users/profile', { email });
    expect(reply.body.data.user).toMatchObject({ email, emailVerified: true });
    expect(await a.auditOf(me.id)).toEqual(['user.register', 'user.profile_changed']);
  });

  it('gives an address and a username to one, also at the same moment', async () => {
    const people = await Promise.all(Array.from({ length: 6 }, () => a.user()));
    a.clock.advance(61);
    const email = a.newEmail();
    const emails = await Promise.all(people.map((one) => one.put('/users/profile', { email })));
    expect(emails.map(({ body }) => body.error?.code ?? 'ok').toSorted()).toEqual([
      ...Array(5).fill('EMAIL_TAKEN'),
      'ok',
    ]);
    const username = `taken-${process.pid}`;
    const names = await Promise.all(people.map((one) => one.put('/users/profile', { username })));
    expect(names.map(({ body }) => body.error?.code ?? 'ok').toSorted()).toEqual([
      ...Array(5).fill('USERNAME_TAKEN'),
      'ok',
    ]);
    expect(names.find(({ status }) => status !== 200)?.status).toBe(409);
    // A refused change has sent nothing.
    await a.mailBox.latest(email);
    expect((await a.mailBox.all(email)).length).toBe(1);
  });

  it('changes and verifies at once without a deadlock', async () => {
    const me = await a.register();
    const code = await a.mailBox.code(me.email);
    a.clock.advance(61);
    const replies = await Promise.all(
      Array.from({ length: 12 }, (_, i) => {
        if (i % 3 === 0) return me.put('/users/profile', { email: a.newEmail() });
        return i % 3 === 1 ? me.post(`/otp/verify/${code}`) : me.post('/otp/send');
      }),
    );
    expect(replies.every(({ status }) => status < 500)).toBe(true);
  });
});

describe('GET /users/summary', () => {
  it('shows the drive and every key with exact usage', async () => {
    const [me, other, admin] = [await a.user(), await a.user(), await a.admin()];
    const key = await a.approvedKey(me, admin);
    await a.approvedKey(other, admin);
    const claimed = (await me.post(`/apiKeys/${key.id}/claim`)).body.data;
    await a
      .anonymous()
      .post('/api/storage/upload')
      .set({ 'x-access-key-id': claimed.accessKeyId, 'x-secret-key': claimed.secretKey })
      .attach('file', Buffer.alloc(1234), 'a.bin')
      .expect(201);
    await a
      .anonymous()
      .post('/api/storage/upload')
      .auth(me.token, { type: 'bearer' })
      .attach('file', Buffer.alloc(99), 'b.bin')
      .expect(201);
    const reply = await me.get('/users/summary');
    expect(reply.status).toBe(200);
    const { profile, drive, apiKeys } = reply.body.data;
    expect(profile).toMatchObject({ id: me.id, email: me.email });
    expect(drive).toEqual({
      bytesUsed: 99,
      objects: 1,
      bytesReserved: 0,
      trashBytes: 0,
      versionBytes: 0,
      lastUpdated: expect.stringMatching(/Z$/),
      quota: { maxBytes: 5 * 1024 ** 3, maxObjects: 10_000, canUpload: true, quotaExceeded: false },
      usagePercentage: { bytes: 0, objects: 0.01 },
    });
    expect(apiKeys).toEqual([
      {
        ...(await me.get(`/apiKeys/${key.id}`)).body.data.apiKey,
        usage: expect.objectContaining({ bytesUsed: 1234, objects: 1, bytesReserved: 0 }),
      },
    ]);
    expect((await other.get('/users/summary')).body.data.apiKeys).toHaveLength(1);
  });

  it('lists keys newest first', async () => {
    const [me, admin] = [await a.user(), await a.admin()];
    for (let i = 0; i < 5; i += 1) await a.approvedKey(me, admin);
    const { apiKeys } = (await me.get('/users/summary')).body.data;
    expect(apiKeys).toHaveLength(5);
    expect(apiKeys.map(({ id }: { id: string }) => id)).toEqual(
      apiKeys
        .map(({ id }: { id: string }) => id)
        .toSorted()
        .toReversed(),
    );
  });
});
