import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  AccountErasureService,
  ErasureRepository,
  eraseJob,
  eraseTracesJob,
} from '../../src/features/account/index.ts';
import { AuditRepository, SYSTEM_ACTOR, SYSTEM_ORIGIN } from '../../src/features/audit/index.ts';
import { LedgerRepository } from '../../src/features/ledger/index.ts';
import { newId } from '../../src/platform/crypto/random.ts';
import { UnitOfWork } from '../../src/platform/db/unit-of-work.ts';
import { silentLogger } from '../../src/platform/logging/logger.ts';
import type { JobSender } from '../../src/platform/queue/job-queue.ts';
import { type Accounts, type Caller, PASSWORD, type Site, startAccounts, WISH } from '../support/accounts.ts';
import { bearer, claimedKey, login, upload } from '../support/callers.ts';

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

describe('restoring', () => {
  it('or the erasure: of the two at once exactly one wins', async () => {
    for (let i = 0; i < 8; i += 1) {
      const me = await a.user();
      await me.delete('/users/account', { password: PASSWORD });
      const back = await login(a, me);
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
    const back = await login(a, me);
    await dueNow(me);
    await new UnitOfWork(a.database).run((tx) => new ErasureRepository(a.database).begin(tx, me.id, new Date()));
    expect((await back.post('/users/account/restore')).body.error).toMatchObject({
      code: 'CONFLICT',
      httpStatusCode: 409,
    });
  });
});

/** Somebody with a key, files in both spaces (in folders, in the trash, of several versions), work under way, requests, sessions, a code, a photo, and traces in every log. */
async function belongings() {
  const caller = await a.user();
  const key = await claimedKey(a, caller, admin);
  await caller.post('/apiKeys/request/create', WISH);
  const folder = a
    .anonymous()
    .post('/api/drive')
    .set({ ...bearer(caller), 'idempotency-key': newId() });
  await folder.send({ name: 'made once' }).expect(201);
  for (const headers of [key.headers, bearer(caller)]) {
    await a.anonymous().patch('/api/storage/settings').set(headers).send({ trashDays: 9, versionsKept: 2 }).expect(200);
    for (const name of ['a.bin', 'b.bin', 'b.bin']) await upload(a, headers, name).expect(201);
    await a.anonymous().delete('/api/storage/files/a.bin').set(headers).expect(200);
    const copy = { from: 'b.bin', to: `${caller.id}/deep/c.bin` };
    await a.anonymous().post('/api/storage/copy').set(headers).send(copy).expect(201);
  }
  const { id: driveId } = await a.database.prisma.space.findFirstOrThrow({
    where: { ownerId: caller.id, kind: 'DRIVE' },
  });
  await a.database.prisma.operation.create({
    data: {
      id: newId(),
      spaceId: driveId,
      kind: 'prefix.delete',
      params: { prefix: 'x/', before: new Date().toISOString(), audit: { actor_type: 'user', actor_id: caller.id } },
      total: 5n,
    },
  });
  const photoKey = `users/${caller.id}/${newId()}`;
  await a.infrastructure.store.put(photoKey, Buffer.from('webp'), { contentType: 'image/webp' });
  await a.database.prisma.user.update({
    where: { id: caller.id },
    data: { photoKey, username: `u-${caller.id.slice(-12)}`, usernameKey: `u-${caller.id.slice(-12)}` },
  });
  // What this person, once an admin, reviewed for somebody else.
  const reviewed = (await admin.post('/apiKeys/request/create', WISH)).body.data.request.id;
  await a.database.prisma.apiKeyRequest.update({ where: { id: reviewed }, data: { reviewerId: caller.id } });
  await a.anonymous().post('/api/auth/login').send({ email: caller.email, password: 'wrong' }).expect(401);
  await shareAround(caller);
  const spaces = await a.database.prisma.space.findMany({ where: { ownerId: caller.id } });
  return { caller, accessKeyId: key.accessKeyId, spaces: spaces.map(({ id, prefix }) => ({ id, prefix })) };
}

/** Given, received, waiting for the address and for the name; and one with whoever had the address before. */
async function shareAround(caller: Caller): Promise<void> {
  const { prisma } = a.database;
  const file = (owner: Caller) =>
    prisma.file.findFirstOrThrow({ where: { path: 'b.bin', space: { ownerId: owner.id, kind: 'DRIVE' } } });
  const friend = await a.user();
  await upload(a, bearer(friend), 'b.bin').expect(201);
  const [mine, theirs] = [await file(caller), await file(friend)];
  const given = await caller.post('/shares', { fileId: mine.id, email: friend.email, permission: 'EDIT' });
  const received = await friend.post('/shares', { fileId: theirs.id, email: caller.email, permission: 'EDIT' });
  expect([given.status, received.status]).toEqual([201, 201]);
  const { id, ...row } = await prisma.share.findUniqueOrThrow({ where: { id: received.body.data.share.id } });
  const another = { ...row, granteeId: null };
  const username = `u-${caller.id.slice(-12)}`;
  await upload(a, bearer(friend), 'c.bin').expect(201);
  const other = await prisma.file.findFirstOrThrow({ where: { path: 'c.bin', spaceId: row.spaceId } });
  const admins = await prisma.space.findFirstOrThrow({ where: { ownerId: admin.id, kind: 'DRIVE' } });
  const folder = await prisma.folder.create({ data: { id: newId(), spaceId: admins.id, path: `for ${newId()}` } });
  await prisma.share.createMany({
    data: [
      { ...another, id: newId(), fileId: other.id, subjectId: other.id },
      { ...another, id: newId(), granteeKey: `username:${username}`, granteeEmail: null, granteeUsername: username },
      {
        ...another,
        id: newId(),
        spaceId: admins.id,
        ownerId: admin.id,
        granteeId: friend.id,
        fileId: null,
        folderId: folder.id,
        subjectId: folder.id,
      },
    ],
  });
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
    enqueueAs: async (_tx, job, jobs) => {
      enqueued.push(...jobs.map(() => job.name));
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
  const record = { action: 'file.upload', reason: 'upload', actor: SYSTEM_ACTOR, origin: SYSTEM_ORIGIN } as const;
  const file = {
    sizeBytes: 5,
    sha256: '0'.repeat(64),
    etag: 'e',
    contentType: 'a/b',
    category: 'other',
    extension: 'bin',
    tags: null,
  };
  return { uploadId, objectKey, stem: path, suffix: '', ...file, record };
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
  expect(objects).toHaveLength(9);
  return { objects: objects.toSorted(), rows: await rowsWith([userId, ...spaces.map(({ id }) => id)]), spaces, audit };
}

async function expectErased({ caller, accessKeyId, spaces }: Awaited<ReturnType<typeof belongings>>): Promise<void> {
  await purge();
  expect(
    await rowsWith([caller.id, caller.email, `u-${caller.id.slice(-12)}`, accessKeyId, ...spaces.map(({ id }) => id)]),
  ).toEqual({});
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
  for (const { actorId, ip, userAgent, requestId, metadata } of entries) {
    const texts = Object.entries(metadata as object).filter(([, value]) => typeof value === 'string');
    expect(texts.filter(([key]) => !['from', 'to', 'reason', 'requestType', 'limit'].includes(key))).toEqual([]);
    // What an admin did to this account is the admin's own deed.
    if (actorId === admin.id) expect([ip, requestId]).toEqual(['127.0.0.1', expect.any(String)]);
    else expect([ip, userAgent, requestId]).toEqual([null, null, null]);
  }
  expect(entries.some(({ actorId }) => actorId === admin.id)).toBe(true);
}
