import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { resetRequestJob } from '../../src/features/auth/index.ts';
import { type Accounts, Caller, PASSWORD, type Site, startAccounts } from '../support/accounts.ts';

const NEW_PASSWORD = 'battery staple correct';
const CODE_MAIL = 'Set a new password';
const CHANGED_MAIL = 'Your password was changed';

let site: Site;
let a: Accounts;
let there: Accounts;

beforeAll(async () => {
  site = await startAccounts();
  a = site.accounts;
  there = await site.startAnother();
});
afterAll(() => site.stop());

function login(email: string, password: string) {
  return a.anonymous().post('/api/auth/login').send({ email, password });
}

async function loginAgain(me: Caller): Promise<Caller> {
  return new Caller(a.app, (await login(me.email, PASSWORD).expect(200)).body.data);
}

function forgot(email: string, at = a) {
  return at.anonymous().post('/api/auth/forgot-password').set('User-Agent', 'Browser/1').send({ email });
}

function reset(email: string, otp: string, at = a, newPassword = NEW_PASSWORD) {
  return at.anonymous().post('/api/auth/reset-password').send({ email, otp, newPassword });
}

/** Asks for a code and takes it from the mail, which is the `count`th of its kind. */
async function codeFor(email: string, count = 1): Promise<string> {
  await forgot(email).expect(202);
  const { text } = await a.mailBox.latest(email, { count, part: CODE_MAIL });
  return /^Your code: (\d{6})$/m.exec(text)?.[1] ?? '';
}

/** Some code that is not this one. */
function wrong(code: string, offset = 1): string {
  return String((Number(code) + offset) % 1_000_000).padStart(6, '0');
}

/** Waits until every request for a code has been worked on. */
async function settle(): Promise<void> {
  const statement = {
    name: 'test_open_reset_jobs',
    text: "SELECT count(*) AS open FROM pgboss.job WHERE name = $1 AND state < 'completed'",
  };
  const open = async () => (await a.database.query<{ open: number }>(statement, [resetRequestJob.name]))[0]?.open;
  await expect.poll(open, { timeout: 15_000 }).toBe(0);
}

function codeRow(userId: string) {
  return a.database.prisma.oneTimeCode.findUnique({
    where: { userId_purpose: { userId, purpose: 'PASSWORD_RESET' } },
  });
}

async function statusOf(caller: Caller): Promise<number> {
  return (await caller.get('/users/profile')).status;
}

