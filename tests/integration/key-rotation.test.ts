import supertest from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KeySecretRepository } from '../../src/features/api-keys/index.ts';
import { newId } from '../../src/platform/crypto/random.ts';
import { type Accounts, type Caller, type Site, startAccounts } from '../support/accounts.ts';
import { eventually } from '../support/client-eventually.ts';

const HOUR = 3_600_000;
const UNKNOWN_IDS = [newId(), 'x', '1', "';--", '%00', `${newId()}x`];

let site: Site;
let a: Accounts;
let b: Accounts;
let me: Caller;
let other: Caller;
let admin: Caller;

beforeAll(async () => {
  site = await startAccounts();
  a = site.accounts;
  b = await site.startAnother();
  [me, other, admin] = [await a.user(), await a.user(), await a.admin()];
});
afterAll(() => site.stop());

interface Claimed {
  readonly id: string;
  readonly accessKeyId: string;
  readonly secretKey: string;
}

async function claimedKey(place: { owner: Caller; admin: Caller; accounts: Accounts }): Promise<Claimed> {
  const { id } = await place.accounts.approvedKey(place.owner, place.admin);
  return { id, ...(await place.owner.post(`/apiKeys/${id}/claim`)).body.data };
}

function newKey(): Promise<Claimed> {
  return claimedKey({ owner: me, admin, accounts: a });
}

/** A request with a secret of the key, in one of the processes. */
async function use(process: Accounts, key: Pick<Claimed, 'accessKeyId'>, secretKey: string, headers: object = {}) {
  const reply = await supertest(process.app)
    .get('/api/storage/usage')
    .set({ 'x-access-key-id': key.accessKeyId, 'x-secret-key': secretKey, ...headers });
  return reply.status === 200 ? 'ok' : reply.body.error.code;
}

async function secretsOf(key: { id: string }, owner: Caller = me) {
  return (await owner.get(`/apiKeys/${key.id}`)).body.data.apiKey.secrets;
}

function rotate(key: { id: string }, overlapHours?: number, by: Caller = me) {
  return by.post(`/apiKeys/${key.id}/rotate`, overlapHours === undefined ? undefined : { overlapHours });
}

