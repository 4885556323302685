import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Accounts, type Caller, PASSWORD, type Site, startAccounts } from '../support/accounts.ts';

const TRIES = 10;
const ATTACKER = '203.0.113.66';
const VICTIM = '198.51.100.7';

let site: Site;
let a: Accounts;
let b: Accounts;

beforeAll(async () => {
  site = await startAccounts({ TRUST_PROXY: '1' });
  a = site.accounts;
  b = await site.startAnother();
});
afterAll(() => site.stop());

function login(at: Accounts, login: { email: string } | { username: string }, password: string, from: string) {
  return at
    .anonymous()
    .post('/api/auth/login')
    .set('x-forwarded-for', from)
    .send({ ...login, password });
}

async function statuses(count: number, attempt: (i: number) => PromiseLike<{ status: number }>): Promise<number[]> {
  const found: number[] = [];
  for (let i = 0; i < count; i += 1) found.push((await attempt(i)).status);
  return found;
}

describe('ten wrong passwords', () => {
  it('lock the account for their address in every process, and for no other', async () => {
    const { email } = await a.register();
    expect(await statuses(TRIES, (i) => login(i % 2 ? a : b, { email }, 'wrong password', ATTACKER))).toEqual(
      Array(TRIES).fill(401),
    );
    for (const process of [a, b]) {
      const refused = await login(process, { email }, PASSWORD, ATTACKER).expect(429);
      expect(refused.body.error.code).toBe('RATE_LIMITED');
      expect(Number(refused.headers['retry-after'])).toBeGreaterThan(800);
      // Nobody has locked the owner out.
      await login(process, { email }, PASSWORD, VICTIM).expect(200);
    }
    // That the owner came in does not open the door to the other one.
    await login(a, { email }, PASSWORD, ATTACKER).expect(429);
  });

  it('are counted by how the account was named, so that they never tell whether two names are one, or any', async () => {
    const [username, stranger] = ['two.names', 'no.names'];
    const { email } = await a.register({ username });
    for (const [first, second] of [
      [{ email }, { username }],
      [{ email: a.newEmail() }, { username: stranger }],
      // What somebody else's name looks like in the other field.
      [{ username: 'only.names' }, { email: 'only.names' }],
    ] as const) {
      await statuses(TRIES, () => login(a, first, 'wrong password', ATTACKER));
      await login(a, first, 'wrong password', ATTACKER).expect(429);
      await login(a, second, 'wrong password', ATTACKER).expect(401);
    }
    await login(a, { email: email.toUpperCase() }, PASSWORD, ATTACKER).expect(429);
  });

  it('lock an account that does not exist just so', async () => {
    const email = a.newEmail();
    expect(await statuses(TRIES + 1, () => login(a, { email }, 'wrong password', ATTACKER))).toEqual([
      ...Array(TRIES).fill(401),
      429,
    ]);
  });

  it('are worth no more when all come at once, not even with the right one among them', async () => {
    const { email } = await a.register();
    const guesses = Array.from({ length: 60 }, (_, i) => (i === 59 ? PASSWORD : `wrong password ${i}`));
    const replies = await Promise.all(guesses.map((guess, i) => login(i % 2 ? a : b, { email }, guess, ATTACKER)));
    expect(replies.filter(({ status }) => status === 401).length).toBeLessThanOrEqual(TRIES);
    expect(replies.filter(({ status }) => status === 200).length).toBeLessThanOrEqual(1);
    expect(replies.every(({ status }) => [200, 401, 429].includes(status))).toBe(true);
  });

  it('are forgotten after a right one', async () => {
    const { email } = await a.register();
    for (let round = 0; round < 3; round += 1) {
      await statuses(TRIES - 1, () => login(a, { email }, 'wrong password', VICTIM));
      await login(b, { email }, PASSWORD, VICTIM).expect(200);
    }
  });

  it('count as well where the password is asked for once more', async () => {
    const me = await a.user();
    const change = (currentPassword: string) =>
      me.post('/users/change-password', { currentPassword, newPassword: 'another password' });
    expect(await statuses(TRIES, () => change('wrong password'))).toEqual(Array(TRIES).fill(401));
    expect((await change(PASSWORD)).status).toBe(429);
  });

  it('are in the audit log, the last one as such, and no more of them afterwards', async () => {
    const me = await a.register();
    await statuses(TRIES + 5, () => login(a, { email: me.email }, 'wrong password', ATTACKER));
    const rows = await a.database.prisma.auditLog.findMany({
      where: { subjectId: me.id, action: 'user.login_failed' },
      orderBy: { createdAt: 'asc' },
    });
    expect(rows.map(({ metadata }) => (metadata as { lockedOut: boolean }).lockedOut)).toEqual([
      ...Array(TRIES - 1).fill(false),
      true,
    ]);
  });

  it('keep nobody out who logs in rightly many times at once', async () => {
    const { email } = await a.register();
    const replies = await Promise.all(Array.from({ length: 30 }, () => login(a, { email }, PASSWORD, VICTIM)));
    expect(replies.map(({ status }) => status)).toEqual(Array(30).fill(200));
  });

  it('end with the window', async () => {
    const { email } = await a.register();
    await statuses(TRIES, () => login(a, { email }, 'wrong password', ATTACKER));
    await login(a, { email }, PASSWORD, ATTACKER).expect(429);
    await a.database.prisma.rateLimit.updateMany({ data: { expire: BigInt(Date.now() - 1) } });
    await login(a, { email }, PASSWORD, ATTACKER).expect(200);
  });
});

describe('a new password by mail', () => {
  it('lets in again whoever had guessed', async () => {
    const me: Caller = await a.user();
    await statuses(TRIES, () => login(a, { email: me.email }, 'wrong password', VICTIM));
    await a.anonymous().post('/api/auth/forgot-password').send({ email: me.email }).expect(202);
    const { text } = await a.mailBox.latest(me.email, { part: 'new password' });
    const otp = /^Your code: (\d{6})$/m.exec(text)?.[1];
    await a
      .anonymous()
      .post('/api/auth/reset-password')
      .set('x-forwarded-for', VICTIM)
      .send({ email: me.email, otp, newPassword: 'another password' })
      .expect(200);
    await login(b, { email: me.email }, 'another password', VICTIM).expect(200);
  });
});
