import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Accounts, Caller, PASSWORD, type Site, startAccounts } from '../support/accounts.ts';

let site: Site;
let a: Accounts;

beforeAll(async () => {
  site = await startAccounts();
  a = site.accounts;
});
afterAll(() => site.stop());

function register(body: object) {
  return a.anonymous().post('/api/auth/register').send(body);
}

function login(body: object) {
  return a.anonymous().post('/api/auth/login').send(body);
}

function refresh(refreshToken: string) {
  return a.anonymous().post('/api/auth/refresh').send({ refreshToken });
}

describe('POST /auth/register', () => {
  it('creates an account with a session and a drive', async () => {
    const email = a.newEmail();
    const reply = await register({ email, password: PASSWORD, name: ' Ada ', username: 'Ada_1' }).expect(201);
    const { user, token, refreshToken } = reply.body.data;
    expect(reply.body).toMatchObject({ success: true, meta: null });
    expect(user).toEqual({
      id: expect.any(String),
      email,
      username: 'Ada_1',
      name: 'Ada',
      role: 'USER',
      emailVerified: false,
      createdAt: expect.stringMatching(/Z$/),
      updatedAt: user.createdAt,
    });
    expect(refreshToken).toMatch(/^[0-9a-f-]{36}\.[\w-]{43}$/);
    const me = new Caller(a.app, { user, token, refreshToken });
    expect((await me.get('/users/profile')).body.data).toEqual({ user, apiKeys: [] });
    const drive = await a.database.prisma.space.findFirstOrThrow({ where: { ownerId: user.id } });
    expect(drive).toMatchObject({ kind: 'DRIVE', prefix: `users/${user.id}/`, quotaBytes: 5n * 1024n ** 3n });
    expect(await a.auditOf(user.id)).toEqual(['user.register']);
  });

  it('keeps no password and no token readable', async () => {
    const { id, refreshToken } = await a.register();
    const row = await a.database.prisma.user.findUniqueOrThrow({ where: { id }, include: { sessions: true } });
    expect(row.passwordHash).toMatch(/^\$2b\$/);
    const stored = Buffer.from(row.sessions[0]?.refreshTokenHash ?? []);
    expect(stored).toHaveLength(32);
    expect(stored.toString('utf8')).not.toContain(refreshToken);
  });

  it('takes an address once, whatever its case, also at the same moment', async () => {
    const email = a.newEmail();
    const replies = await Promise.all(
      Array.from({ length: 8 }, (_, i) =>
        register({ email: i % 2 === 0 ? email : email.toUpperCase(), password: PASSWORD }),
      ),
    );
    expect(replies.map(({ status }) => status).toSorted()).toEqual([201, ...Array(7).fill(409)]);
    expect(replies.find(({ status }) => status === 409)?.body.error).toMatchObject({
      code: 'EMAIL_TAKEN',
      httpStatusCode: 409,
    });
    expect(await a.database.prisma.user.count({ where: { emailKey: email } })).toBe(1);
  });

  it('compares letters beyond ASCII without case and in composed form', async () => {
    await register({ email: 'Änne@example.com', password: PASSWORD }).expect(201);
    const reply = await register({ email: 'a\u0308NNE@example.com', password: PASSWORD }).expect(409);
    expect(reply.body.error.code).toBe('EMAIL_TAKEN');
  });

  it('takes a username once, whatever its case', async () => {
    await register({ email: a.newEmail(), password: PASSWORD, username: 'Grace' }).expect(201);
    const reply = await register({ email: a.newEmail(), password: PASSWORD, username: 'gRACE' }).expect(409);
    expect(reply.body.error.code).toBe('USERNAME_TAKEN');
  });

  it.each([
    ['nothing', {}, ['email', 'password']],
    ['a bad address', { email: 'nobody', password: PASSWORD }, ['email']],
    ['a short password', { email: 'x@example.com', password: '1234567' }, ['password']],
    ['a long password', { email: 'x@example.com', password: 'ä'.repeat(37) }, ['password']],
    ['NUL in a password', { email: 'x@example.com', password: 'abcd\u0000efgh' }, ['password']],
    ['NUL in a name', { email: 'x@example.com', password: PASSWORD, name: 'a\u0000b' }, ['name']],
    ['a username like an address', { email: 'x@example.com', password: PASSWORD, username: 'a@b.c' }, ['username']],
    [
      'a role',
      { email: 'x@example.com', password: PASSWORD, role: 'ADMIN', emailVerified: true },
      ['role', 'emailVerified'],
    ],
    ['wrong types', { email: 1, password: [], name: {} }, ['email', 'password', 'name']],
  ])('refuses %s', async (_what, body, paths) => {
    const reply = await register(body).expect(400);
    expect(reply.body.error.code).toBe('VALIDATION_FAILED');
    expect(reply.body.error.details.map(({ path }: { path: string }) => path).toSorted()).toEqual(paths.toSorted());
  });

  it('takes a password of exactly 72 bytes', async () => {
    const email = a.newEmail();
    const password = 'ä'.repeat(36);
    await register({ email, password }).expect(201);
    await login({ email, password }).expect(200);
    await login({ email, password: `${password}x` }).expect(401);
  });
});

