import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AuditLogRepository, AuditLogService, AuditRecorder } from '../../src/features/audit/index.ts';
import { Accounts, MovableClock, PASSWORD } from '../support/accounts.ts';
import { startTestApp } from '../support/app.ts';
import { insertAuditRows } from '../support/audit-rows.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';

const DOCUMENT = readFileSync(new URL('../../docs/DATABASE_ROLES.md', import.meta.url), 'utf8');
const ENVIRONMENT = {
  JWT_SECRET: 'a secret of the tests, and of nothing else',
  RATE_LIMIT_AUTH: 'off',
  RATE_LIMIT_UPLOAD: 'off',
  RATE_LIMIT_API: 'off',
};
/** Roles belong to the whole server, which the tests share. */
const ROLE = `pockity_app_${randomUUID().slice(0, 8)}`;
const ZERO = '00000000-0000-0000-0000-000000000000';

let database: TestDatabase;
let owner: Client;
let app: Client;
let a: Accounts;

beforeAll(async () => {
  database = await createTestDatabase();
  // The owner's start installs the job queue; the tables are there.
  await (await startTestApp({ database, environment: ENVIRONMENT })).close();
  owner = new Client({ connectionString: database.url });
  await owner.connect();
  const sql = /```sql\n([\s\S]+?)```/.exec(DOCUMENT)?.[1] ?? '';
  await owner.query(sql.replaceAll('pockity_app', ROLE));
  const url = new URL(database.url);
  url.username = ROLE;
  url.password = encodeURIComponent('change me');
  app = new Client({ connectionString: url.href });
  await app.connect();
  const clock = new MovableClock();
  const testApp = await startTestApp({
    database: { ...database, url: url.href },
    clock,
    workers: true,
    environment: ENVIRONMENT,
  });
  a = new Accounts(testApp, clock);
});

afterAll(async () => {
  await a?.stop();
  await app?.end();
  await owner?.query(`DROP OWNED BY ${ROLE}; DROP ROLE ${ROLE}`);
  await owner?.end();
  await database.drop();
});

describe('the service as the role of docs/DATABASE_ROLES.md', () => {
  it('is really that role', async () => {
    const [row] = await a.database.query<{ current_user: string }>(
      { name: 'test_who', text: 'SELECT current_user' },
      [],
    );
    expect(row?.current_user).toBe(ROLE);
  });

  it('registers, logs in, takes files, gives them, deletes them and sends mail', async () => {
    const user = await a.user();
    await a.anonymous().post('/api/auth/login').send({ email: user.email, password: PASSWORD }).expect(200);
    const as = (request: ReturnType<ReturnType<typeof a.anonymous>['get']>) =>
      request.auth(user.token, { type: 'bearer' });
    await as(a.anonymous().post('/api/storage/upload')).attach('file', Buffer.from('hello'), 'a.txt').expect(201);
    await as(a.anonymous().get('/api/storage/files/a.txt/content')).expect(200, 'hello');
    await as(a.anonymous().delete('/api/storage/files/a.txt')).expect(200);
    const actions = await a.database.prisma.auditLog.findMany({ where: { actorId: user.id }, orderBy: { id: 'asc' } });
    expect(actions.map(({ action }) => action)).toEqual(
      expect.arrayContaining(['user.register', 'user.login', 'file.upload', 'file.download', 'file.delete']),
    );
    // By a job.
    expect((await a.mailBox.latest(user.email)).to).toBe(user.email);
    const admin = await a.admin();
    expect((await a.approvedKey(user, admin)).id).toBeTruthy();
    expect((await admin.get('/admin/audit-logs')).status).toBe(200);
  });

  it('ends what the retention does not keep', async () => {
    const createdAt = new Date(Date.now() - 400 * 24 * 3600 * 1000);
    const [id = ''] = await insertAuditRows(a.database, [{ action: 'user.login', createdAt }]);
    const logs = new AuditLogRepository(a.database);
    const service = new AuditLogService({
      logs,
      recorder: new AuditRecorder(logs),
      clock: a.clock,
      retentionDays: 365,
    });
    expect(await service.purge(new AbortController().signal)).toBe(1);
    expect(await a.database.prisma.auditLog.findUnique({ where: { id } })).toBeNull();
  });

  it('pseudonymises an account that is being erased, and no other', async () => {
    const user = await a.user();
    const pseudonymise = () => app.query('SELECT audit_pseudonymise($1, $2, $3, 1000)', [user.id, [], ZERO]);
    await expect(pseudonymise()).rejects.toThrow('the account is not being erased');
    const now = new Date();
    await a.database.prisma.user.update({
      where: { id: user.id },
      data: { deletionRequestedAt: now, deletionDueAt: now, erasureStartedAt: now },
    });
    await pseudonymise();
    const [entry] = await a.database.prisma.auditLog.findMany({ where: { actorId: user.id } });
    expect(entry).toMatchObject({ ip: null, userAgent: null });
  });

  it.each([
    `DELETE FROM audit_logs`,
    `UPDATE audit_logs SET ip = NULL`,
    `TRUNCATE audit_logs`,
    `SET pockity.audit_maintenance = 'on'; DELETE FROM audit_logs`,
    `INSERT INTO audit_logs SELECT * FROM audit_logs LIMIT 1 ON CONFLICT (id) DO UPDATE SET ip = NULL`,
    `DELETE FROM _prisma_migrations`,
    `CREATE TABLE another (id integer)`,
  ])('cannot %s', async (sql) => {
    const { rows } = await owner.query('SELECT count(*) FROM audit_logs');
    await expect(app.query(sql)).rejects.toThrow(/permission denied/);
    expect((await owner.query('SELECT count(*) FROM audit_logs')).rows).toEqual(rows);
  });

  it.each([
    `ALTER TABLE audit_logs DISABLE TRIGGER ALL`,
    `DROP TRIGGER audit_logs_append_only ON audit_logs`,
    `CREATE OR REPLACE FUNCTION audit_refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'`,
  ])('cannot %s', async (sql) => {
    await expect(app.query(sql)).rejects.toThrow(/must be owner|permission denied/);
  });

  it('leaves the owner under the trigger', async () => {
    await expect(owner.query('DELETE FROM audit_logs')).rejects.toThrow('audit_logs is append-only');
  });
});
