import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { newId } from '../../src/platform/crypto/random.ts';
import type { JobHandler } from '../../src/platform/queue/job-queue.ts';
import { PgBossQueue } from '../../src/platform/queue/pg-boss-queue.ts';
import { type Accounts, type Caller, PASSWORD, type Site, startAccounts } from '../support/accounts.ts';
import { insertAuditRows } from '../support/audit-rows.ts';
import { bearer, claimedKey, upload } from '../support/callers.ts';
import { photo } from '../support/pictures.ts';
import { seedFiles } from '../support/seeded-files.ts';

const DAY_MS = 24 * 3600 * 1000;

let site: Site;
let a: Accounts;
let admin: Caller;
const handlers = new Map<string, JobHandler<object>>();

beforeAll(async () => {
  const work = vi.spyOn(PgBossQueue.prototype, 'work');
  site = await startAccounts({ AUDIT_RETENTION_DAYS: '30' }, { workers: false });
  for (const [job, handler] of work.mock.calls) handlers.set(job.name, handler);
  work.mockRestore();
  a = site.accounts;
  admin = await a.admin();
});
afterAll(() => site.stop());

/** A job as it came into the queue, and what has to be seen once after it was delivered three times. */
interface Delivery {
  readonly payload: object;
  readonly jobId?: string;
  readonly check: () => Promise<void>;
}