describe('POST /auth/login', () => {
  it('logs in by address or username, whatever their case', async () => {
    const { email, id } = await a.register({ username: 'Login.Me' });
    for (const body of [{ email: ` ${email.toUpperCase()} ` }, { username: 'login.ME' }]) {
      const reply = await login({ ...body, password: PASSWORD }).expect(200);
      expect(reply.body.data).toMatchObject({ user: { id }, token: expect.any(String) });
    }
    expect(await a.auditOf(id)).toEqual(['user.register', 'user.login', 'user.login']);
  });

  it('does not touch updatedAt', async () => {
    const { email, id } = await a.register();
    const updatedAt = async () => (await a.database.prisma.user.findUniqueOrThrow({ where: { id } })).updatedAt;
    const before = await updatedAt();
    a.clock.advance(1);
    await login({ email, password: PASSWORD }).expect(200);
    expect(await updatedAt()).toEqual(before);
  });

  it('answers an unknown account as a wrong password', async () => {
    const { email, id } = await a.register();
    const wrong = await login({ email, password: 'wrong password' }).expect(401);
    const unknown = await login({ email: a.newEmail(), password: 'wrong password' }).expect(401);
    const withNul = await login({ email, password: `${PASSWORD}\u0000` }).expect(401);
    const bare = ({ body }: { body: { error: { requestId: string } } }) => ({
      ...body,
      error: { ...body.error, requestId: '' },
    });
    expect(bare(unknown)).toEqual(bare(wrong));
    expect(bare(withNul)).toEqual(bare(wrong));
    expect(wrong.body.error.code).toBe('INVALID_CREDENTIALS');
    expect(await a.auditOf(id)).toEqual(['user.register', 'user.login_failed', 'user.login_failed']);
  });

  it('tells a disabled account only to who knows its password', async () => {
    const { email, id } = await a.register();
    await a.database.prisma.user.update({ where: { id }, data: { disabledAt: new Date() } });
    expect((await login({ email, password: 'wrong password' })).status).toBe(401);
    const reply = await login({ email, password: PASSWORD }).expect(403);
    expect(reply.body.error.code).toBe('ACCOUNT_DISABLED');
  });

  it.each([
    ['neither name', { password: PASSWORD }],
    ['both names', { email: 'a@example.com', username: 'abc', password: PASSWORD }],
    ['no password', { email: 'a@example.com' }],
    ['NUL', { email: 'a\u0000@example.com', password: PASSWORD }],
    ['another field', { email: 'a@example.com', password: PASSWORD, admin: true }],
    ['an object for a name', { email: { contains: '@' }, password: PASSWORD }],
  ])('refuses %s', async (_what, body) => {
    const reply = await login(body).expect(400);
    expect(reply.body.error.code).toBe('VALIDATION_FAILED');
  });
});

