import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AuditLogRepository, AuditLogService, AuditRecorder } from '../../src/features/audit/index.ts';
import { newId } from '../../src/platform/crypto/random.ts';
import { Database } from '../../src/platform/db/database.ts';
import { silentLogger } from '../../src/platform/logging/logger.ts';
import { MovableClock } from '../support/accounts.ts';
import { startTestApp } from '../support/app.ts';
import { insertAuditRows } from '../support/audit-rows.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';

const DAY_MS = 24 * 3600 * 1000;

let testDatabase: TestDatabase;
let database: Database;

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  database = new Database({ url: testDatabase.url, maxConnections: 4, log: silentLogger() });
});
afterAll(async () => {
  await database.close();
  await testDatabase.drop();
});

const daysAgo = (days: number) => new Date(Date.now() - days * DAY_MS);

function serviceWith(retentionDays: number | null, clock = new MovableClock()): AuditLogService {
  const logs = new AuditLogRepository(database);
  return new AuditLogService({ logs, recorder: new AuditRecorder(logs), clock, retentionDays });
}

async function entries(action: string) {
  return database.prisma.auditLog.findMany({ where: { action }, orderBy: { id: 'asc' } });
}

const { signal } = new AbortController();

describe('the retention of the audit log', () => {
  it('removes what is older, however much, and records how much that was', async () => {
    const old = Array.from({ length: 2345 }, (_, n) => ({ action: 'user.login', createdAt: daysAgo(31 + n / 100) }));
    const kept = await insertAuditRows(database, [
      { action: 'user.login', createdAt: daysAgo(29.9) },
      { action: 'user.login' },
    ]);
    await insertAuditRows(database, old);
    expect(await serviceWith(30).purge(signal)).toBe(2345);
    expect((await entries('user.login')).map(({ id }) => id)).toEqual(kept.toSorted());
    const [entry] = await entries('system.audit_purge');
    expect(entry).toMatchObject({ actorType: 'system', actorId: null, metadata: { entries: 2345 } });
    expect(await serviceWith(30).purge(signal)).toBe(0);
    expect(await entries('system.audit_purge')).toHaveLength(1);
  });

  it('keeps everything without a retention, and the last day whatever the clock says', async () => {
    await insertAuditRows(database, [{ action: 'user.logout', createdAt: daysAgo(4000) }]);
    expect(await serviceWith(null).purge(signal)).toBe(0);
    const clock = new MovableClock();
    clock.advance(100 * 365 * 24 * 3600);
    expect(await serviceWith(1, clock).purge(signal)).toBeGreaterThan(0);
    // What is left is of today.
    expect(await entries('user.logout')).toEqual([]);
    expect((await entries('user.login')).length).toBe(1);
  });

  it('stops when the process has to, and has recorded what was removed until then', async () => {
    await insertAuditRows(database, [{ action: 'user.logout', createdAt: daysAgo(50) }]);
    const aborted = AbortSignal.abort(new Error('stopping'));
    await expect(serviceWith(30).purge(aborted)).rejects.toThrow('stopping');
    expect(await entries('user.logout')).toHaveLength(1);
    const before = (await entries('system.audit_purge')).length;
    const twice = await Promise.all([serviceWith(30).purge(signal), serviceWith(30).purge(signal)]);
    expect(twice.toSorted()).toEqual([0, 1]);
    expect(await entries('system.audit_purge')).toHaveLength(before + 1);
  });

  it('is done by a job', async () => {
    const own = await createTestDatabase();
    const seeded = new Database({ url: own.url, maxConnections: 1, log: silentLogger() });
    await insertAuditRows(seeded, [{ action: 'user.login', createdAt: daysAgo(20) }]);
    await seeded.close();
    const testApp = await startTestApp({ database: own, workers: true, environment: { AUDIT_RETENTION_DAYS: '10' } });
    try {
      const { prisma } = testApp.infrastructure.database;
      await expect.poll(() => prisma.auditLog.count({ where: { action: 'system.audit_purge' } })).toBe(1);
      expect(await prisma.auditLog.count({ where: { action: 'user.login' } })).toBe(0);
    } finally {
      await testApp.close();
      await own.drop();
    }
  });
});

describe('the audit log', () => {
  it('takes no change, not even by its owner', async () => {
    await insertAuditRows(database, [{ action: 'user.register', subjectId: newId() }]);
    const run = (name: string, text: string) => database.query({ name, text }, []);
    for (const [name, text] of [
      ['test_update', `UPDATE audit_logs SET action = 'user.login'`],
      ['test_delete', `DELETE FROM audit_logs WHERE action = 'user.register'`],
      ['test_truncate', 'TRUNCATE audit_logs'],
      ['test_truncate_cascade', 'TRUNCATE audit_logs, users CASCADE'],
      ['test_merge', `MERGE INTO audit_logs a USING (SELECT 1) o ON true WHEN MATCHED THEN DELETE`],
    ] as const) {
      await expect(run(name, text), name).rejects.toThrow('audit_logs is append-only');
    }
    expect(await entries('user.register')).toHaveLength(1);
  });
});
