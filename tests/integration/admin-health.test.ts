import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { newId } from '../../src/platform/crypto/random.ts';
import { Accounts, type Caller, ENCRYPTION_KEY, MovableClock } from '../support/accounts.ts';
import { startTestApp, type TestApp } from '../support/app.ts';

const DAY = 24 * 3600;

let testApp: TestApp;
let a: Accounts;
let admin: Caller;

beforeAll(async () => {
  const clock = new MovableClock();
  const environment = {
    JWT_SECRET: 'a secret of the tests, and of nothing else',
    ENCRYPTION_KEY: ENCRYPTION_KEY.toString('base64'),
    RATE_LIMIT_AUTH: 'off',
    RATE_LIMIT_UPLOAD: 'off',
    RATE_LIMIT_API: 'off',
  };
  testApp = await startTestApp({ clock, environment });
  a = new Accounts(testApp, clock);
  admin = await a.admin();
});
afterEach(() => {
  vi.restoreAllMocks();
});
afterAll(() => testApp.close());

async function system() {
  const reply = await admin.get('/admin/health');
  expect(reply.status).toBe(200);
  return reply.body.data.system;
}

async function statistics() {
  return (await admin.get('/admin/health')).body.data.statistics;
}

describe('GET /admin/health: the system', () => {
  it('is ok, with what each part says of itself', async () => {
    expect(await system()).toEqual({
      status: 'ok',
      uptime: expect.any(Number),
      version: '0.0.0-test',
      database: {
        status: 'up',
        latencyMs: expect.any(Number),
        migrations: { applied: expect.any(Number), unfinished: 0, latest: expect.stringMatching(/^\d{14}_\w+$/) },
        connections: expect.any(Number),
        maxConnections: 300,
      },
      objectStore: { status: 'up', latencyMs: expect.any(Number) },
      queue: {
        status: 'up',
        latencyMs: expect.any(Number),
        // Nobody works here: the mail with the admin's code waits.
        waiting: 1,
        active: 0,
        failed: 0,
        oldestWaitingSeconds: expect.any(Number),
      },
    });
    const before = (await system()).uptime;
    a.clock.advance(60);
    expect((await system()).uptime - before).toBeGreaterThanOrEqual(60);
  });

  it('is degraded when the object store fails, without saying what it said', async () => {
    vi.spyOn(testApp.infrastructure.store, 'ping').mockRejectedValue(new Error('AccessDenied: bucket "secret"'));
    const reply = await admin.get('/admin/health');
    expect(reply.status).toBe(200);
    expect(reply.body.data.system).toMatchObject({
      status: 'degraded',
      database: { status: 'up' },
      objectStore: { status: 'down', latencyMs: expect.any(Number) },
      queue: { status: 'up' },
    });
    expect(reply.body.data.statistics.users.total).toBeGreaterThan(0);
    expect(JSON.stringify(reply.body)).not.toContain('AccessDenied');
    vi.restoreAllMocks();
    expect((await system()).status).toBe('ok');
  });

  it('is degraded after 2 s when the store and the queue are silent', async () => {
    vi.spyOn(testApp.infrastructure.store, 'ping').mockReturnValue(new Promise(() => undefined));
    vi.spyOn(testApp.composition.queue, 'stats').mockReturnValue(new Promise(() => undefined));
    const startedAt = performance.now();
    expect(await system()).toMatchObject({
      status: 'degraded',
      objectStore: { status: 'down' },
      queue: { status: 'down', waiting: null, active: null, failed: null, oldestWaitingSeconds: null },
    });
    expect(performance.now() - startedAt).toBeGreaterThan(1900);
    expect(performance.now() - startedAt).toBeLessThan(3500);
  });

  it('is for admins', async () => {
    await a.anonymous().get('/api/admin/health').expect(401);
    expect((await (await a.user()).get('/admin/health')).body.error.code).toBe('FORBIDDEN');
  });
});

describe('GET /admin/health: the statistics', () => {
  it('count users', async () => {
    const before = (await statistics()).users;
    const users = await Promise.all(Array.from({ length: 6 }, () => a.user()));
    await a.register();
    const change = async (i: number, data: object) =>
      a.database.prisma.user.update({ where: { id: users[i]?.id ?? '' }, data });
    const now = a.clock.now();
    await change(0, { disabledAt: now });
    await change(1, { role: 'ADMIN' });
    await change(2, { deletionRequestedAt: now, deletionDueAt: now });
    await change(3, { createdAt: new Date(now.getTime() - 31 * DAY * 1000) });
    await change(4, { createdAt: new Date(now.getTime() - 29 * DAY * 1000) });
    const after = (await statistics()).users;
    const more = Object.fromEntries(Object.keys(after).map((name) => [name, after[name] - before[name]]));
    expect(more).toEqual({
      total: 7,
      verified: 6,
      unverified: 1,
      disabled: 1,
      admins: 1,
      deletionPending: 1,
      registeredLast30Days: 6,
    });
  });

  it('count keys and requests', async () => {
    const before = await statistics();
    const owner = await a.user();
    const keys: string[] = [];
    for (let i = 0; i < 5; i += 1) keys.push((await a.approvedKey(owner, admin)).id);
    await owner.post(`/apiKeys/${keys[0]}/claim`);
    await owner.delete(`/apiKeys/${keys[1]}`);
    const past = new Date(a.clock.now().getTime() - 1000);
    await a.database.prisma.apiKey.updateMany({ where: { id: { in: keys.slice(1, 3) } }, data: { expiresAt: past } });
    const request = async (status: 'PENDING' | 'REJECTED' | 'WITHDRAWN') =>
      a.database.prisma.apiKeyRequest.create({
        data: {
          id: newId(),
          userId: owner.id,
          requestType: 'CREATE',
          keyName: 'x',
          requestedStorageGB: 1,
          requestedObjects: 1n,
          reason: 'ten letters',
          status,
        },
      });
    for (const status of ['PENDING', 'PENDING', 'REJECTED', 'WITHDRAWN'] as const) await request(status);
    const after = await statistics();
    expect(after.apiKeys).toEqual({
      total: before.apiKeys.total + 5,
      active: before.apiKeys.active + 3,
      revoked: before.apiKeys.revoked + 1,
      expired: before.apiKeys.expired + 1,
      unclaimed: before.apiKeys.unclaimed + 2,
    });
    expect(after.requests).toEqual({
      total: before.requests.total + 9,
      pending: before.requests.pending + 2,
      approved: before.requests.approved + 5,
      rejected: before.requests.rejected + 1,
      withdrawn: before.requests.withdrawn + 1,
    });
  });

  it('add up the counters of all spaces, also beyond 2^53', async () => {
    const before = (await statistics()).storage;
    const owner = await a.user();
    await a.database.prisma.space.updateMany({
      where: { ownerId: owner.id },
      data: { usedBytes: 123n, usedObjects: 4n, reservedBytes: 5n, reservedObjects: 1n, quotaBytes: 1000n },
    });
    expect((await statistics()).storage).toEqual({
      spaces: before.spaces + 1,
      objects: before.objects + 4,
      bytesUsed: before.bytesUsed + 123,
      bytesReserved: before.bytesReserved + 5,
      quotaBytes: before.quotaBytes + 1000,
    });
    const huge = await Promise.all(Array.from({ length: 9 }, () => a.user()));
    await a.database.prisma.space.updateMany({
      where: { ownerId: { in: huge.map(({ id }) => id) } },
      data: { quotaBytes: 1024n ** 5n },
    });
    expect((await statistics()).storage.quotaBytes).toBeGreaterThan(Number.MAX_SAFE_INTEGER);
  });
});