describe('POST /apiKeys/:id/rotate', () => {
  it('gives a second secret, once; both work until the old one retires', async () => {
    const key = await newKey();
    const [first] = await secretsOf(key);
    expect(first).toEqual({
      id: expect.any(String),
      createdAt: expect.any(String),
      lastUsedAt: null,
      lastUsedIp: null,
      retiresAt: null,
    });
    const before = Date.now();
    const reply = await rotate(key);
    expect(reply.status).toBe(200);
    expect(reply.headers['cache-control']).toBe('no-store');
    const { accessKeyId, secretKey, secretId, oldSecretRetiresAt, ...rest } = reply.body.data;
    expect(rest).toEqual({});
    expect(accessKeyId).toBe(key.accessKeyId);
    expect(secretKey).toMatch(/^[A-Za-z0-9]{40}$/);
    expect(Math.abs(Date.parse(oldSecretRetiresAt) - before - 24 * HOUR)).toBeLessThan(10_000);
    expect(await secretsOf(key)).toEqual([
      expect.objectContaining({ id: secretId, retiresAt: null }),
      { ...first, retiresAt: oldSecretRetiresAt },
    ]);
    for (const process of [a, b]) {
      expect(await use(process, key, key.secretKey)).toBe('ok');
      expect(await use(process, key, secretKey)).toBe('ok');
      expect(await use(process, key, `${secretKey.slice(1)}A`)).toBe('INVALID_CREDENTIALS');
    }
    await a.database.prisma.apiKeySecret.update({ where: { id: first.id }, data: { retiresAt: new Date() } });
    for (const process of [a, b]) {
      expect(await use(process, key, key.secretKey)).toBe('INVALID_CREDENTIALS');
      expect(await use(process, key, secretKey)).toBe('ok');
    }
    expect(await secretsOf(key)).toEqual([expect.objectContaining({ id: secretId })]);
    const [entry] = await a.database.prisma.auditLog.findMany({ where: { subjectId: key.id, action: 'key.rotate' } });
    expect(entry).toMatchObject({ accessKeyId, actorId: me.id, metadata: { secretId, overlapHours: 24 } });
  });

  it('with no overlap ends the old one at once, in every process, with hash and sealed form', async () => {
    const key = await newKey();
    for (const process of [a, b]) expect(await use(process, key, key.secretKey)).toBe('ok');
    const { secretKey, secretId, oldSecretRetiresAt } = (await rotate(key, 0)).body.data;
    expect(Date.parse(oldSecretRetiresAt)).toBeLessThanOrEqual(Date.now());
    for (const process of [a, b]) {
      expect(await use(process, key, key.secretKey)).toBe('INVALID_CREDENTIALS');
      expect(await use(process, key, secretKey)).toBe('ok');
    }
    const rows = await a.database.prisma.apiKeySecret.findMany({ where: { apiKeyId: key.id } });
    expect(rows.map(({ id }) => id)).toEqual([secretId]);
  });

  it('refuses a third, naming the one that retires and when; and takes it once that has retired', async () => {
    const key = await newKey();
    const [first] = await secretsOf(key);
    const { oldSecretRetiresAt } = (await rotate(key, 720)).body.data;
    const refused = await rotate(key);
    expect(refused.body.error).toMatchObject({
      code: 'CONFLICT',
      details: { secretId: first.id, retiresAt: oldSecretRetiresAt },
    });
    await a.database.prisma.apiKeySecret.update({ where: { id: first.id }, data: { retiresAt: new Date() } });
    expect((await rotate(key, 1)).status).toBe(200);
    expect(await a.database.prisma.apiKeySecret.count({ where: { apiKeyId: key.id } })).toBe(2);
  });

  it.each([undefined, 0])('of many at once in two processes happens once (overlap %s)', async (overlapHours) => {
    const key = await newKey();
    const there = me.at(b);
    const replies = await Promise.all(
      Array.from({ length: 10 }, (_, i) => rotate(key, overlapHours, i % 2 === 0 ? me : there)),
    );
    const won = replies.filter(({ status }) => status === 200);
    // With no overlap, one that begins after another has ended is a rotation of its own.
    if (overlapHours === undefined) expect(won).toHaveLength(1);
    for (const { status, body } of replies) if (status !== 200) expect(body.error.code).toBe('CONFLICT');
    const live = await secretsOf(key);
    expect(live).toHaveLength(overlapHours === 0 ? 1 : 2);
    expect(won.some(({ body }) => body.data.secretId === live[0].id)).toBe(true);
    const entries = await a.auditOf(key.id);
    expect(entries.filter((action) => action === 'key.rotate')).toHaveLength(won.length);
  });

  it.each([-1, 720.1, '24', null])('refuses an overlap of %s', async (overlapHours) => {
    const reply = await me.post(`/apiKeys/${newId()}/rotate`, { overlapHours });
    expect(reply.body.error).toMatchObject({ code: 'VALIDATION_FAILED', details: [{ path: 'overlapHours' }] });
  });

  it('is for the owner of a claimed, living key', async () => {
    const unclaimed = await a.approvedKey(me, admin);
    expect((await rotate(unclaimed)).body.error.code).toBe('CONFLICT');
    const key = await newKey();
    for (const caller of [other, admin]) {
      expect((await rotate(key, 1, caller)).body.error.code).toBe('API_KEY_NOT_FOUND');
    }
    for (const id of UNKNOWN_IDS) expect((await rotate({ id })).body.error.code).toBe('API_KEY_NOT_FOUND');
    await a.database.prisma.apiKey.update({ where: { id: key.id }, data: { expiresAt: new Date() } });
    expect((await rotate(key)).body.error.code).toBe('CONFLICT');
    const revoked = await newKey();
    await me.delete(`/apiKeys/${revoked.id}`);
    expect((await rotate(revoked)).body.error.code).toBe('CONFLICT');
  });

  it('never lets the old one live longer than it had, and mends a key whose secrets have all retired', async () => {
    const key = await newKey();
    const [old] = await secretsOf(key);
    const first = (await rotate(key, 1)).body.data;
    await me.delete(`/apiKeys/${key.id}/secrets/${first.secretId}`);
    const second = (await rotate(key, 48)).body.data;
    expect(second.oldSecretRetiresAt).toBe(first.oldSecretRetiresAt);
    await me.delete(`/apiKeys/${key.id}/secrets/${second.secretId}`);
    await a.database.prisma.apiKeySecret.update({ where: { id: old.id }, data: { retiresAt: new Date() } });
    expect(await secretsOf(key)).toEqual([]);
    const third = (await rotate(key)).body.data;
    expect(third.oldSecretRetiresAt).toBeNull();
    expect(await use(a, key, third.secretKey)).toBe('ok');
  });

  it('does not stop those who use the key', async () => {
    const key = await newKey();
    const uses = Array.from({ length: 30 }, (_, i) => use(i % 2 === 0 ? a : b, key, key.secretKey));
    const [rotated, ...verdicts] = await Promise.all([rotate(key), ...uses]);
    expect(rotated.status).toBe(200);
    expect(new Set(verdicts)).toEqual(new Set(['ok']));
  });
});

