import { createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AuthPurgeService, OneTimeCodeRepository, SessionRepository } from '../../src/features/auth/index.ts';
import { newId } from '../../src/platform/crypto/random.ts';
import { type Accounts, Caller, JWT_SECRET, PASSWORD, type Site, startAccounts } from '../support/accounts.ts';

const DAY_SECONDS = 24 * 3600;

let site: Site;
let a: Accounts;
let there: Accounts;

beforeAll(async () => {
  site = await startAccounts();
  a = site.accounts;
  there = await site.startAnother();
});
afterAll(() => site.stop());

function loginReply(email: string, password = PASSWORD) {
  return a.anonymous().post('/api/auth/login').set('User-Agent', 'Browser/1').send({ email, password });
}

async function loginAgain(me: Caller): Promise<Caller> {
  return new Caller(a.app, (await loginReply(me.email).expect(200)).body.data);
}

function refresh(refreshToken: string) {
  return a.anonymous().post('/api/auth/refresh').send({ refreshToken });
}

function sessionIdOf({ refreshToken }: { readonly refreshToken: string }): string {
  return refreshToken.split('.')[0] ?? '';
}

async function statusOf(caller: Caller): Promise<number> {
  return (await caller.get('/users/profile')).status;
}

describe('GET /auth/sessions', () => {
  it('shows where the account is logged in, newest use first', async () => {
    const me = await a.user();
    a.clock.advance(1);
    const other = await loginAgain(me);
    a.clock.advance(1);
    await refresh(me.refreshToken).expect(200);
    const { status, body } = await other.get('/auth/sessions');
    expect(status).toBe(200);
    expect(body.meta).toEqual({ nextCursor: null, limit: 50 });
    const [first, second] = body.data.sessions;
    expect(body.data.sessions).toHaveLength(2);
    expect(second).toEqual({
      id: sessionIdOf(other),
      ip: expect.stringMatching(/127\.0\.0\.1|::1/),
      userAgent: 'Browser/1',
      createdAt: expect.stringMatching(/Z$/),
      lastUsedAt: second.createdAt,
      expiresAt: new Date(Date.parse(second.createdAt) + 30 * DAY_SECONDS * 1000).toISOString(),
      current: true,
    });
    expect(first).toMatchObject({ id: sessionIdOf(me), userAgent: null, current: false });
    expect(Date.parse(first.lastUsedAt)).toBeGreaterThan(Date.parse(first.createdAt));
  });

  it('shows living ones only, and nobody else’s', async () => {
    const me = await a.user();
    await a.user();
    const [left, late] = [await loginAgain(me), await loginAgain(me)];
    await left.post('/auth/logout');
    await a.database.prisma.session.update({ where: { id: sessionIdOf(late) }, data: { expiresAt: a.clock.now() } });
    const { body } = await me.get('/auth/sessions');
    expect(body.data.sessions.map(({ id }: { id: string }) => id)).toEqual([sessionIdOf(me)]);
  });

  it('comes in pages that miss none, also where two were used at one moment', async () => {
    const me = await a.user();
    for (let i = 0; i < 4; i += 1) await loginAgain(me);
    await a.database.prisma.session.updateMany({ where: { userId: me.id }, data: { lastUsedAt: a.clock.now() } });
    const seen: string[] = [];
    let path = '/auth/sessions?limit=2';
    for (let pages = 0; path !== '' && pages < 5; pages += 1) {
      const { body } = await me.get(path);
      seen.push(...body.data.sessions.map(({ id }: { id: string }) => id));
      path = body.meta.nextCursor === null ? '' : `/auth/sessions?limit=2&cursor=${body.meta.nextCursor}`;
    }
    expect(new Set(seen).size).toBe(5);
    expect(seen).toHaveLength(5);
    expect(seen).toEqual(seen.toSorted().toReversed());
  });

  it.each(['cursor=x', 'limit=0', 'limit=201', `cursor=${Buffer.from('[1,"x"]').toString('base64url')}`])(
    'refuses ?%s',
    async (query) => {
      const reply = await (await a.user()).get(`/auth/sessions?${query}`);
      expect(reply.body.error.code).toBe('VALIDATION_FAILED');
    },
  );
});

