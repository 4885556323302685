import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  AccountErasureService,
  ErasureRepository,
  eraseJob,
  eraseTracesJob,
} from '../../src/features/account/index.ts';
import { AuditRepository } from '../../src/features/audit/index.ts';
import { LedgerRepository } from '../../src/features/ledger/index.ts';
import { newId } from '../../src/platform/crypto/random.ts';
import { UnitOfWork } from '../../src/platform/db/unit-of-work.ts';
import { silentLogger } from '../../src/platform/logging/logger.ts';
import type { JobSender } from '../../src/platform/queue/job-queue.ts';
import { type Accounts, Caller, PASSWORD, type Site, startAccounts, WISH } from '../support/accounts.ts';

const DAY = 24 * 3600;
const NEVER = new AbortController().signal;

let site: Site;
let a: Accounts;
let admin: Caller;

beforeAll(async () => {
  site = await startAccounts({}, { workers: false });
  a = site.accounts;
  admin = await a.admin();
});
afterAll(() => site.stop());

async function login(caller: Caller): Promise<Caller> {
  const reply = await a
    .anonymous()
    .post('/api/auth/login')
    .send({ email: caller.email, password: PASSWORD })
    .expect(200);
  return new Caller(a.app, reply.body.data);
}

async function claimedKey(owner: Caller, at = a) {
  const key = await at.approvedKey(owner, admin);
  const { accessKeyId, secretKey } = (await owner.post(`/apiKeys/${key.id}/claim`)).body.data;
  return { ...key, headers: { 'x-access-key-id': accessKeyId, 'x-secret-key': secretKey } };
}

function upload(headers: Record<string, string>, name: string, bytes = 100) {
  return a.anonymous().post('/api/storage/upload').set(headers).attach('file', Buffer.alloc(bytes, name), name);
}

function bearer(caller: Caller) {
  return { authorization: `Bearer ${caller.token}` };
}

describe('DELETE /users/account', () => {
  it('closes every door at once, and says until when it can be undone', async () => {
    const me = await a.user();
    const [mine, old] = [await claimedKey(me), await claimedKey(me)];
    await me.delete(`/apiKeys/${old.id}`);
    const asked = (await me.post('/apiKeys/request/create', WISH)).body.data.request;
    const elsewhere = await login(me);
    const reply = await me.delete('/users/account', { password: PASSWORD });
    expect(reply.status).toBe(200);
    const { requestedAt, dueAt } = reply.body.data.deletion;
    expect(Date.parse(dueAt) - Date.parse(requestedAt)).toBe(30 * DAY * 1000);
    for (const session of [me, elsewhere]) expect((await session.get('/users/profile')).status).toBe(401);
    await a.anonymous().post('/api/auth/refresh').send({ refreshToken: me.refreshToken }).expect(401);
    const refused = await a.anonymous().get('/api/storage/files').set(mine.headers);
    expect(refused.body.error.code).toBe('KEY_REVOKED');
    const row = await a.database.prisma.apiKeyRequest.findUniqueOrThrow({ where: { id: asked.id } });
    expect(row.status).toBe('WITHDRAWN');
    const entry = await a.database.prisma.auditLog.findFirstOrThrow({
      where: { subjectId: me.id, action: 'user.delete' },
    });
    expect(entry.metadata).toEqual({ byAdmin: false, revokedKeys: 1, endedSessions: 2, withdrawnRequests: 1 });
    // Logging in works, and opens nothing but the way back.
    const back = await login(me);
    expect((await back.get('/users/profile')).body.error.code).toBe('ACCOUNT_DELETION_PENDING');
    expect((await back.delete('/users/account', { password: PASSWORD })).body.error.code).toBe(
      'ACCOUNT_DELETION_PENDING',
    );
  });

  it('wants the password', async () => {
    const me = await a.register();
    const wrong = await me.delete('/users/account', { password: 'wrong' });
    expect(wrong.body.error).toMatchObject({ code: 'INVALID_CREDENTIALS', httpStatusCode: 401 });
    expect((await me.delete('/users/account', {})).body.error.code).toBe('VALIDATION_FAILED');
    expect((await me.get('/users/profile')).status).toBe(200);
    expect((await me.delete('/users/account', { password: PASSWORD })).status).toBe(200);
  });

  it('happens once, however many ask', async () => {
    const me = await a.user();
    const replies = await Promise.all(
      Array.from({ length: 6 }, () => me.delete('/users/account', { password: PASSWORD })),
    );
    expect(replies.filter(({ status }) => status === 200)).toHaveLength(1);
    // Whoever was authorized before and came second: CONFLICT; after: the session has ended.
    expect(replies.every(({ status }) => [200, 401, 403, 409].includes(status))).toBe(true);
    expect((await a.auditOf(me.id)).filter((action) => action === 'user.delete')).toHaveLength(1);
  });

  it('keeps the last admin who can act, also when two go at once', async () => {
    const lonely = await startAccounts({}, { workers: false });
    try {
      const [one, two] = [await lonely.accounts.admin(), await lonely.accounts.admin()];
      // An admin who cannot act does not count.
      await lonely.accounts.database.prisma.user.update({
        where: { id: (await lonely.accounts.admin()).id },
        data: { disabledAt: new Date() },
      });
      const replies = await Promise.all(
        [one, two].map((each) => each.delete('/users/account', { password: PASSWORD })),
      );
      expect(replies.map(({ status }) => status).toSorted()).toEqual([200, 409]);
      expect(replies.find(({ status }) => status === 409)?.body.error.code).toBe('LAST_ADMIN');
    } finally {
      await lonely.stop();
    }
  });
});