describe('key.secrets', () => {
  it('stand in every answer that holds a key', async () => {
    const somebody = await a.user();
    const key = await claimedKey({ owner: somebody, admin, accounts: a });
    await rotate(key, 24, somebody);
    const { apiKey } = (await somebody.get(`/apiKeys/${key.id}`)).body.data;
    expect(apiKey.secrets).toHaveLength(2);
    expect((await somebody.get('/apiKeys')).body.data.apiKeys).toEqual([apiKey]);
    expect((await somebody.get('/users/profile')).body.data.apiKeys).toEqual([apiKey]);
    const renamed = await somebody.patch(`/apiKeys/${key.id}`, { name: 'x' });
    expect(renamed.body.data.apiKey.secrets).toEqual(apiKey.secrets);
    expect((await somebody.delete(`/apiKeys/${key.id}`)).body.data.apiKey.secrets).toEqual(apiKey.secrets);
  });
});

describe('DELETE /apiKeys/:id/secrets/:secretId', () => {
  it('ends one secret now, in every process', async () => {
    const key = await newKey();
    const [old] = await secretsOf(key);
    const { secretKey, secretId } = (await rotate(key)).body.data;
    for (const process of [a, b]) expect(await use(process, key, key.secretKey)).toBe('ok');
    const reply = await me.delete(`/apiKeys/${key.id}/secrets/${old.id.toUpperCase()}`);
    expect(reply.status).toBe(200);
    expect(reply.body.data.apiKey.secrets).toEqual([expect.objectContaining({ id: secretId })]);
    for (const process of [a, b]) {
      expect(await use(process, key, key.secretKey)).toBe('INVALID_CREDENTIALS');
      expect(await use(process, key, secretKey)).toBe('ok');
    }
    expect(await a.database.prisma.apiKeySecret.findUnique({ where: { id: old.id } })).toBeNull();
    expect((await me.delete(`/apiKeys/${key.id}/secrets/${old.id}`)).body.error.code).toBe('SECRET_NOT_FOUND');
    expect(await a.auditOf(key.id)).toEqual(['key.claim', 'key.rotate', 'key.secret_retired']);
  });

  it('not the only live one', async () => {
    const key = await newKey();
    const [only] = await secretsOf(key);
    expect((await me.delete(`/apiKeys/${key.id}/secrets/${only.id}`)).body.error.code).toBe('CONFLICT');
    expect(await use(a, key, key.secretKey)).toBe('ok');
  });

  it('of both at the same moment ends one', async () => {
    const there = me.at(b);
    for (let i = 0; i < 6; i += 1) {
      const key = await newKey();
      await rotate(key);
      const [one, two] = await secretsOf(key);
      const replies = await Promise.all([
        me.delete(`/apiKeys/${key.id}/secrets/${one.id}`),
        there.delete(`/apiKeys/${key.id}/secrets/${two.id}`),
      ]);
      expect(replies.map(({ status }) => status).toSorted()).toEqual([200, 409]);
      expect(await secretsOf(key)).toHaveLength(1);
    }
  });

  it('knows no retired, foreign or malformed ids', async () => {
    const [key, another] = [await newKey(), await newKey()];
    const [old] = await secretsOf(key);
    const [foreign] = await secretsOf(another);
    await rotate(key);
    for (const id of [foreign.id, ...UNKNOWN_IDS]) {
      expect((await me.delete(`/apiKeys/${key.id}/secrets/${id}`)).body.error.code).toBe('SECRET_NOT_FOUND');
    }
    for (const caller of [other, admin]) {
      const reply = await caller.delete(`/apiKeys/${key.id}/secrets/${old.id}`);
      expect(reply.body.error.code).toBe('API_KEY_NOT_FOUND');
    }
    for (const id of UNKNOWN_IDS) {
      expect((await me.delete(`/apiKeys/${id}/secrets/${old.id}`)).body.error.code).toBe('API_KEY_NOT_FOUND');
    }
    await a.database.prisma.apiKeySecret.update({ where: { id: old.id }, data: { retiresAt: new Date() } });
    expect((await me.delete(`/apiKeys/${key.id}/secrets/${old.id}`)).body.error.code).toBe('SECRET_NOT_FOUND');
  });
});