describe('DELETE /auth/sessions/:id', () => {
  it('ends that session in every process, and no other', async () => {
    const me = await a.user();
    const other = await loginAgain(me);
    expect(await statusOf(other.at(there))).toBe(200);
    const reply = await me.delete(`/auth/sessions/${sessionIdOf(other).toUpperCase()}`);
    expect(reply.status).toBe(200);
    expect(reply.body.data).toBeNull();
    expect(await statusOf(other.at(there))).toBe(401);
    await refresh(other.refreshToken).expect(401);
    expect(await statusOf(me)).toBe(200);
    const entry = await a.database.prisma.auditLog.findFirstOrThrow({
      where: { subjectId: me.id, action: 'user.session_ended' },
    });
    expect(entry).toMatchObject({ actorId: me.id, metadata: { sessionId: sessionIdOf(other) } });
  });

  it('may be the present one', async () => {
    const me = await a.user();
    expect((await me.delete(`/auth/sessions/${sessionIdOf(me)}`)).status).toBe(200);
    expect(await statusOf(me)).toBe(401);
  });

  it('does not find what is foreign, ended, expired, unknown or no id, and says so once of many', async () => {
    const me = await a.user();
    const stranger = await a.user();
    const [gone, late, twice] = [await loginAgain(me), await loginAgain(me), await loginAgain(me)];
    await gone.post('/auth/logout');
    await a.database.prisma.session.update({ where: { id: sessionIdOf(late) }, data: { expiresAt: a.clock.now() } });
    for (const id of [sessionIdOf(stranger), sessionIdOf(gone), sessionIdOf(late), newId(), 'x', '%00', 'a%27--']) {
      const reply = await me.delete(`/auth/sessions/${id}`);
      expect([reply.status, reply.body.error.code], id).toEqual([404, 'SESSION_NOT_FOUND']);
    }
    expect(await statusOf(stranger)).toBe(200);
    const replies = await Promise.all(
      Array.from({ length: 6 }, (_, i) => me.at(i % 2 ? a : there).delete(`/auth/sessions/${sessionIdOf(twice)}`)),
    );
    expect(replies.map(({ status }) => status).toSorted()).toEqual([200, 404, 404, 404, 404, 404]);
    expect((await a.auditOf(me.id)).filter((action) => action === 'user.session_ended')).toHaveLength(1);
  });
});

describe('POST /auth/logout-all', () => {
  it('ends every session in every process, the present one too', async () => {
    const me = await a.register();
    const other = await loginAgain(me);
    const stranger = await a.register();
    const reply = await me.post('/auth/logout-all');
    expect([reply.status, reply.body.data]).toEqual([200, { endedSessions: 2 }]);
    for (const caller of [me, other]) {
      expect(await statusOf(caller.at(there))).toBe(401);
      await refresh(caller.refreshToken).expect(401);
    }
    expect(await statusOf(stranger)).toBe(200);
    const entry = await a.database.prisma.auditLog.findFirstOrThrow({
      where: { subjectId: me.id, action: 'user.logout_all' },
    });
    expect(entry.metadata).toEqual({ count: 2 });
    await loginReply(me.email).expect(200);
  });
});

describe('GET /auth/verify-token', () => {
  it('tells whose token it is and until when it is good', async () => {
    const me = await a.register();
    const { status, body } = await me.get('/auth/verify-token');
    const { exp } = JSON.parse(Buffer.from(me.token.split('.')[1] ?? '', 'base64url').toString());
    expect(status).toBe(200);
    expect(body.data).toEqual({
      valid: true,
      user: (await me.get('/users/profile')).body.data.user,
      expiresAt: new Date(exp * 1000).toISOString(),
    });
  });

  it('is 401 without a token, with a key, and after logging out', async () => {
    await a.anonymous().get('/api/auth/verify-token').expect(401);
    const keys = { 'x-access-key-id': 'AKIA', 'x-secret-key': 'secret' };
    await a.anonymous().get('/api/auth/verify-token').set(keys).expect(401);
    const me = await a.register();
    await me.post('/auth/logout');
    expect((await me.get('/auth/verify-token')).status).toBe(401);
  });
});