describe('POST /users/change-password', () => {
  const change = (caller: Caller, body: object = {}) =>
    caller.post('/users/change-password', { currentPassword: PASSWORD, newPassword: NEW_PASSWORD, ...body });

  it('sets the new one, ends every other session in every process and tells the owner', async () => {
    const me = await a.user();
    const other = await loginAgain(me);
    const reply = await change(me);
    expect([reply.status, reply.body.data]).toEqual([200, { endedSessions: 1 }]);
    expect(await statusOf(me.at(there))).toBe(200);
    expect(await statusOf(other.at(there))).toBe(401);
    await a.anonymous().post('/api/auth/refresh').send({ refreshToken: other.refreshToken }).expect(401);
    await a.anonymous().post('/api/auth/refresh').send({ refreshToken: me.refreshToken }).expect(200);
    await login(me.email, PASSWORD).expect(401);
    await login(me.email, NEW_PASSWORD).expect(200);
    expect((await a.mailBox.latest(me.email, { part: CHANGED_MAIL })).text).toMatch(/From: .*(127\.0\.0\.1|::1)/);
    expect(await a.auditOf(me.id)).toContain('user.password_changed');
  });

  it('wants the current one', async () => {
    const me = await a.user();
    for (const currentPassword of ['wrong password', `${PASSWORD}\u0000`, 'x'.repeat(73)]) {
      const reply = await change(me, { currentPassword });
      expect([reply.status, reply.body.error.code]).toEqual([401, 'INVALID_CREDENTIALS']);
    }
    expect(await statusOf(me)).toBe(200);
    await login(me.email, PASSWORD).expect(200);
  });

  it('of many at once in two processes lets one through', async () => {
    const me = await a.user();
    const replies = await Promise.all(
      Array.from({ length: 8 }, (_, i) => change(me.at(i % 2 ? a : there), { newPassword: `${NEW_PASSWORD} ${i}` })),
    );
    const statuses = replies.map(({ status }) => status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(1);
    // Who came late enough meets another current password.
    expect(statuses.every((status) => [200, 401, 409].includes(status))).toBe(true);
    await login(me.email, `${NEW_PASSWORD} ${statuses.indexOf(200)}`).expect(200);
    expect((await a.auditOf(me.id)).filter((action) => action === 'user.password_changed')).toHaveLength(1);
  });

  it('voids a code that was asked for before', async () => {
    const me = await a.user();
    const code = await codeFor(me.email);
    expect((await change(me)).status).toBe(200);
    expect((await reset(me.email, code)).body.error.code).toBe('OTP_INVALID');
    await login(me.email, NEW_PASSWORD).expect(200);
  });

  it.each([
    ['the same once more', { newPassword: PASSWORD }, ['newPassword']],
    ['a short one', { newPassword: '1234567' }, ['newPassword']],
    ['a long one', { newPassword: 'ä'.repeat(37) }, ['newPassword']],
    ['NUL', { newPassword: 'abcd\u0000efgh' }, ['newPassword']],
    ['nothing', { currentPassword: '', newPassword: undefined }, ['currentPassword', 'newPassword']],
    ['another field', { userId: 'x' }, ['userId']],
  ])('refuses %s', async (_what, body, paths) => {
    const reply = await change(await a.user(), body);
    expect(reply.body.error.code).toBe('VALIDATION_FAILED');
    expect(reply.body.error.details.map(({ path }: { path: string }) => path).toSorted()).toEqual(paths);
  });

  it('is for verified users', async () => {
    expect((await change(await a.register())).body.error.code).toBe('EMAIL_NOT_VERIFIED');
  });
});

describe('POST /auth/forgot-password', () => {
  it('answers alike whoever it is, and mails whom there is', async () => {
    const me = await a.register();
    const known = await forgot(me.email.toUpperCase()).set('x-request-id', 'asked-here').expect(202);
    const unknown = await forgot(a.newEmail()).expect(202);
    expect(known.body).toEqual(unknown.body);
    expect(known.body.data).toBeNull();
    await a.mailBox.latest(me.email, { part: CODE_MAIL });
    const entry = await a.database.prisma.auditLog.findFirstOrThrow({
      where: { subjectId: me.id, action: 'user.password_reset_requested' },
    });
    expect(entry).toMatchObject({ actorType: 'anonymous', userAgent: 'Browser/1', requestId: 'asked-here' });
    expect(entry.ip).not.toBeNull();
    expect(await statusOf(me)).toBe(200);
  });

  it('puts no address readable into the queue', async () => {
    const email = a.newEmail();
    await forgot(email).expect(202);
    const rows = await a.database.query<{ data: string }>(
      { name: 'test_reset_jobs', text: 'SELECT data::text FROM pgboss.job WHERE name = $1' },
      [resetRequestJob.name],
    );
    expect(rows.length).toBeGreaterThan(0);
    for (const { data } of rows) {
      expect(data).toContain('sealed');
      expect(data).not.toContain('@');
    }
  });

  it('mails one code a minute, quietly', async () => {
    const { email, id } = await a.register();
    const first = await codeFor(email);
    await Promise.all(Array.from({ length: 5 }, (_, i) => forgot(email, i % 2 ? a : there).expect(202)));
    await settle();
    a.clock.advance(61);
    const second = await codeFor(email, 2);
    if (first !== second) await reset(email, first).expect(400);
    await reset(email, second).expect(200);
    const asked = (await a.auditOf(id)).filter((action) => action === 'user.password_reset_requested');
    expect(asked).toHaveLength(2);
  });

  it('does nothing twice when its job runs twice', async () => {
    const { email, id } = await a.register();
    const code = await codeFor(email);
    await settle();
    const before = await codeRow(id);
    const again = {
      name: 'test_run_reset_jobs_again',
      text: `INSERT INTO pgboss.job (name, data) SELECT name, data FROM pgboss.job WHERE name = $1 ORDER BY created_on DESC LIMIT 1`,
    };
    a.clock.advance(120);
    await a.database.query(again, [resetRequestJob.name]);
    // Wakes the worker, which then takes up both.
    await forgot(a.newEmail()).expect(202);
    await settle();
    expect(await codeRow(id)).toEqual(before);
    await reset(email, code).expect(200);
  });

  it('sends nothing to disabled and erased accounts, and to one about to be deleted what it needs', async () => {
    const [disabled, erased, leaving] = [await a.user(), await a.user(), await a.user()];
    const leave = { deletionRequestedAt: a.clock.now(), deletionDueAt: a.clock.now() };
    const update = (id: string, data: object) => a.database.prisma.user.update({ where: { id }, data });
    await update(disabled.id, { disabledAt: a.clock.now() });
    await update(erased.id, { ...leave, erasureStartedAt: a.clock.now() });
    await update(leaving.id, leave);
    for (const { email } of [disabled, erased]) await forgot(email).expect(202);
    await reset(leaving.email, await codeFor(leaving.email)).expect(200);
    await settle();
    for (const { id } of [disabled, erased]) expect(await codeRow(id)).toBeNull();
  });

  it.each([{}, { email: 'nobody' }, { email: 1 }, { email: 'a@example.com', otp: '1' }])('refuses %j', async (body) => {
    const reply = await a.anonymous().post('/api/auth/forgot-password').send(body).expect(400);
    expect(reply.body.error.code).toBe('VALIDATION_FAILED');
  });
});

describe('POST /auth/reset-password', () => {
  it('sets the password, once, ends every session and tells the owner', async () => {
    const me = await a.register();
    const other = await loginAgain(me);
    const code = await codeFor(me.email);
    const reply = await reset(me.email.toUpperCase(), code, there).expect(200);
    expect(reply.body.data).toBeNull();
    for (const caller of [me, other]) {
      expect(await statusOf(caller.at(there))).toBe(401);
      await a.anonymous().post('/api/auth/refresh').send({ refreshToken: caller.refreshToken }).expect(401);
    }
    await login(me.email, PASSWORD).expect(401);
    await login(me.email, NEW_PASSWORD).expect(200);
    await a.mailBox.latest(me.email, { part: CHANGED_MAIL });
    await reset(me.email, code, a, 'a third password').expect(400);
    await login(me.email, NEW_PASSWORD).expect(200);
    const entry = await a.database.prisma.auditLog.findFirstOrThrow({
      where: { subjectId: me.id, action: 'user.password_reset' },
    });
    expect(entry).toMatchObject({ actorId: me.id, metadata: { sessionsEnded: 2 } });
  });

  it('has one answer for an unknown account and every code that is not good', async () => {
    const [me, never, late, verifying] = [
      await a.register(),
      await a.register(),
      await a.register(),
      await a.register(),
    ];
    const lateCode = await codeFor(late.email);
    a.clock.advance(601);
    const code = await codeFor(me.email);
    const used = await a.register();
    const usedCode = await codeFor(used.email);
    await reset(used.email, usedCode).expect(200);
    const answers = await Promise.all([
      reset(a.newEmail(), code),
      reset(never.email, code),
      reset(late.email, lateCode),
      reset(me.email, wrong(code)),
      reset(used.email, usedCode),
      reset(verifying.email, await a.mailBox.code(verifying.email)),
    ]);
    for (const { status, body, headers } of answers) {
      expect([status, body.error.code, body.message]).toEqual([400, 'OTP_INVALID', answers[0].body.message]);
      expect(headers).not.toHaveProperty('retry-after');
    }
    await reset(me.email, code).expect(200);
  });

  it('evaluates 5 of 600 guesses at once over two processes, and then not even the right one', async () => {
    const me = await a.register();
    const code = await codeFor(me.email);
    const guesses = Array.from({ length: 600 }, (_, i) => wrong(code, i + 1));
    const replies = await Promise.all(guesses.map((guess, i) => reset(me.email, guess, i % 2 ? a : there)));
    expect(new Set(replies.map(({ status, body }) => `${status} ${body.error.code}`))).toEqual(
      new Set(['400 OTP_INVALID']),
    );
    expect((await codeRow(me.id))?.attempts).toBe(5);
    await reset(me.email, code).expect(400);
    // Nor does a resend within the window give new tries: there is none, quietly.
    a.clock.advance(61);
    await forgot(me.email).expect(202);
    await settle();
    expect((await codeRow(me.id))?.attempts).toBe(5);
    await reset(me.email, code).expect(400);
    a.clock.advance(600);
    await reset(me.email, await codeFor(me.email, 2)).expect(200);
  });

  it('counts tries over a resend', async () => {
    const me = await a.register();
    const code = await codeFor(me.email);
    for (let i = 1; i <= 3; i += 1) await reset(me.email, wrong(code, i)).expect(400);
    a.clock.advance(61);
    const second = await codeFor(me.email, 2);
    for (let i = 1; i <= 2; i += 1) await reset(me.email, wrong(second, i)).expect(400);
    await reset(me.email, second).expect(400);
    await login(me.email, PASSWORD).expect(200);
  });

  it('takes the right code once of many at the same moment', async () => {
    const me = await a.register();
    const code = await codeFor(me.email);
    const replies = await Promise.all(
      Array.from({ length: 5 }, (_, i) => reset(me.email, code, i % 2 ? a : there, `${NEW_PASSWORD} ${i}`)),
    );
    const statuses = replies.map(({ status }) => status);
    expect(statuses.toSorted()).toEqual([200, 400, 400, 400, 400]);
    await login(me.email, `${NEW_PASSWORD} ${statuses.indexOf(200)}`).expect(200);
  });

  it('or the change by the owner at the same moment: one of the two', async () => {
    for (let round = 0; round < 4; round += 1) {
      const me = await a.user();
      const code = await codeFor(me.email);
      const body = { currentPassword: PASSWORD, newPassword: 'changed by the owner' };
      const [changed, done] = await Promise.all([
        me.post('/users/change-password', body),
        reset(me.email, code, there),
      ]);
      expect([changed.status, done.status]).toEqual(
        done.status === 200 ? [expect.toBeOneOf([401, 409]), 200] : [200, 400],
      );
      await login(me.email, done.status === 200 ? NEW_PASSWORD : body.newPassword).expect(200);
    }
  });

  it('leaves no session of a login that came at the same moment', async () => {
    const me = await a.register();
    const code = await codeFor(me.email);
    const [done, ...logins] = await Promise.all([
      reset(me.email, code),
      ...Array.from({ length: 10 }, (_, i) => login(me.email, i % 2 ? PASSWORD : 'wrong password')),
    ]);
    expect(done.status).toBe(200);
    for (const { status, body } of logins) {
      expect([200, 401]).toContain(status);
      if (status === 200) expect(await statusOf(new Caller(a.app, body.data))).toBe(401);
    }
  });

  it('is no way into a disabled account, nor for another address or account', async () => {
    const [disabled, moved, other] = [await a.register(), await a.register(), await a.register()];
    const [disabledCode, movedCode] = [await codeFor(disabled.email), await codeFor(moved.email)];
    await a.database.prisma.user.update({ where: { id: disabled.id }, data: { disabledAt: a.clock.now() } });
    expect((await reset(disabled.email, disabledCode)).body.error.code).toBe('OTP_INVALID');
    const email = a.newEmail();
    await a.database.prisma.user.update({ where: { id: moved.id }, data: { email, emailKey: email } });
    for (const address of [email, moved.email, other.email]) await reset(address, movedCode).expect(400);
    await login(email, PASSWORD).expect(200);
  });

  it.each([
    ['nothing', {}, ['email', 'newPassword', 'otp']],
    ['a code of five', { email: 'a@example.com', otp: '12345', newPassword: NEW_PASSWORD }, ['otp']],
    ['a number', { email: 'a@example.com', otp: 123456, newPassword: NEW_PASSWORD }, ['otp']],
    ['a short password', { email: 'a@example.com', otp: '123456', newPassword: '1234567' }, ['newPassword']],
    ['another field', { email: 'a@example.com', otp: '123456', newPassword: NEW_PASSWORD, role: 'ADMIN' }, ['role']],
  ])('refuses %s', async (_what, body, paths) => {
    const reply = await a.anonymous().post('/api/auth/reset-password').send(body).expect(400);
    expect(reply.body.error.code).toBe('VALIDATION_FAILED');
    expect(reply.body.error.details.map(({ path }: { path: string }) => path).toSorted()).toEqual(paths);
  });
});
