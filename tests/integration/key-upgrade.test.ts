import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newId } from '../../src/platform/crypto/random.ts';
import { type Accounts, type Caller, type Site, startAccounts } from '../support/accounts.ts';

const GB = 1024 ** 3;
const REASON = 'The library has outgrown its pocket';

let site: Site;
let a: Accounts;
let me: Caller;
let other: Caller;
let admin: Caller;

beforeAll(async () => {
  site = await startAccounts();
  a = site.accounts;
  [me, other, admin] = [await a.user(), await a.user(), await a.admin()];
});
afterAll(() => site.stop());

interface Key {
  readonly id: string;
  readonly accessKeyId: string;
}

/** Half a GB and 100 objects. */
function newKey(): Promise<Key> {
  return a.approvedKey(me, admin);
}

function ask({ accessKeyId }: Pick<Key, 'accessKeyId'>, fields: object = {}, by: Caller = me) {
  return by.post('/apiKeys/request/upgrade', {
    accessKeyId,
    requestedStorageGB: 1,
    requestedObjects: 200,
    reason: REASON,
    ...fields,
  });
}

async function waiting(key: Key, fields: object = {}): Promise<string> {
  const reply = await ask(key, fields);
  expect(reply.status).toBe(201);
  return reply.body.data.request.id;
}

function review(id: string, body: object, by: Caller = admin) {
  return by.patch(`/apiKeys/request/admin/review/${id}`, body);
}

async function quotaOf(key: Key): Promise<{ maxBytes: number; maxObjects: number }> {
  return (await me.get(`/apiKeys/${key.id}`)).body.data.apiKey.quota;
}

function pathsOf(reply: { body: { error: { details: { path: string }[] } } }): string[] {
  return reply.body.error.details.map(({ path }) => path);
}

describe('POST /apiKeys/request/upgrade', () => {
  it('makes a request about the key and tells the admins by mail', async () => {
    const key = await newKey();
    const reply = await ask(key);
    expect(reply.status).toBe(201);
    const { request } = reply.body.data;
    expect(request).toEqual({
      id: expect.any(String),
      requestType: 'UPGRADE',
      keyName: 'backup',
      accessKeyId: key.accessKeyId,
      requestedStorageGB: 1,
      requestedObjects: 200,
      grantedStorageGB: null,
      grantedObjects: null,
      reason: REASON,
      permissions: [],
      expiresAt: null,
      status: 'PENDING',
      reviewerComment: null,
      createdAt: expect.stringMatching(/Z$/),
      reviewedAt: null,
    });
    expect(await a.auditOf(request.id)).toEqual(['request.create']);
    const audit = await a.database.prisma.auditLog.findFirstOrThrow({ where: { subjectId: request.id } });
    expect(audit).toMatchObject({ accessKeyId: key.accessKeyId, metadata: { requestType: 'UPGRADE' } });
    const mail = await a.mailBox.latest(admin.email, { part: request.id });
    expect(mail.subject).toBe('API key upgrade request: backup');
    const listed = await admin.get('/apiKeys/request/admin/all?limit=1');
    expect(listed.body.data.requests).toEqual([{ ...request, user: expect.objectContaining({ id: me.id }) }]);
    expect((await me.get(`/apiKeys/request/${request.id}`)).body.data).toEqual({ request });
  });

  it.each([
    ['nothing', {}, { requestedStorageGB: undefined, requestedObjects: undefined, reason: undefined }, 3],
    ['less room', { requestedStorageGB: 0.4999999 }, {}, ['requestedStorageGB']],
    ['fewer objects', { requestedObjects: 99 }, {}, ['requestedObjects']],
    ['less of both', { requestedStorageGB: 0.1, requestedObjects: 1 }, {}, ['requestedStorageGB', 'requestedObjects']],
    ['what it has', { requestedStorageGB: 0.5, requestedObjects: 100 }, {}, ['requestedStorageGB', 'requestedObjects']],
    ['less than a byte more', { requestedStorageGB: 0.5 + 0.4 / GB, requestedObjects: 100 }, {}, 2],
    ['too many GB', { requestedStorageGB: 1000.01 }, {}, ['requestedStorageGB']],
    ['too many objects', { requestedObjects: 1_000_001 }, {}, ['requestedObjects']],
    ['a short reason', { reason: 'more' }, {}, ['reason']],
    ['another field', { permissions: ['read'] }, {}, ['permissions']],
  ])('refuses %s', async (_what, fields, without, paths) => {
    const key = await newKey();
    const reply = await ask(key, { ...fields, ...without });
    expect(reply.body.error.code).toBe('VALIDATION_FAILED');
    if (typeof paths === 'number') expect(pathsOf(reply)).toHaveLength(paths);
    else expect(pathsOf(reply)).toEqual(paths);
  });

  it('takes one limit higher than it is, by a byte or an object', async () => {
    await waiting(await newKey(), { requestedStorageGB: 0.5 + 1 / GB, requestedObjects: 100 });
    await waiting(await newKey(), { requestedStorageGB: 0.5, requestedObjects: 101 });
    const odd = await a.approvedKey(me, admin, { requestedStorageGB: 0.1 });
    await waiting(odd, { requestedStorageGB: 0.1, requestedObjects: 101 });
  });

  it('is for the owner of a living key', async () => {
    const key = await newKey();
    for (const caller of [other, admin]) {
      expect((await ask(key, {}, caller)).body.error.code).toBe('API_KEY_NOT_FOUND');
    }
    for (const accessKeyId of ['AKIANOTTHEREATALL000', newId(), "';--"]) {
      expect((await ask({ accessKeyId })).body.error.code).toBe('API_KEY_NOT_FOUND');
    }
    await a.database.prisma.apiKey.update({ where: { id: key.id }, data: { expiresAt: new Date() } });
    expect((await ask(key)).body.error.code).toBe('CONFLICT');
    await me.delete(`/apiKeys/${key.id}`);
    expect((await ask(key)).body.error.code).toBe('CONFLICT');
  });

  it('waits once for each key, also when many ask at once in two processes', async () => {
    const key = await newKey();
    const there = me.at(await site.startAnother());
    const replies = await Promise.all(Array.from({ length: 12 }, (_, i) => ask(key, {}, i % 2 === 0 ? me : there)));
    const codes = replies.map(({ status, body }) => (status === 201 ? 'asked' : body.error.code));
    expect(codes.toSorted()).toEqual([...Array(11).fill('CONFLICT'), 'asked']);
    const id = replies.find(({ status }) => status === 201)?.body.data.request.id;
    expect((await me.delete(`/apiKeys/request/${id}`)).body.data.request.status).toBe('WITHDRAWN');
    const again = await waiting(key);
    await review(again, { approved: false });
    await waiting(key);
    await waiting(await newKey());
  });
});