/** Each kind of job: makes something to be done. The keys are held against what the service works on. */
const CASES: Readonly<Record<string, () => Promise<Delivery>>> = {
  'mail.send': async () => {
    const { email } = await a.register();
    const { id, data } = await newest('mail.send');
    return { payload: data, jobId: id, check: async () => expect(await a.mailBox.all(email)).toHaveLength(1) };
  },
  'auth.reset.request': async () => {
    const me = await a.user();
    await a.anonymous().post('/api/auth/forgot-password').send({ email: me.email }).expect(202);
    const mails = await waiting('mail.send');
    const { data } = await newest('auth.reset.request');
    const check = async () => {
      expect(await waiting('mail.send')).toBe(mails + 1);
      expect(await audited(me.id, 'user.password_reset_requested')).toBe(1);
    };
    return { payload: data, check };
  },
  'auth.ended.purge': async () => {
    const me = await a.user();
    const { id } = await a.database.prisma.session.findFirstOrThrow({ where: { userId: me.id } });
    const old = new Date(Date.now() - 90 * DAY_MS);
    const ended = await a.register();
    await a.database.prisma.session.updateMany({ where: { userId: ended.id }, data: { expiresAt: old } });
    const check = async () => {
      expect(await a.database.prisma.session.count({ where: { userId: ended.id } })).toBe(0);
      expect(await a.database.prisma.session.count({ where: { id } })).toBe(1);
    };
    return { payload: {}, check };
  },
  'account.erase.due': async () => {
    const me = await leaving();
    const before = await waiting('account.erase');
    const check = async () => {
      expect(await waiting('account.erase')).toBe(before + 1);
      expect((await newest('account.erase')).data).toEqual({ userId: me.id });
    };
    return { payload: {}, check };
  },
  'account.erase': async () => {
    const me = await leaving();
    const before = await waiting('account.traces.erase');
    const check = async () => {
      expect(await a.database.prisma.user.count({ where: { id: me.id } })).toBe(0);
      expect(await audited(me.id, 'user.erase')).toBe(1);
      expect(await waiting('account.traces.erase')).toBe(before + 1);
    };
    return { payload: { userId: me.id }, check };
  },
  'account.traces.erase': async () => {
    const me = await leaving();
    const attempt = { jobId: newId(), retryCount: 0, signal: new AbortController().signal };
    await handlers.get('account.erase')?.({ userId: me.id }, attempt);
    const { data } = await newest('account.traces.erase');
    // It was being written while the account went.
    await insertAuditRows(a.database, [{ action: 'user.login', actorType: 'user', actorId: me.id, ip: '192.0.2.7' }]);
    const count = (where: object) => a.database.prisma.auditLog.count({ where: { actorId: me.id, ...where } });
    const entries = await count({});
    const check = async () => expect([await count({}), await count({ ip: null })]).toEqual([entries, entries]);
    return { payload: data, check };
  },
  'audit.purge': async () => {
    const before = await a.database.prisma.auditLog.count({ where: { action: 'system.audit_purge' } });
    await insertAuditRows(a.database, [
      { action: 'file.upload', createdAt: new Date(Date.now() - 40 * DAY_MS) },
      { action: 'file.upload', createdAt: new Date(Date.now() - 41 * DAY_MS) },
    ]);
    const check = async () => {
      const entries = await a.database.prisma.auditLog.findMany({ where: { action: 'system.audit_purge' } });
      const purged = entries.map(({ metadata }) => Number((metadata as { entries: number }).entries));
      expect(entries.length).toBeGreaterThan(before);
      expect(purged.reduce((sum, n) => sum + n, 0)).toBe(2);
    };
    return { payload: {}, check };
  },
  'idempotency.purge': async () => {
    const [over, fresh] = [newId(), newId()];
    const call = { path: '/api/drive', headers: bearer(await a.user()) };
    for (const key of [over, fresh]) {
      const keyed = a
        .anonymous()
        .post(call.path)
        .set({ ...call.headers, 'idempotency-key': key });
      await keyed.send({ name: key }).expect(201);
    }
    await a.database.prisma.idempotencyKey.updateMany({ where: { key: over }, data: { expiresAt: new Date(0) } });
    const check = async () => {
      const left = await a.database.prisma.idempotencyKey.findMany({ where: { key: { in: [over, fresh] } } });
      expect(left.map(({ key }) => key)).toEqual([fresh]);
    };
    return { payload: {}, check };
  },
  'keys.secret.purge': async () => {
    const { id: apiKeyId } = await claimedKey(a, await a.user(), admin);
    const retired = { id: newId(), apiKeyId, secretHash: 'none', sealedSecret: new Uint8Array(1), sealKeyVersion: 1 };
    await a.database.prisma.apiKeySecret.create({ data: { ...retired, retiresAt: new Date(0) } });
    const check = async () => expect(await a.database.prisma.apiKeySecret.count({ where: { apiKeyId } })).toBe(1);
    return { payload: {}, check };
  },
  'ledger.reservation.expire': async () => {
    const { id: spaceId, ...counters } = await driveOf(await a.user());
    const file = { path: 'a.txt', conflict: 'replace', contentType: 'text/plain', bytes: 70 } as const;
    await a.composition.ledger.reserve({ id: spaceId, prefix: counters.prefix }, file);
    await a.database.prisma.upload.updateMany({ where: { spaceId }, data: { leaseExpiresAt: new Date(0) } });
    const check = async () => {
      const space = await a.database.prisma.space.findUniqueOrThrow({ where: { id: spaceId } });
      expect([space.reservedBytes, space.reservedObjects, space.usedBytes]).toEqual([0n, 0n, 0n]);
      expect(await a.database.prisma.upload.count({ where: { spaceId } })).toBe(0);
    };
    return { payload: {}, check };
  },
  'content.check': async () => {
    const { payload, sha256, shaNow } = await unread();
    return { payload, check: async () => expect(await shaNow()).toBe(sha256) };
  },
  'content.check.sweep': async () => {
    const { payload } = await unread();
    const old = new Date(Date.now() - DAY_MS);
    await a.database.prisma.file.update({ where: { id: payload.fileId }, data: { uploadedAt: old } });
    // Sweeps at once may each enqueue it: what the job does is one effect however often it runs.
    const check = async () => expect((await newest('content.check')).data).toEqual(payload);
    return { payload: {}, check };
  },
  'upload.session.purge': async () => {
    const me = await a.user();
    const form = { fileName: 'a.txt', size: 3, contentType: 'text/plain' };
    const reply = await a.anonymous().post('/api/uploads/presign').set(bearer(me)).send(form).expect(201);
    const id = reply.body.data.uploadId as string;
    await a.anonymous().delete(`/api/uploads/${id}`).set(bearer(me)).expect(200);
    const { spaceId, objectKey } = await a.database.prisma.uploadSession.update({
      where: { id },
      data: { expiresAt: new Date(Date.now() - 3 * DAY_MS) },
    });
    await a.composition.tombstones.purge();
    const check = async () => {
      expect(await a.database.prisma.uploadSession.count({ where: { spaceId } })).toBe(0);
      // What a URL may have left goes once more.
      expect(await a.database.prisma.objectTombstone.count({ where: { objectKey } })).toBe(1);
    };
    return { payload: {}, check };
  },
  'media.process': async () => {
    const me = await a.user();
    const payload = await picture(me);
    const check = async () => {
      const media = await a.database.prisma.fileMedia.findUniqueOrThrow({ where: { objectKey: payload.objectKey } });
      expect([media.state, Object.keys(media.thumbnails as object)]).toEqual(['DONE', ['large', 'small', 'medium']]);
      await a.composition.tombstones.purge();
      expect(await readdir(join(a.dataDirectory, 'objects', 'users', me.id))).toHaveLength(4);
    };
    return { payload, check };
  },
  'media.sweep': async () => {
    const { objectKey } = await picture(await a.user());
    const before = await waiting('media.process');
    const old = new Date(Date.now() - DAY_MS);
    await a.database.prisma.fileMedia.update({ where: { objectKey }, data: { updatedAt: old } });
    const check = async () => {
      expect(await waiting('media.process')).toBe(before + 1);
      const { state } = await a.database.prisma.fileMedia.findUniqueOrThrow({ where: { objectKey } });
      expect(state).toBe('PENDING');
    };
    return { payload: {}, check };
  },
  'outbox.relay': async () => {
    const jobs = [newId(), newId()].map((id) => ({ id, job: 'content.check', payload: {} }));
    await a.database.prisma.jobOutbox.createMany({ data: jobs });
    const before = await waiting('content.check');
    const check = async () => {
      expect(await waiting('content.check')).toBe(before + 2);
      expect(await a.database.prisma.jobOutbox.count()).toBe(0);
    };
    return { payload: {}, check };
  },
  'storage.tombstone.purge': async () => {
    const me = await a.user();
    await upload(a, bearer(me), 'kept.txt').expect(201);
    await upload(a, bearer(me), 'gone.txt').expect(201);
    await a.anonymous().patch('/api/storage/settings').set(bearer(me)).send({ trashDays: 0 }).expect(200);
    await me.delete('/storage/files/gone.txt');
    const check = async () => {
      expect(await readdir(join(a.dataDirectory, 'objects', 'users', me.id))).toHaveLength(1);
      expect(await a.database.prisma.objectTombstone.count({ where: { objectKey: { contains: me.id } } })).toBe(0);
    };
    return { payload: {}, check };
  },
  'storage.trash.purge': async () => {
    const me = await a.user();
    const { id: spaceId } = await driveOf(me);
    await seedFiles(a.database, spaceId, { prefix: 'old/', count: 30, trashed: true });
    await seedFiles(a.database, spaceId, { prefix: 'kept/', count: 5 });
    await a.database.prisma.file.updateMany({
      where: { spaceId, deletedAt: { not: null } },
      data: { trashExpiresAt: new Date(0) },
    });
    return { payload: {}, check: () => expectUsed(me, { objects: 5, bytes: 50 }) };
  },
  'storage.operation.run': async () => {
    const me = await a.user();
    const { id: spaceId } = await driveOf(me);
    await seedFiles(a.database, spaceId, { prefix: 'many/', count: 1500 });
    await seedFiles(a.database, spaceId, { prefix: 'kept/', count: 5 });
    const reply = await me.post('/storage/files/bulk-delete', { prefix: 'many/', permanent: true });
    expect(reply.status).toBe(202);
    const operationId = reply.body.data.jobId;
    const check = async () => {
      await expectUsed(me, { objects: 5, bytes: 50 });
      const { done } = await a.database.prisma.operation.findUniqueOrThrow({ where: { id: operationId } });
      expect(done).toBe(1500n);
    };
    return { payload: { operationId }, check };
  },
  'share.claim': async () => {
    const owner = await a.user();
    const guest = await a.register();
    await upload(a, bearer(owner), 'shared.txt').expect(201);
    const { id: fileId } = await a.database.prisma.file.findFirstOrThrow({
      where: { spaceId: (await driveOf(owner)).id },
    });
    const share = await owner.post('/shares', { fileId, email: guest.email, permission: 'VIEW' });
    expect(share.status).toBe(201);
    await a.database.prisma.user.update({ where: { id: guest.id }, data: { emailVerifiedAt: new Date() } });
    const check = async () => {
      expect((await guest.get('/shared-with-me')).body.data.shares).toHaveLength(1);
      expect(await audited(share.body.data.share.id, 'share.change')).toBe(1);
    };
    return { payload: { userId: guest.id }, check };
  },
};