describe('POST /auth/refresh', () => {
  it('gives new tokens, and the old one no more', async () => {
    const { refreshToken, id } = await a.register();
    const first = await refresh(refreshToken).expect(200);
    expect(first.body.data).toMatchObject({ user: { id } });
    expect(first.body.data.refreshToken).not.toBe(refreshToken);
    const second = await refresh(first.body.data.refreshToken).expect(200);
    await new Caller(a.app, second.body.data).get('/users/profile').then(({ status }) => expect(status).toBe(200));
  });

  it('ends the whole family when a used token comes back', async () => {
    const me = await a.register();
    const other = await login({ email: me.email, password: PASSWORD }).expect(200);
    const { body } = await refresh(me.refreshToken).expect(200);
    const replay = await refresh(me.refreshToken).expect(401);
    expect(replay.body.error.code).toBe('UNAUTHENTICATED');
    await refresh(body.data.refreshToken).expect(401);
    expect((await me.get('/users/profile')).status).toBe(401);
    expect((await new Caller(a.app, body.data).get('/users/profile')).status).toBe(401);
    // The other session is another family.
    expect((await new Caller(a.app, other.body.data).get('/users/profile')).status).toBe(200);
    expect(await a.auditOf(me.id)).toEqual([
      'user.register',
      'user.login',
      'user.session_refreshed',
      'user.refresh_replayed',
    ]);
  });

  it('ends no session for a token that was never issued', async () => {
    const me = await a.register();
    const [sessionId = '', secret = ''] = me.refreshToken.split('.');
    const other = (await a.register()).refreshToken.split('.')[1] ?? '';
    const flipped = (secret.startsWith('A') ? 'B' : 'A') + secret.slice(1);
    for (const guess of ['A'.repeat(43), other, flipped]) {
      expect((await refresh(`${sessionId}.${guess}`).expect(401)).body.error.code).toBe('UNAUTHENTICATED');
    }
    expect((await refresh(`${sessionId.toUpperCase()}.${secret}`)).status).toBe(401);
    expect((await me.get('/users/profile')).status).toBe(200);
    await refresh(me.refreshToken).expect(200);
    expect(await a.auditOf(me.id)).toEqual(['user.register', 'user.session_refreshed']);
  });

  it('of many at once with one token lets one through', async () => {
    const { refreshToken } = await a.register();
    const replies = await Promise.all(Array.from({ length: 10 }, () => refresh(refreshToken)));
    expect(replies.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(replies.filter(({ status }) => status === 401)).toHaveLength(9);
  });

  it('refuses what is not ours, has expired or belongs to a disabled account', async () => {
    for (const token of [
      'x',
      'a.b',
      `${'0'.repeat(8)}-0000-7000-8000-000000000000.${'A'.repeat(43)}`,
      'x'.repeat(256),
    ]) {
      expect((await refresh(token).expect(401)).body.error.code).toBe('UNAUTHENTICATED');
    }
    await refresh('x'.repeat(257)).expect(400);
    const late = await a.register();
    await a.database.prisma.session.updateMany({ where: { userId: late.id }, data: { expiresAt: new Date() } });
    expect((await refresh(late.refreshToken).expect(401)).body.error.code).toBe('TOKEN_EXPIRED');
    const banned = await a.register();
    await a.database.prisma.user.update({ where: { id: banned.id }, data: { disabledAt: new Date() } });
    expect((await refresh(banned.refreshToken).expect(403)).body.error.code).toBe('ACCOUNT_DISABLED');
  });
});

describe('POST /auth/logout', () => {
  it('ends this session and no other', async () => {
    const me = await a.register();
    const other = new Caller(a.app, (await login({ email: me.email, password: PASSWORD })).body.data);
    const reply = await me.post('/auth/logout');
    expect(reply.status).toBe(200);
    expect(reply.body.data).toBeNull();
    expect((await me.get('/users/profile')).status).toBe(401);
    await refresh(me.refreshToken).expect(401);
    expect((await other.get('/users/profile')).status).toBe(200);
    expect((await me.post('/auth/logout')).status).toBe(401);
  });

  it('wants a session', async () => {
    await a.anonymous().post('/api/auth/logout').expect(401);
  });
});

describe('POST /otp/send and /otp/verify/:otp', () => {
  it('proves the address with the code of the registration', async () => {
    const me = await a.register();
    expect((await me.get('/apiKeys')).body.error.code).toBe('EMAIL_NOT_VERIFIED');
    const reply = await me.post(`/otp/verify/${await a.mailBox.code(me.email)}`);
    expect(reply.status).toBe(200);
    expect(reply.body.data.user).toMatchObject({ id: me.id, emailVerified: true });
    expect((await me.get('/apiKeys')).status).toBe(200);
    expect(await a.auditOf(me.id)).toEqual(['user.register', 'user.email_verified']);
    // Verified already: fine, whatever the code.
    expect((await me.post('/otp/verify/000000')).status).toBe(200);
    expect((await me.post('/otp/send')).body.data).toEqual({ sent: false, expiresAt: null });
  });

  it('counts the mail of the registration as the first, then one a minute', async () => {
    const me = await a.register();
    const first = await me.post('/otp/send');
    expect(first.status).toBe(200);
    expect(first.body.data).toEqual({ sent: true, expiresAt: expect.stringMatching(/Z$/) });
    const again = await me.post('/otp/send');
    expect(again.status).toBe(429);
    expect(again.body.error.code).toBe('RATE_LIMITED');
    expect(Number(again.headers['retry-after'])).toBeGreaterThan(50);
    const code = await a.mailBox.code(me.email);
    expect(await a.mailBox.all(me.email)).toHaveLength(1);
    expect((await me.post(`/otp/verify/${code}`)).status).toBe(200);
    expect(await a.auditOf(me.id)).toEqual(['user.register', 'user.otp_sent', 'user.email_verified']);
  });

  it('takes the right code many times at once, and afterwards', async () => {
    const me = await a.register();
    const code = await a.mailBox.code(me.email);
    const statuses = (await Promise.all(Array.from({ length: 10 }, () => me.post(`/otp/verify/${code}`)))).map(
      ({ status }) => status,
    );
    expect(statuses.filter((status) => status === 200).length).toBeGreaterThanOrEqual(5);
    expect(statuses.every((status) => status === 200 || status === 429)).toBe(true);
    expect((await me.post(`/otp/verify/${code}`)).status).toBe(200);
  });

  it('replaces the code after a minute', async () => {
    const me = await a.register();
    const old = await a.mailBox.code(me.email);
    a.clock.advance(61);
    await Promise.all([me.post('/otp/send'), me.post('/otp/send')]).then((replies) => {
      expect(replies.map(({ status }) => status).toSorted()).toEqual([200, 429]);
    });
    const code = await a.mailBox.code(me.email, 2);
    if (old !== code) expect((await me.post(`/otp/verify/${old}`)).body.error.code).toBe('OTP_INVALID');
    expect((await me.post(`/otp/verify/${code}`)).status).toBe(200);
  });

  it('lets a code expire after ten minutes', async () => {
    const me = await a.register();
    const code = await a.mailBox.code(me.email);
    a.clock.advance(601);
    expect((await me.get('/users/profile')).status).toBe(200);
    expect((await me.post(`/otp/verify/${code}`)).body.error.code).toBe('OTP_INVALID');
  });

  it('gives five tries, which a resend does not renew within the window', async () => {
    const me = await a.register();
    const code = await a.mailBox.code(me.email);
    const wrong = code === '000000' ? '000001' : '000000';
    for (let i = 0; i < 4; i += 1) {
      expect((await me.post(`/otp/verify/${wrong}`)).body.error.code).toBe('OTP_INVALID');
    }
    a.clock.advance(61);
    expect((await me.post('/otp/send')).status).toBe(200);
    const second = await a.mailBox.code(me.email, 2);
    expect((await me.post(`/otp/verify/${second === wrong ? '000002' : wrong}`)).status).toBe(400);
    const refused = await me.post(`/otp/verify/${second}`);
    expect(refused.body.error.code).toBe('RATE_LIMITED');
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(400);
    a.clock.advance(61);
    expect((await me.post('/otp/send')).status).toBe(429);
    // A new window, a new code, new tries.
    a.clock.advance(500);
    expect((await me.post('/otp/send')).status).toBe(200);
    expect((await me.post(`/otp/verify/${await a.mailBox.code(me.email, 3)}`)).status).toBe(200);
  });

  it('evaluates 5 of 1000 guesses at once over two processes', async () => {
    const me = await a.register();
    const code = await a.mailBox.code(me.email);
    const there = me.at(await site.startAnother());
    const guesses = Array.from({ length: 1000 }, (_, i) => String((Number(code) + 1 + i) % 1_000_000).padStart(6, '0'));
    const outcomes = await Promise.all(
      guesses.map(async (guess, i) => (await (i % 2 === 0 ? me : there).post(`/otp/verify/${guess}`)).body.error.code),
    );
    const of = (outcome: string) => outcomes.filter((other) => other === outcome).length;
    expect({ wrong: of('OTP_INVALID'), refused: of('RATE_LIMITED') }).toEqual({ wrong: 5, refused: 995 });
  });

  it('proves only the address that the code was sent to', async () => {
    const me = await a.register();
    const code = await a.mailBox.code(me.email);
    const other = a.newEmail();
    await a.database.prisma.user.update({ where: { id: me.id }, data: { email: other, emailKey: other } });
    expect((await me.post(`/otp/verify/${code}`)).body.error.code).toBe('OTP_INVALID');
  });

  it('is no code of somebody else', async () => {
    const me = await a.register();
    const other = await a.register();
    const mine = await a.mailBox.code(me.email);
    if (mine !== (await a.mailBox.code(other.email))) {
      expect((await other.post(`/otp/verify/${mine}`)).body.error.code).toBe('OTP_INVALID');
    }
  });

  it.each(['12345', '1234567', 'abcdef', '12345%00', '１２３４５６'])(
    'refuses %j as a code without taking a try',
    async (otp) => {
      const me = await a.register();
      const reply = await me.post(`/otp/verify/${encodeURI(otp)}`);
      expect(reply.body.error.code).toBe('VALIDATION_FAILED');
      const row = await a.database.prisma.oneTimeCode.findFirstOrThrow({ where: { userId: me.id } });
      expect(row.attempts).toBe(0);
    },
  );

  it('wants a session', async () => {
    await a.anonymous().post('/api/otp/send').expect(401);
    await a.anonymous().post('/api/otp/verify/123456').expect(401);
  });
});

describe('the first admin', () => {
  it('is made once by a hundred starts at once, and never a second time', async () => {
    const fresh = await startAccounts();
    try {
      const [one, two] = [fresh.accounts, await fresh.startAnother()];
      const answers = await Promise.all(
        Array.from({ length: 100 }, (_, i) =>
          (i % 2 === 0 ? one : two).firstAdmin.ensureFirstAdmin({ email: 'Admin@localhost' }),
        ),
      );
      const passwords = answers.filter((answer) => answer !== null);
      expect(passwords).toHaveLength(1);
      const reply = await two
        .anonymous()
        .post('/api/auth/login')
        .send({ email: 'admin@LOCALHOST', password: passwords[0] })
        .expect(200);
      const { user } = reply.body.data;
      expect(user).toMatchObject({ role: 'ADMIN', email: 'Admin@localhost', emailVerified: true });
      expect((await new Caller(two.app, reply.body.data).get('/apiKeys/request/admin/all')).status).toBe(200);
      expect(await two.auditOf(user.id)).toEqual(['system.admin_created', 'user.login']);
      expect(await two.firstAdmin.ensureFirstAdmin({ email: 'another@localhost' })).toBeNull();
      expect(await two.database.prisma.user.count()).toBe(1);
    } finally {
      await fresh.stop();
    }
  });

  it('has the password that was given, if one was', async () => {
    const fresh = await startAccounts();
    try {
      const admin = { email: 'root@example.com', password: PASSWORD };
      expect(await fresh.accounts.firstAdmin.ensureFirstAdmin(admin)).toBeNull();
      await fresh.accounts.anonymous().post('/api/auth/login').send(admin).expect(200);
    } finally {
      await fresh.stop();
    }
  });

  it('does not take over an account', async () => {
    const fresh = await startAccounts();
    try {
      const { email } = await fresh.accounts.register();
      await expect(fresh.accounts.firstAdmin.ensureFirstAdmin({ email })).rejects.toThrow('another account');
    } finally {
      await fresh.stop();
    }
  });
});