describe('POST /users/account/restore', () => {
  it('brings back the account and the keys that went with it, and no other', async () => {
    const me = await a.user();
    const [mine, old] = [await claimedKey(me), await claimedKey(me)];
    await upload(mine.headers, 'a.bin').expect(201);
    await me.delete(`/apiKeys/${old.id}`);
    await me.delete('/users/account', { password: PASSWORD });
    const back = await login(me);
    const reply = await back.post('/users/account/restore');
    expect(reply.status).toBe(200);
    expect(reply.body.data.user).toMatchObject({ id: me.id, emailVerified: true });
    const keys = (await back.get('/users/profile')).body.data.apiKeys;
    expect(keys.map(({ id, isActive }: { id: string; isActive: boolean }) => [id, isActive])).toEqual([
      [old.id, false],
      [mine.id, true],
    ]);
    const files = await a.anonymous().get('/api/storage/files').set(mine.headers).expect(200);
    expect(files.body.data.files).toHaveLength(1);
    expect(await a.auditOf(me.id)).toContain('user.restore');
    expect((await back.post('/users/account/restore')).body.error).toMatchObject({
      code: 'CONFLICT',
      httpStatusCode: 409,
    });
    // And all over again.
    expect((await back.delete('/users/account', { password: PASSWORD })).status).toBe(200);
  });

  it('is not for who was deleted by an admin; admins restore', async () => {
    const me = await a.user();
    const by = { type: 'admin', id: admin.id, accessKeyId: null } as const;
    const from = { ip: null, userAgent: null, requestId: null };
    const { accountDeletions } = a.composition;
    await accountDeletions.requestByAdmin(me.id, by, from);
    const again = accountDeletions.requestByAdmin(me.id, by, from);
    await expect(again).rejects.toMatchObject({ code: 'CONFLICT' });
    const back = await login(me);
    expect((await back.post('/users/account/restore')).body.error).toMatchObject({
      code: 'FORBIDDEN',
      httpStatusCode: 403,
    });
    expect(await accountDeletions.restoreByAdmin(me.id, by, from)).toMatchObject({ id: me.id, deletionDueAt: null });
    expect((await back.get('/users/profile')).status).toBe(200);
    await expect(accountDeletions.restoreByAdmin(me.id, by, from)).rejects.toMatchObject({ code: 'CONFLICT' });
    for (const id of [newId(), 'x']) {
      await expect(accountDeletions.requestByAdmin(id, by, from)).rejects.toMatchObject({ code: 'USER_NOT_FOUND' });
      await expect(accountDeletions.restoreByAdmin(id, by, from)).rejects.toMatchObject({ code: 'USER_NOT_FOUND' });
    }
  });

  it('or the erasure: of the two at once exactly one wins', async () => {
    for (let i = 0; i < 8; i += 1) {
      const me = await a.user();
      await me.delete('/users/account', { password: PASSWORD });
      const back = await login(me);
      await dueNow(me);
      const { erasure } = service();
      const [reply] = await Promise.all([back.post('/users/account/restore'), erasure.erase(me.id, NEVER)]);
      const left = await a.database.prisma.user.findUnique({ where: { id: me.id } });
      if (reply.status === 200) expect(left).toMatchObject({ deletionDueAt: null, erasureStartedAt: null });
      else {
        expect([401, 404, 409]).toContain(reply.status);
        expect(left).toBe(null);
      }
    }
  });

  it('comes too late once the erasure has begun', async () => {
    const me = await a.user();
    await me.delete('/users/account', { password: PASSWORD });
    const back = await login(me);
    await dueNow(me);
    await new UnitOfWork(a.database).run((tx) => new ErasureRepository(a.database).begin(tx, me.id, new Date()));
    expect((await back.post('/users/account/restore')).body.error).toMatchObject({
      code: 'CONFLICT',
      httpStatusCode: 409,
    });
  });
});