describe('an access token', () => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
  const hmac = (hash: string, key: string) => (text: string) => createHmac(hash, key).update(text).digest('base64url');
  const rsa = (key: KeyObject) => (text: string) => sign('sha256', Buffer.from(text), key).toString('base64url');
  const own = hmac('sha256', JWT_SECRET);

  function forge(header: object, claims: object, signature: (text: string) => string): string {
    const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const text = `${encode(header)}.${encode(claims)}`;
    return `${text}.${signature(text)}`;
  }

  const verify = (token: string) => a.anonymous().get('/api/auth/verify-token').auth(token, { type: 'bearer' });
  const claimsOf = (caller: Caller, changes: object = {}) => {
    const iat = Math.floor(a.clock.now().getTime() / 1000);
    return { sub: caller.id, sid: sessionIdOf(caller), role: 'USER', iat, exp: iat + 900, ...changes };
  };
  const HS256 = { alg: 'HS256', typ: 'JWT' };

  it('is what this test can make with the secret, good for 15 minutes', async () => {
    const me = await a.register();
    await verify(forge(HS256, claimsOf(me), own)).expect(200);
    const late = claimsOf(me, { exp: Math.floor(a.clock.now().getTime() / 1000) - 1 });
    expect((await verify(forge(HS256, late, own)).expect(401)).body.error.code).toBe('TOKEN_EXPIRED');
    a.clock.advance(899);
    expect((await me.get('/auth/verify-token')).status).toBe(200);
    a.clock.advance(2);
    expect((await me.get('/auth/verify-token')).body.error.code).toBe('TOKEN_EXPIRED');
  });

  it.each<[string, object, object, (text: string) => string]>([
    ['no algorithm', { alg: 'none', typ: 'JWT' }, {}, () => ''],
    ['no algorithm, signed all the same', { alg: 'nOnE' }, {}, own],
    ['another key', HS256, {}, hmac('sha256', 'another key of the same length, or some more')],
    ['an empty key', HS256, {}, hmac('sha256', '')],
    ['HS512', { alg: 'HS512' }, {}, hmac('sha512', JWT_SECRET)],
    ['HS384', { alg: 'HS384' }, {}, hmac('sha384', JWT_SECRET)],
    ['HS512, called HS256', HS256, {}, hmac('sha512', JWT_SECRET)],
    ['RS256', { alg: 'RS256' }, {}, rsa(privateKey)],
    ['a public key as the secret', HS256, {}, hmac('sha256', pem)],
    ['a key in the header', { alg: 'RS256', jwk: publicKey.export({ format: 'jwk' }) }, {}, rsa(privateKey)],
    ['a key id with a path', { ...HS256, kid: '../../dev/null' }, {}, hmac('sha256', '')],
    ['no subject', HS256, { sub: undefined }, own],
    ['no session', HS256, { sid: undefined }, own],
    ['no role', HS256, { role: undefined }, own],
    ['no time of issue', HS256, { iat: undefined }, own],
    ['no end', HS256, { exp: undefined }, own],
    ['an end that is no number', HS256, { exp: '9999999999' }, own],
    ['an unknown role', HS256, { role: 'ROOT' }, own],
    ['a subject that is no id', HS256, { sub: "' OR 1=1 --" }, own],
    ['a session that is none', HS256, { sid: newId() }, own],
  ])('with %s is refused', async (_what, header, changes, signature) => {
    const me = await a.register();
    const reply = await verify(forge(header, claimsOf(me, changes), signature)).expect(401);
    expect(reply.body.error.code).toBe('UNAUTHENTICATED');
  });

  it('that was altered is refused, wherever it was', async () => {
    const me = await a.register();
    const [header = '', claims = '', signature = ''] = me.token.split('.');
    const raised = Buffer.from(JSON.stringify(claimsOf(me, { role: 'ADMIN' }))).toString('base64url');
    const flipped = (signature.startsWith('A') ? 'B' : 'A') + signature.slice(1);
    const altered = [
      [header, raised, signature],
      [header, claims, flipped],
      [header, claims, ''],
      [header, claims],
      [header, claims, signature, signature],
    ];
    for (const parts of altered) await verify(parts.join('.')).expect(401);
  });

  it('of one user does not open the session of another', async () => {
    const [me, other] = [await a.register(), await a.register()];
    await verify(forge(HS256, claimsOf(me, { sid: sessionIdOf(other) }), own)).expect(401);
    await verify(forge(HS256, claimsOf(other, { sid: sessionIdOf(me) }), own)).expect(401);
  });

  it('is not believed about the role', async () => {
    const admin = await a.admin();
    const asAdmin = (await loginReply(admin.email)).body.data;
    const caller = new Caller(a.app, asAdmin);
    expect((await caller.get('/apiKeys/request/admin/all')).status).toBe(200);
    await a.database.prisma.user.update({ where: { id: admin.id }, data: { role: 'USER' } });
    const reply = await caller.get('/apiKeys/request/admin/all');
    expect([reply.status, reply.body.error.code]).toEqual([403, 'FORBIDDEN']);
    const forged = forge(HS256, claimsOf(admin, { role: 'ADMIN' }), own);
    await a.anonymous().get('/api/apiKeys/request/admin/all').auth(forged, { type: 'bearer' }).expect(403);
  });
});