describe('a job that is delivered three times at once has one effect', () => {
  it('has a case here for each kind', () => {
    expect([...handlers.keys()].sort()).toEqual(Object.keys(CASES).sort());
  });

  it.each(Object.entries(CASES))(
    '%s',
    async (name, prepare) => {
      const { payload, jobId = newId(), check } = await prepare();
      const handler = handlers.get(name);
      if (!handler) throw new Error(`nothing works on ${name}`);
      const deliver = (retryCount: number) =>
        handler(payload, { jobId, retryCount, signal: new AbortController().signal });
      // One of them may be told to try again; it is, as the queue would have it.
      const outcomes = await Promise.allSettled([0, 1, 2].map(deliver));
      expect(outcomes.some(({ status }) => status === 'fulfilled')).toBe(true);
      await check();
      await deliver(3);
      await check();
    },
    30_000,
  );
});

async function newest(queue: string): Promise<{ id: string; data: object }> {
  const [job] = await a.database.query<{ id: string; data: object }>(
    {
      name: 'test_newest_job',
      text: 'SELECT id, data FROM pgboss.job WHERE name = $1 ORDER BY created_on DESC, id DESC LIMIT 1',
    },
    [queue],
  );
  if (!job) throw new Error(`there is no job in ${queue}`);
  return job;
}

