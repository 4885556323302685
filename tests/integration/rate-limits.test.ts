import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Accounts, PASSWORD, type Site, startAccounts } from '../support/accounts.ts';

const opened: Site[] = [];
afterEach(() => Promise.all(opened.splice(0).map((site) => site.stop())));

async function start(environment: Record<string, string>): Promise<{ site: Site; a: Accounts }> {
  const site = await startAccounts(environment);
  opened.push(site);
  return { site, a: site.accounts };
}

/** Another account each time: of one, ten wrong passwords are the end (lock-out.test.ts). */
function guess(a: Accounts, headers: Record<string, string> = {}) {
  return a.anonymous().post('/api/auth/login').set(headers).send({ email: a.newEmail(), password: PASSWORD });
}

describe('the limit on what could be guessed', () => {
  it('is exact over processes', async () => {
    const { site, a } = await start({ RATE_LIMIT_AUTH: '20/h/ip' });
    const b = await site.startAnother();
    const replies = await Promise.all(Array.from({ length: 60 }, (_, i) => guess(i % 2 === 0 ? a : b)));
    const statuses = replies.map(({ status }) => status);
    expect(statuses.filter((status) => status === 401)).toHaveLength(20);
    expect(statuses.filter((status) => status === 429)).toHaveLength(40);
  });

  it('says what is left and when to come back', async () => {
    const { a } = await start({ RATE_LIMIT_AUTH: '2/min/ip' });
    const first = await guess(a).expect(401);
    expect(first.headers).toMatchObject({
      'ratelimit-limit': '2',
      'ratelimit-remaining': '1',
      'ratelimit-policy': '2;w=60',
    });
    expect((await guess(a).expect(401)).headers['ratelimit-remaining']).toBe('0');
    const refused = await guess(a).expect(429);
    expect(refused.body.error).toMatchObject({ code: 'RATE_LIMITED', details: { limit: 2, windowSeconds: 60 } });
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    expect(Number(refused.headers['retry-after'])).toBeLessThanOrEqual(60);
    expect(refused.headers['ratelimit-reset']).toBe(refused.headers['retry-after']);
  });

  it('is one for all such routes, and holds before anything is looked up', async () => {
    const { a } = await start({ RATE_LIMIT_AUTH: '1/min/ip' });
    await a.register();
    await guess(a).expect(429);
    await a.anonymous().post('/api/auth/register').send({}).expect(429);
    await a.anonymous().post('/api/otp/verify/000000').expect(429);
    // What cannot be guessed has another.
    await a.anonymous().post('/api/auth/refresh').send({ refreshToken: 'x' }).expect(401);
    await a.anonymous().get('/api/open/health').expect(200);
  });

  it('counts spoofed forwarded addresses as one client unless the proxy is trusted', async () => {
    const { a } = await start({ RATE_LIMIT_AUTH: '5/h/ip' });
    const replies = await Promise.all(
      Array.from({ length: 50 }, (_, i) =>
        guess(a, {
          'x-forwarded-for': `198.51.100.${i}`,
          forwarded: `for=198.51.100.${i}`,
          'x-real-ip': `10.0.0.${i}`,
        }),
      ),
    );
    expect(replies.filter(({ status }) => status === 401)).toHaveLength(5);
  });

  it('goes by the address that a trusted proxy saw, whatever the client wrote before it', async () => {
    const { a } = await start({ RATE_LIMIT_AUTH: '1/h/ip', TRUST_PROXY: '1' });
    await guess(a, { 'x-forwarded-for': '203.0.113.1' }).expect(401);
    await guess(a, { 'x-forwarded-for': '203.0.113.2' }).expect(401);
    await guess(a, { 'x-forwarded-for': '192.0.2.77, 203.0.113.1' }).expect(429);
    // One subscriber has a whole /64.
    await guess(a, { 'x-forwarded-for': '2001:db8::1' }).expect(401);
    await guess(a, { 'x-forwarded-for': '2001:db8::ffff' }).expect(429);
    await guess(a, { 'x-forwarded-for': '2001:db8:0:1::1' }).expect(401);
  });

  it('lets in again when its window is over', async () => {
    const { site, a } = await start({ RATE_LIMIT_AUTH: '1/h/ip' });
    await guess(a).expect(401);
    await a.database.prisma.rateLimit.updateMany({ data: { expire: BigInt(Date.now() - 1) } });
    // Another process: the first one remembers for itself until when it refuses.
    const b = await site.startAnother();
    await guess(b).expect(401);
  });

  it('is 503 where it cannot count', async () => {
    const { a } = await start({ RATE_LIMIT_AUTH: '5/h/ip' });
    await a.database.prisma.$executeRaw`ALTER TABLE rate_limits RENAME TO elsewhere`;
    expect((await guess(a)).status).toBeGreaterThanOrEqual(500);
  });
});

describe('the limits on use', () => {
  let site: Site;
  let a: Accounts;
  beforeAll(async () => {
    site = await startAccounts({ RATE_LIMIT_API: '5/h/principal', RATE_LIMIT_UPLOAD: '2/h/key' });
    a = site.accounts;
  });
  afterAll(() => site.stop());

  it('counts each user alone', async () => {
    const [me, other] = [await a.user(), await a.user()];
    for (let i = 0; i < 5; i += 1) expect((await me.get('/users/profile')).status).toBe(200);
    const refused = await me.get('/users/profile');
    expect(refused.status).toBe(429);
    expect(refused.headers['retry-after']).toBeDefined();
    expect((await other.get('/users/profile')).status).toBe(200);
  });

  it('counts uploads beside everything else', async () => {
    const me = await a.user();
    const upload = () =>
      a
        .anonymous()
        .post('/api/storage/upload')
        .auth(me.token, { type: 'bearer' })
        .attach('file', Buffer.from('x'), 'x');
    expect((await upload()).headers).toMatchObject({ 'ratelimit-limit': '2', 'ratelimit-remaining': '1' });
    expect((await upload()).status).toBe(201);
    const refused = await upload();
    expect(refused.status).toBe(429);
    expect(refused.headers['x-quota-bytes-remaining']).toBeDefined();
    expect((await me.get('/storage/usage')).status).toBe(200);
  });

  it('counts an address that proves nothing, and says so in the end', async () => {
    const statuses: number[] = [];
    for (let i = 0; i < 7; i += 1) {
      statuses.push((await a.anonymous().get('/api/storage/usage').set('x-access-key-id', 'AKIANOBODY')).status);
    }
    expect(statuses).toEqual([401, 401, 401, 401, 401, 429, 429]);
  });
});