describe('the review of an upgrade', () => {
  it('approves as asked: the key has more room at once, its secret stays', async () => {
    const key = await newKey();
    await me.post(`/apiKeys/${key.id}/claim`);
    const before = (await me.get(`/apiKeys/${key.id}`)).body.data.apiKey;
    const id = await waiting(key);
    const reply = await review(id, { approved: true, reviewerComment: 'Enjoy' });
    expect(reply.body.data).toEqual({
      request: expect.objectContaining({
        id,
        requestType: 'UPGRADE',
        status: 'APPROVED',
        accessKeyId: key.accessKeyId,
        grantedStorageGB: 1,
        grantedObjects: 200,
        reviewerComment: 'Enjoy',
      }),
      apiKey: { ...before, quota: { maxBytes: GB, maxObjects: 200 } },
    });
    expect(before.secrets).toHaveLength(1);
    expect((await me.get(`/apiKeys/${key.id}`)).body.data.apiKey).toEqual(reply.body.data.apiKey);
    expect(await a.auditOf(id)).toEqual(['request.create', 'request.approve']);
    const mail = await a.mailBox.latest(me.email, { part: 'Enjoy' });
    expect(mail.subject).toBe('Your API key upgrade is approved: backup');
    expect(mail.text).toContain('1 GB');
    expect((await review(id, { approved: true })).body.error.code).toBe('ALREADY_REVIEWED');
    expect(await a.database.prisma.apiKey.count({ where: { requests: { some: { id } } } })).toBe(1);
  });

  it('approves trimmed, between what is and what was asked for', async () => {
    const key = await newKey();
    const id = await waiting(key);
    for (const [body, path] of [
      [{ grantedStorageGB: 0.49 }, 'grantedStorageGB'],
      [{ grantedStorageGB: 1.01 }, 'grantedStorageGB'],
      [{ grantedObjects: 99 }, 'grantedObjects'],
      [{ grantedObjects: 201 }, 'grantedObjects'],
      [{ expiresAt: '2020-01-01T00:00:00Z' }, 'expiresAt'],
    ] as const) {
      const refused = await review(id, { approved: true, ...body });
      expect(refused.status).toBe(400);
      expect(pathsOf(refused)).toEqual([path]);
    }
    expect((await me.get(`/apiKeys/request/${id}`)).body.data.request.status).toBe('PENDING');
    expect(await quotaOf(key)).toEqual({ maxBytes: GB / 2, maxObjects: 100 });
    const reply = await review(id, { approved: true, grantedStorageGB: 0.75, grantedObjects: 100 });
    expect(reply.body.data).toMatchObject({
      request: { requestedStorageGB: 1, grantedStorageGB: 0.75, grantedObjects: 100 },
      apiKey: { quota: { maxBytes: 0.75 * GB, maxObjects: 100 } },
    });
  });

  it('sets, lifts or leaves the expiry', async () => {
    const expiresAt = new Date(Date.now() + 3_600_000).toISOString();
    const key = await newKey();
    const set = await review(await waiting(key), { approved: true, expiresAt });
    expect(set.body.data.apiKey.expiresAt).toBe(expiresAt);
    const left = await review(await waiting(key, { requestedObjects: 300 }), { approved: true });
    expect(left.body.data.apiKey.expiresAt).toBe(expiresAt);
    const lifted = await review(await waiting(key, { requestedObjects: 400 }), { approved: true, expiresAt: null });
    expect(lifted.body.data.apiKey.expiresAt).toBeNull();
  });

  it('never lowers what an admin has raised meanwhile', async () => {
    const key = await newKey();
    const id = await waiting(key);
    await admin.patch(`/admin/api-keys/${key.id}`, { quota: { maxBytes: 2 * GB } });
    expect(pathsOf(await review(id, { approved: true, grantedStorageGB: 0.75 }))).toEqual(['grantedStorageGB']);
    const reply = await review(id, { approved: true, reviewerComment: 'raised already' });
    expect(reply.body.data.apiKey.quota).toEqual({ maxBytes: 2 * GB, maxObjects: 200 });
    expect((await a.mailBox.latest(me.email, { part: 'raised already' })).text).toContain('2 GB');
  });

  it('does not lower at the same moment either', async () => {
    for (let i = 0; i < 8; i += 1) {
      const key = await newKey();
      const id = await waiting(key);
      const replies = await Promise.all([
        review(id, { approved: true }),
        admin.patch(`/admin/api-keys/${key.id}`, { quota: { maxBytes: 2 * GB } }),
      ]);
      expect(replies.map(({ status }) => status)).toEqual([200, 200]);
      expect(await quotaOf(key)).toEqual({ maxBytes: 2 * GB, maxObjects: 200 });
    }
  });

  it('refuses a key that was revoked or has expired meanwhile; a rejection is still possible', async () => {
    const revoked = await newKey();
    const first = await waiting(revoked);
    await me.delete(`/apiKeys/${revoked.id}`);
    const expired = await newKey();
    const second = await waiting(expired);
    await a.database.prisma.apiKey.update({ where: { id: expired.id }, data: { expiresAt: new Date() } });
    for (const id of [first, second]) {
      expect((await review(id, { approved: true })).body.error.code).toBe('CONFLICT');
      expect((await me.get(`/apiKeys/request/${id}`)).body.data.request.status).toBe('PENDING');
    }
    expect(await quotaOf(revoked)).toEqual({ maxBytes: GB / 2, maxObjects: 100 });
    expect((await review(first, { approved: false })).body.data).toMatchObject({
      request: { requestType: 'UPGRADE', status: 'REJECTED', accessKeyId: revoked.accessKeyId },
      apiKey: null,
    });
  });

  it('or a revocation at the same moment: a revoked key never gets more room afterwards', async () => {
    for (let i = 0; i < 8; i += 1) {
      const key = await newKey();
      const id = await waiting(key);
      const [reviewed, revoked] = await Promise.all([review(id, { approved: true }), me.delete(`/apiKeys/${key.id}`)]);
      expect(revoked.status).toBe(200);
      const { maxObjects } = await quotaOf(key);
      expect([reviewed.status, maxObjects]).toEqual(reviewed.status === 200 ? [200, 200] : [409, 100]);
    }
  });

  it('rejects with a mail, and nothing changes', async () => {
    const key = await newKey();
    const id = await waiting(key);
    const reply = await review(id, { approved: false, reviewerComment: 'Tidy up first' });
    expect(reply.body.data).toMatchObject({ request: { status: 'REJECTED', grantedStorageGB: null }, apiKey: null });
    expect(await quotaOf(key)).toEqual({ maxBytes: GB / 2, maxObjects: 100 });
    const mail = await a.mailBox.latest(me.email, { part: 'Tidy up first' });
    expect(mail.subject).toBe('Your API key upgrade was rejected: backup');
  });

  it('happens once, also by many admins in two processes at once', async () => {
    const key = await newKey();
    const id = await waiting(key);
    const second = (await a.admin()).at(await site.startAnother());
    const replies = await Promise.all(
      Array.from({ length: 12 }, (_, i) => review(id, { approved: i % 4 < 2 }, i % 2 === 0 ? admin : second)),
    );
    const codes = replies.map(({ status, body }) => (status === 200 ? 'reviewed' : body.error.code));
    expect(codes.toSorted()).toEqual([...Array(11).fill('ALREADY_REVIEWED'), 'reviewed']);
    const approved = replies.find(({ status }) => status === 200)?.body.data.request.status === 'APPROVED';
    expect((await quotaOf(key)).maxObjects).toBe(approved ? 200 : 100);
  });
});