describe('the daily clearing', () => {
  it('takes what has retired, and the secrets of keys that were revoked long ago for good', async () => {
    const { prisma } = a.database;
    const [retired, living, revoked, leaving] = [await newKey(), await newKey(), await newKey(), await newKey()];
    await rotate(retired, 1);
    await rotate(living, 720);
    const now = new Date(Date.now() + 2 * HOUR);
    const boundary = new Date(now.getTime() - 30 * 24 * HOUR);
    const revoke = (id: string, data: object) => prisma.apiKey.update({ where: { id }, data });
    await revoke(revoked.id, { revokedAt: boundary });
    await revoke(leaving.id, { revokedAt: boundary, revokedWithAccount: true });
    const left = (key: Claimed) => prisma.apiKeySecret.count({ where: { apiKeyId: key.id } });
    await new KeySecretRepository(a.database).purge(now, new Date(boundary.getTime() - 1));
    expect(await Promise.all([retired, living, revoked, leaving].map(left))).toEqual([1, 2, 1, 1]);
    await new KeySecretRepository(a.database).purge(now, boundary);
    expect(await Promise.all([retired, living, revoked, leaving].map(left))).toEqual([1, 2, 0, 1]);
  });
});

describe('the last use', () => {
  it('is noted for each secret, at most once a minute over all processes', async () => {
    const key = await newKey();
    const { secretKey, secretId } = (await rotate(key)).body.data;
    const spoofed = { 'x-forwarded-for': '203.0.113.9' };
    await use(a, key, secretKey, spoofed);
    const [used, unused] = await eventually('a last use', async () => {
      const secrets = await secretsOf(key);
      return secrets[0].lastUsedAt === null ? null : secrets;
    });
    // Nobody said that there is a proxy to believe.
    expect(used).toMatchObject({ id: secretId, lastUsedIp: expect.stringMatching(/127\.0\.0\.1$|^::1$/) });
    expect(unused).toMatchObject({ lastUsedAt: null, lastUsedIp: null });
    const shown = (await me.get(`/apiKeys/${key.id}`)).body.data.apiKey;
    expect(shown.lastUsedAt).toBe(used.lastUsedAt);

    // The other process has not noted it itself, but sees that it is noted; the other secret is another matter.
    const { prisma } = a.database;
    await prisma.apiKeySecret.update({ where: { id: secretId }, data: { lastUsedIp: 'noted' } });
    await use(b, key, secretKey);
    await use(b, key, key.secretKey);
    await eventually('a last use of the other', async () => (await secretsOf(key))[1].lastUsedAt);
    expect(await secretsOf(key)).toMatchObject([{ lastUsedAt: used.lastUsedAt, lastUsedIp: 'noted' }, {}]);

    const earlier = new Date(Date.now() - 61_000);
    await prisma.apiKeySecret.updateMany({ where: { apiKeyId: key.id }, data: { lastUsedAt: earlier } });
    await prisma.apiKey.update({ where: { id: key.id }, data: { lastUsedAt: earlier } });
    await use(await site.startAnother(), key, secretKey);
    const [again] = await eventually('a later use', async () => {
      const secrets = await secretsOf(key);
      return Date.parse(secrets[0].lastUsedAt) > earlier.getTime() ? secrets : null;
    });
    expect(again.lastUsedIp).not.toBe('noted');
    expect((await me.get(`/apiKeys/${key.id}`)).body.data.apiKey.lastUsedAt).toBe(again.lastUsedAt);
  });

  it('comes from where TRUST_PROXY says', async () => {
    const behindProxy = await startAccounts({ TRUST_PROXY: '1' });
    try {
      const { accounts } = behindProxy;
      const [owner, reviewer] = [await accounts.user(), await accounts.admin()];
      const key = await claimedKey({ owner, admin: reviewer, accounts });
      await use(accounts, key, key.secretKey, { 'x-forwarded-for': '198.51.100.7, 203.0.113.9' });
      const ip = await eventually('a last use', async () => (await secretsOf(key, owner))[0].lastUsedIp);
      // One hop: what the proxy added, not what the client claims.
      expect(ip).toBe('203.0.113.9');
    } finally {
      await behindProxy.stop();
    }
  });
});