describe('login of an account that is about to be deleted', () => {
  const later = () => new Date(a.clock.now().getTime() + 5 * DAY_SECONDS * 1000);

  async function leave(id: string, changes: object = {}) {
    const data = { deletionRequestedAt: a.clock.now(), deletionDueAt: later(), ...changes };
    return a.database.prisma.user.update({ where: { id }, data });
  }

  it('says so, and opens a session that reaches the way back only', async () => {
    const { email, id } = await a.user();
    expect((await loginReply(email)).body.data).not.toHaveProperty('deletion');
    const { deletionRequestedAt, deletionDueAt } = await leave(id);
    await loginReply(email, 'wrong password').expect(401);
    const { body } = await loginReply(email).expect(200);
    expect(body.message).toContain('POST /api/users/account/restore');
    expect(body.data).toMatchObject({
      user: { id },
      deletion: {
        requestedAt: deletionRequestedAt?.toISOString(),
        dueAt: deletionDueAt?.toISOString(),
        byAdmin: false,
      },
    });
    const renewed = await refresh(body.data.refreshToken).expect(200);
    const caller = new Caller(a.app, renewed.body.data);
    expect((await caller.get('/auth/verify-token')).status).toBe(200);
    expect((await caller.get('/users/profile')).body.error.code).toBe('ACCOUNT_DELETION_PENDING');
    expect((await caller.get('/auth/sessions')).body.error.code).toBe('ACCOUNT_DELETION_PENDING');
    expect((await caller.post('/auth/logout')).status).toBe(200);
    const again = new Caller(a.app, (await loginReply(email)).body.data);
    expect((await again.post('/auth/logout-all')).status).toBe(200);
  });

  it('tells who alone can undo what an admin did', async () => {
    const { email, id } = await a.user();
    await leave(id, { deletionByAdmin: true });
    const { body } = await loginReply(email).expect(200);
    expect(body.data.deletion.byAdmin).toBe(true);
    expect(body.message).toContain('only an admin');
  });

  it('is that of an unknown account once the erasure has begun', async () => {
    const { email, id } = await a.user();
    await leave(id, { erasureStartedAt: a.clock.now() });
    const reply = await loginReply(email).expect(401);
    const unknown = await loginReply(a.newEmail()).expect(401);
    expect(reply.body.error.code).toBe('INVALID_CREDENTIALS');
    expect(reply.body.message).toBe(unknown.body.message);
  });
});

describe('what has ended', () => {
  it('is forgotten: sessions after 30 days, codes after one', async () => {
    const { database, clock } = a;
    const codes = new OneTimeCodeRepository(database);
    const purge = new AuthPurgeService({ sessions: new SessionRepository(database), codes, clock });
    const [living, left, fresh] = [await a.register(), await a.register(), await a.register()];
    const at = (days: number) => new Date(clock.now().getTime() + days * DAY_SECONDS * 1000);
    const change = (caller: Caller, data: object) =>
      database.prisma.session.update({ where: { id: sessionIdOf(caller) }, data });
    const expired = await a.register();
    await change(expired, { expiresAt: at(-30.1) });
    await change(left, { revokedAt: at(-30.1), expiresAt: at(-0.2) });
    const recent = await a.register();
    await change(recent, { revokedAt: at(-29.9), expiresAt: at(-0.1) });
    await database.prisma.oneTimeCode.update({
      where: { userId_purpose: { userId: left.id, purpose: 'EMAIL_VERIFICATION' } },
      data: { expiresAt: at(-1.1) },
    });
    const filler = Array.from({ length: 2500 }, () => ({
      id: newId(),
      userId: fresh.id,
      refreshTokenHash: new Uint8Array(32),
      expiresAt: at(-40),
    }));
    await database.prisma.session.createMany({ data: filler });
    await Promise.all([1, 2].map(() => purge.purge(new AbortController().signal)));
    const kept = await database.prisma.session.findMany({
      where: { userId: { in: [living, left, fresh, expired, recent].map(({ id }) => id) } },
    });
    expect(kept.map(({ id }) => id).toSorted()).toEqual([living, fresh, recent].map(sessionIdOf).toSorted());
    const withCode = await database.prisma.oneTimeCode.findMany({ where: { userId: { in: [living.id, left.id] } } });
    expect(withCode.map(({ userId }) => userId)).toEqual([living.id]);
  });
});