describe('erasing', () => {
  it('leaves no row, no object and nobody in the audit log, and others as they were', async () => {
    const [me, other] = [await belongings(), await belongings()];
    await purge();
    const before = await snapshot(other.caller.id);
    await due(me.caller);
    const { erasure, enqueued } = service();
    await erasure.erase(me.caller.id, NEVER);
    await erasure.erase(me.caller.id, NEVER);
    await expectErased(me);
    expect(enqueued).toEqual([eraseTracesJob.name]);
    expect(await snapshot(other.caller.id)).toEqual(before);
    const erased = await a.database.prisma.auditLog.findMany({
      where: { subjectId: me.caller.id, action: 'user.erase' },
    });
    expect(erased.map(({ actorType, metadata }) => [actorType, metadata])).toEqual([
      ['system', { keys: 1, requests: 2, spaces: 2 }],
    ]);
  });

  it('ends the same wherever it is killed', async () => {
    for (let step = 1; ; step += 1) {
      const me = await belongings();
      await due(me.caller);
      const killed = await service(step)
        .erasure.erase(me.caller.id, NEVER)
        .then(
          () => false,
          () => true,
        );
      await service().erasure.erase(me.caller.id, NEVER);
      await expectErased(me);
      if (!killed) {
        expect(step).toBeGreaterThan(10);
        break;
      }
    }
  }, 120_000);

  it('does no harm when two do it at once', async () => {
    const me = await belongings();
    await due(me.caller);
    await Promise.allSettled([1, 2, 3].map(() => service().erasure.erase(me.caller.id, NEVER)));
    await service().erasure.erase(me.caller.id, NEVER);
    await expectErased(me);
    const erased = await a.database.prisma.auditLog.count({ where: { subjectId: me.caller.id, action: 'user.erase' } });
    expect(erased).toBe(1);
  });

  it('takes in nothing more, and removes what was under way', async () => {
    const me = await belongings();
    const space = await a.database.prisma.space.findFirstOrThrow({ where: { ownerId: me.caller.id, kind: 'KEY' } });
    const ledger = new LedgerRepository(a.database);
    const reserve = (path: string, conflict: 'replace' | 'keepBoth' = 'keepBoth') => {
      const item = {
        uploadId: newId(),
        objectKey: `${space.prefix}${newId()}`,
        path,
        conflict,
        contentType: 'a/b',
        bytes: 5,
      };
      return ledger
        .reserve(space.id, [item], 40)
        .then((answers) => ({ item, outcome: answers.get(item.uploadId)?.outcome }));
    };
    const early = await reserve('early.bin');
    expect(early.outcome).toBe('reserved');
    await a.infrastructure.store.put(early.item.objectKey, Buffer.from('12345'), { contentType: 'a/b' });
    await due(me.caller);
    // A replacement needs no room, so it comes in even now; here as late as can be, when its space has been emptied.
    const repository = new ErasureRepository(a.database);
    const { pseudonymise } = repository;
    let late: Awaited<ReturnType<typeof reserve>> | undefined;
    repository.pseudonymise = async (...args) => {
      if (!late) {
        expect((await reserve('new.bin')).outcome).toBe('refused');
        await a.database.prisma.space.update({ where: { id: space.id }, data: { quotaBytes: 10n, quotaObjects: 1n } });
        late = await reserve('late.bin');
        await a.infrastructure.store.put(late.item.objectKey, Buffer.from('12345'), { contentType: 'a/b' });
      }
      return pseudonymise.apply(repository, args);
    };
    await service(Number.POSITIVE_INFINITY, repository).erasure.erase(me.caller.id, NEVER);
    expect(late?.outcome).toBe('reserved');
    for (const { item } of [early, late ?? early]) {
      const committed = await ledger.commit(space.id, [commitOf(item)]);
      expect(committed.get(item.uploadId)?.outcome).toBe('gone');
    }
    expect((await reserve('after.bin')).outcome).toBe('gone');
    await expectErased(me);
  });

  it('is found by the sweep when it is due, once, and again when it died', async () => {
    const me = await a.user();
    await me.delete('/users/account', { password: PASSWORD });
    const startedAt = async () =>
      (await a.database.prisma.user.findUniqueOrThrow({ where: { id: me.id } })).erasureStartedAt;
    a.clock.advance(29 * DAY);
    await service().erasure.enqueueDue();
    expect(await startedAt()).toBe(null);
    a.clock.advance(DAY + 1);
    const { erasure, enqueued } = service();
    // Others of this file have fallen due as well; each is found by one of the two.
    await Promise.all([erasure.enqueueDue(), service().erasure.enqueueDue()]);
    expect(await startedAt()).not.toBe(null);
    const later = service();
    expect(await later.erasure.enqueueDue()).toBe(0);
    a.clock.advance(3 * 3600);
    expect(await later.erasure.enqueueDue()).toBeGreaterThan(0);
    expect(new Set([...enqueued, ...later.enqueued])).toEqual(new Set([eraseJob.name]));
  });
});