async function waiting(queue: string): Promise<number> {
  const [row] = await a.database.query<{ n: number }>(
    { name: 'test_waiting_jobs', text: 'SELECT count(*)::int8 AS n FROM pgboss.job WHERE name = $1' },
    [queue],
  );
  return row?.n ?? 0;
}

/** Of a file whose content nobody has read. */
async function unread() {
  const me = await a.user();
  const { id: fileId, checksumSha256: sha256 } = (await upload(a, bearer(me), 'unread.txt').expect(201)).body.data.file;
  const { spaceId, objectKey } = await a.database.prisma.file.update({ where: { id: fileId }, data: { sha256: null } });
  const shaNow = async () => (await a.database.prisma.file.findUniqueOrThrow({ where: { id: fileId } })).sha256;
  return { payload: { spaceId, fileId, objectKey }, sha256, shaNow };
}

/** Of a picture that somebody has put into the drive, and whose job nobody has. */
async function picture(me: Caller) {
  const form = a
    .anonymous()
    .post('/api/storage/upload')
    .set(bearer(me))
    .attach('file', await photo(), 'a.jpg');
  const { id: fileId } = (await form.expect(201)).body.data.file;
  const { spaceId, objectKey } = await a.database.prisma.file.findUniqueOrThrow({ where: { id: fileId } });
  await expect.poll(() => a.database.prisma.jobOutbox.count()).toBe(0);
  await a.database.query(
    { name: 'test_no_media_jobs', text: `DELETE FROM pgboss.job WHERE name = 'media.process'` },
    [],
  );
  return { spaceId, fileId, objectKey };
}

function audited(subjectId: string, action: string): Promise<number> {
  return a.database.prisma.auditLog.count({ where: { subjectId, action } });
}

function driveOf({ id }: Caller) {
  return a.database.prisma.space.findFirstOrThrow({ where: { ownerId: id, kind: 'DRIVE' } });
}

/** Somebody whose account is due to be erased. */
async function leaving(): Promise<Caller> {
  const me = await a.user();
  expect((await me.delete('/users/account', { password: PASSWORD })).status).toBe(200);
  await a.database.prisma.user.update({ where: { id: me.id }, data: { deletionDueAt: new Date(0) } });
  return me;
}

async function expectUsed(me: Caller, { objects, bytes }: { objects: number; bytes: number }): Promise<void> {
  const space = await driveOf(me);
  expect([space.usedObjects, space.usedBytes, space.trashBytes]).toEqual([BigInt(objects), BigInt(bytes), 0n]);
  const [sum] = await a.database.query<{ bytes: number }>(
    {
      name: 'test_sum_usage',
      text: 'SELECT sum(delta_bytes)::int8 AS bytes FROM usage_entries WHERE space_id = $1::uuid',
    },
    [space.id],
  );
  expect(sum?.bytes).toBe(bytes);
}