describe('without a time of grace', () => {
  it('erases at once, by the jobs of any process', async () => {
    const now = await startAccounts({ ACCOUNT_DELETION_GRACE_DAYS: '0' });
    try {
      const { accounts } = now;
      const [me] = [await accounts.user(), await accounts.admin()];
      await accounts
        .anonymous()
        .post('/api/storage/upload')
        .set(bearer(me))
        .attach('file', Buffer.from('x'), 'x')
        .expect(201);
      const reply = await me.delete('/users/account', { password: PASSWORD });
      const { requestedAt, dueAt } = reply.body.data.deletion;
      expect(dueAt).toBe(requestedAt);
      expect((await accounts.mailBox.latest(me.email, { part: 'erased' })).subject).toContain('deleted');
      await expect.poll(() => accounts.database.prisma.user.count({ where: { id: me.id } })).toBe(0);
      const withText = () =>
        accounts.database.prisma.auditLog.count({
          where: { OR: [{ actorId: me.id }, { subjectId: me.id }], userAgent: { not: null } },
        });
      await expect.poll(withText).toBe(0);
      await accounts.composition.tombstones.purge();
      const objects: string[] = [];
      for await (const { key } of accounts.infrastructure.store.list(`users/${me.id}/`)) objects.push(key);
      expect(objects).toEqual([]);
      // The address is free again.
      await accounts.anonymous().post('/api/auth/register').send({ email: me.email, password: PASSWORD }).expect(201);
    } finally {
      await now.stop();
    }
  });
});

/** Somebody with a key, files in both spaces, requests, sessions, a code, a photo, and traces in every log. */
async function belongings() {
  const caller = await a.user();
  const key = await claimedKey(caller);
  await caller.post('/apiKeys/request/create', WISH);
  for (const headers of [key.headers, bearer(caller)]) {
    for (const name of ['a.bin', 'b.bin']) await upload(headers, name).expect(201);
    await a.anonymous().delete('/api/storage/files/a.bin').set(headers).expect(200);
  }
  const photoKey = `users/${caller.id}/${newId()}`;
  await a.infrastructure.store.put(photoKey, Buffer.from('webp'), { contentType: 'image/webp' });
  await a.database.prisma.user.update({
    where: { id: caller.id },
    data: { photoKey, username: `u-${caller.id.slice(-12)}` },
  });
  // What this person, once an admin, reviewed for somebody else.
  const reviewed = (await admin.post('/apiKeys/request/create', WISH)).body.data.request.id;
  await a.database.prisma.apiKeyRequest.update({ where: { id: reviewed }, data: { reviewerId: caller.id } });
  await a.anonymous().post('/api/auth/login').send({ email: caller.email, password: 'wrong' }).expect(401);
  const spaces = await a.database.prisma.space.findMany({ where: { ownerId: caller.id } });
  return { caller, accessKeyId: key.accessKeyId, spaces: spaces.map(({ id, prefix }) => ({ id, prefix })) };
}

async function due(caller: Caller): Promise<void> {
  expect((await caller.delete('/users/account', { password: PASSWORD })).status).toBe(200);
  await dueNow(caller);
}

async function dueNow(caller: Caller): Promise<void> {
  await a.database.prisma.user.update({ where: { id: caller.id }, data: { deletionDueAt: new Date(0) } });
}

/** An erasure of its own that, told so, dies at a step: in place of the step, so the one before is its last. */
function service(dieAt = Number.POSITIVE_INFINITY, repository = new ErasureRepository(a.database)) {
  const enqueued: string[] = [];
  const queue: JobSender = {
    enqueue: async (_tx, job) => {
      enqueued.push(job.name);
      return newId();
    },
    enqueueMany: async (_tx, job, payloads) => {
      enqueued.push(...payloads.map(() => job.name));
      return payloads.map(newId);
    },
  };
  let steps = 0;
  const mortal = new Proxy(repository, {
    get: (target, name) => {
      const method: unknown = Reflect.get(target, name);
      if (typeof method !== 'function') return method;
      return (...args: unknown[]) => {
        steps += 1;
        if (steps === dieAt) return Promise.reject(new Error('killed'));
        return method.apply(target, args);
      };
    },
  });
  const erasure = new AccountErasureService({
    uow: new UnitOfWork(a.database),
    repository: mortal,
    audit: new AuditRepository(),
    queue,
    clock: a.clock,
    log: silentLogger(),
  });
  return { erasure, enqueued };
}

function commitOf({ uploadId, objectKey, path }: { uploadId: string; objectKey: string; path: string }) {
  const audit = {
    action: 'file.upload',
    actorType: 'key',
    actorId: null,
    accessKeyId: null,
    ip: null,
    userAgent: null,
    requestId: null,
  };
  const file = {
    sizeBytes: 5,
    sha256: '0'.repeat(64),
    etag: 'e',
    contentType: 'a/b',
    category: 'other',
    extension: 'bin',
    tags: null,
  };
  return { uploadId, objectKey, stem: path, suffix: '', ...file, audit };
}

/** Rows in every table that hold one of these ids, but the audit log's. */
async function rowsWith(ids: readonly string[]): Promise<Record<string, number>> {
  const columns = await a.database.query<{ table: string; column: string }>(
    {
      name: 'test_columns',
      text: `SELECT c.table_name AS table, c.column_name AS column FROM information_schema.columns c
        JOIN information_schema.tables t USING (table_schema, table_name)
        WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE' AND c.table_name NOT IN ('audit_logs', '_prisma_migrations')
          AND c.data_type IN ('uuid', 'text', 'character varying', 'ARRAY', 'jsonb')`,
    },
    [],
  );
  const found: Record<string, number> = {};
  for (const { table, column } of columns) {
    const [row] = await a.database.query<{ n: number }>(
      {
        name: `test_rows_${table}_${column}`,
        text: `SELECT count(*) AS n FROM "${table}" WHERE EXISTS (SELECT 1 FROM unnest($1::text[]) AS wanted WHERE "${column}"::text LIKE '%' || wanted || '%')`,
      },
      [ids],
    );
    if (row && row.n > 0) found[`${table}.${column}`] = row.n;
  }
  return found;
}

/** As the job would later. */
async function purge(): Promise<void> {
  await a.database.prisma.objectTombstone.updateMany({ data: { dueAt: new Date(0) } });
  await a.composition.tombstones.purge();
}

/** What another user must keep. */
async function snapshot(userId: string) {
  const spaces = await a.database.prisma.space.findMany({ where: { ownerId: userId }, orderBy: { id: 'asc' } });
  const audit = await a.database.prisma.auditLog.findMany({ where: { actorId: userId }, orderBy: { id: 'asc' } });
  const objects: string[] = [];
  for (const { prefix } of spaces) for await (const { key } of a.infrastructure.store.list(prefix)) objects.push(key);
  expect(objects).toHaveLength(3);
  return { objects: objects.toSorted(), rows: await rowsWith([userId, ...spaces.map(({ id }) => id)]), spaces, audit };
}

async function expectErased({ caller, accessKeyId, spaces }: Awaited<ReturnType<typeof belongings>>): Promise<void> {
  await purge();
  expect(await rowsWith([caller.id, caller.email, accessKeyId, ...spaces.map(({ id }) => id)])).toEqual({});
  for (const { prefix } of spaces) {
    for await (const { key } of a.infrastructure.store.list(prefix)) expect.fail(`${key} is left`);
  }
  const entries = await a.database.prisma.auditLog.findMany({
    where: { OR: [{ actorId: caller.id }, { subjectId: caller.id }, { accessKeyId }] },
  });
  const actions = entries.map(({ action }) => action);
  for (const action of [
    'user.register',
    'user.login_failed',
    'user.delete',
    'file.upload',
    'key.claim',
    'user.erase',
  ]) {
    expect(actions).toContain(action);
  }
  for (const { ip, userAgent, metadata } of entries) {
    expect([ip, userAgent]).toEqual([null, null]);
    expect(Object.values(metadata as object).filter((value) => typeof value === 'string')).toEqual([]);
  }
}
