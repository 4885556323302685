import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PasswordHasher } from '../../src/platform/crypto/password-hasher.ts';
import { newId } from '../../src/platform/crypto/random.ts';
import { Sealer } from '../../src/platform/crypto/seal.ts';
import { type Accounts, type Caller, ENCRYPTION_KEY, type Site, startAccounts, WISH } from '../support/accounts.ts';

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

const UNKNOWN_IDS = [newId(), 'x', '1', "';--", '00000000', '%00', `${newId()}x`];

async function ask(caller: Caller, fields: object = {}): Promise<string> {
  const reply = await caller.post('/apiKeys/request/create', { ...WISH, ...fields });
  expect(reply.status).toBe(201);
  return reply.body.data.request.id;
}

function review(id: string, body: object, by: Caller = admin) {
  return by.patch(`/apiKeys/request/admin/review/${id}`, body);
}

describe('POST /apiKeys/request/create', () => {
  it('makes a request and tells the admins by mail', async () => {
    const reply = await me.post('/apiKeys/request/create', WISH);
    expect(reply.status).toBe(201);
    const { request } = reply.body.data;
    expect(request).toEqual({
      id: expect.any(String),
      requestType: 'CREATE',
      ...WISH,
      permissions: ['read', 'write', 'delete', 'list'],
      expiresAt: null,
      accessKeyId: null,
      grantedStorageGB: null,
      grantedObjects: null,
      status: 'PENDING',
      reviewerComment: null,
      createdAt: expect.stringMatching(/Z$/),
      reviewedAt: null,
    });
    expect(await a.auditOf(request.id)).toEqual(['request.create']);
    const mail = await a.mailBox.latest(admin.email, { part: request.id });
    expect(mail.subject).toBe('New API key request: backup');
    expect(mail.text).toContain(`From: ${me.email}`);
    expect(mail.text).toContain(WISH.reason);
    expect(mail.text).toContain(request.id);
    expect((await a.mailBox.all(me.email)).some(({ subject }) => subject.startsWith('New'))).toBe(false);
  });

  it.each([
    ['nothing', {}, ['keyName', 'reason', 'requestedObjects', 'requestedStorageGB']],
    ['zero GB', { ...WISH, requestedStorageGB: 0 }, ['requestedStorageGB']],
    ['too many GB', { ...WISH, requestedStorageGB: 1000.01 }, ['requestedStorageGB']],
    ['a number in a text', { ...WISH, requestedStorageGB: '5' }, ['requestedStorageGB']],
    ['no object', { ...WISH, requestedObjects: 0 }, ['requestedObjects']],
    ['too many objects', { ...WISH, requestedObjects: 1_000_001 }, ['requestedObjects']],
    ['half an object', { ...WISH, requestedObjects: 1.5 }, ['requestedObjects']],
    ['a short reason', { ...WISH, reason: '   too few     ' }, ['reason']],
    ['a long reason', { ...WISH, reason: 'x'.repeat(501) }, ['reason']],
    ['NUL', { ...WISH, reason: 'ten characters\u0000' }, ['reason']],
    ['a name of two lines', { ...WISH, keyName: 'a\r\nBcc: b@example.com' }, ['keyName']],
    ['an unknown permission', { ...WISH, permissions: ['read', 'admin'] }, ['permissions.1']],
    ['no permission', { ...WISH, permissions: [] }, ['permissions']],
    ['one permission twice', { ...WISH, permissions: ['read', 'read'] }, ['permissions']],
    ['a time gone by', { ...WISH, expiresAt: '2020-01-01T00:00:00Z' }, ['expiresAt']],
    ['a time that is none', { ...WISH, expiresAt: 'tomorrow' }, ['expiresAt']],
    ['another field', { ...WISH, status: 'APPROVED' }, ['status']],
  ])('refuses %s', async (_what, body, paths) => {
    const reply = await me.post('/apiKeys/request/create', body);
    expect(reply.status).toBe(400);
    expect(reply.body.error.code).toBe('VALIDATION_FAILED');
    expect(reply.body.error.details.map(({ path }: { path: string }) => path).toSorted()).toEqual(paths);
  });

  it('takes the extremes', async () => {
    await ask(other, { requestedStorageGB: 1000, requestedObjects: 1_000_000, reason: '😀'.repeat(500) });
    await ask(other, { requestedStorageGB: 1e-9, requestedObjects: 1, reason: 'a\nb\tc\u00a0defghi' });
  });

  it('wants a verified user', async () => {
    await a.anonymous().post('/api/apiKeys/request/create').send(WISH).expect(401);
    const reply = await (await a.register()).post('/apiKeys/request/create', WISH);
    expect(reply.body.error.code).toBe('EMAIL_NOT_VERIFIED');
  });
});

describe('GET /apiKeys/request and /apiKeys/request/:id', () => {
  it('shows own requests, newest first, in pages', async () => {
    const somebody = await a.user();
    const ids = [await ask(somebody), await ask(somebody), await ask(somebody)];
    const first = await somebody.get('/apiKeys/request?limit=2');
    expect(first.body.data.requests.map(({ id }: { id: string }) => id)).toEqual([ids[2], ids[1]]);
    expect(first.body.meta).toEqual({ nextCursor: ids[1], limit: 2 });
    const second = await somebody.get(`/apiKeys/request?limit=2&cursor=${first.body.meta.nextCursor}`);
    expect(second.body.data.requests.map(({ id }: { id: string }) => id)).toEqual([ids[0]]);
    expect(second.body.meta).toEqual({ nextCursor: null, limit: 2 });
    expect((await somebody.get('/apiKeys/request?limit=0')).status).toBe(400);
    expect((await somebody.get('/apiKeys/request?cursor=x')).status).toBe(400);
    expect((await (await a.user()).get('/apiKeys/request')).body.data.requests).toEqual([]);
  });

  it('shows one, and a foreign one as one that is not there', async () => {
    const id = await ask(me);
    expect((await me.get(`/apiKeys/request/${id}`)).body.data.request).toMatchObject({ id, status: 'PENDING' });
    for (const unknown of UNKNOWN_IDS) {
      const reply = await me.get(`/apiKeys/request/${unknown}`);
      expect(reply.status).toBe(404);
      expect(reply.body.error.code).toBe('REQUEST_NOT_FOUND');
    }
    const foreign = await other.get(`/apiKeys/request/${id}`);
    expect(foreign.body.error.code).toBe('REQUEST_NOT_FOUND');
  });

  it('wants a verified user', async () => {
    await a.anonymous().get('/api/apiKeys/request').expect(401);
    await a.anonymous().get(`/api/apiKeys/request/${newId()}`).expect(401);
  });
});

describe('DELETE /apiKeys/request/:id', () => {
  it('withdraws what waits, once', async () => {
    const id = await ask(me);
    expect((await other.delete(`/apiKeys/request/${id}`)).status).toBe(404);
    expect((await me.delete(`/apiKeys/request/${id}`)).body.data.request).toMatchObject({ id, status: 'WITHDRAWN' });
    expect((await me.delete(`/apiKeys/request/${id}`)).body.error.code).toBe('CONFLICT');
    expect((await review(id, { approved: true })).body.error.code).toBe('CONFLICT');
    expect(await a.auditOf(id)).toEqual(['request.create', 'request.withdraw']);
  });

  it('does not withdraw what is reviewed', async () => {
    const id = await ask(me);
    await review(id, { approved: false });
    expect((await me.delete(`/apiKeys/request/${id}`)).body.error.code).toBe('ALREADY_REVIEWED');
  });

  it('knows no other ids', async () => {
    for (const unknown of UNKNOWN_IDS) expect((await me.delete(`/apiKeys/request/${unknown}`)).status).toBe(404);
    await a.anonymous().delete(`/api/apiKeys/request/${newId()}`).expect(401);
  });
});

describe('GET /apiKeys/request/admin/all', () => {
  it('shows everybody’s requests with who asks and counts', async () => {
    const id = await ask(me);
    const reply = await admin.get('/apiKeys/request/admin/all?status=PENDING&limit=1');
    expect(reply.status).toBe(200);
    expect(reply.body.data.requests).toEqual([
      expect.objectContaining({ id, status: 'PENDING', user: expect.objectContaining({ id: me.id, email: me.email }) }),
    ]);
    const { counts, nextCursor } = reply.body.meta;
    expect(counts.PENDING).toBe(await a.database.prisma.apiKeyRequest.count({ where: { status: 'PENDING' } }));
    expect(Object.keys(counts).toSorted()).toEqual(['APPROVED', 'PENDING', 'REJECTED', 'WITHDRAWN']);
    expect(nextCursor).toBe(id);
    const all = await admin.get(`/apiKeys/request/admin/all?cursor=${nextCursor}&limit=200`);
    expect(all.body.data.requests.some((request: { id: string }) => request.id === id)).toBe(false);
    expect((await admin.get('/apiKeys/request/admin/all?status=OPEN')).status).toBe(400);
  });

  it('is for admins', async () => {
    await a.anonymous().get('/api/apiKeys/request/admin/all').expect(401);
    expect((await me.get('/apiKeys/request/admin/all')).body.error.code).toBe('FORBIDDEN');
  });
});

describe('PATCH /apiKeys/request/admin/review/:id', () => {
  it('approves as asked: key, pocket, mail, audit, and no secret', async () => {
    const id = await ask(me, { permissions: ['read', 'list'] });
    const reply = await review(id, { approved: true, reviewerComment: 'Welcome' });
    expect(reply.status).toBe(200);
    const { request, apiKey } = reply.body.data;
    expect(request).toMatchObject({
      id,
      status: 'APPROVED',
      accessKeyId: apiKey.accessKeyId,
      grantedStorageGB: 0.5,
      grantedObjects: 100,
      reviewerComment: 'Welcome',
      reviewedAt: expect.any(String),
      user: { id: me.id },
    });
    expect(apiKey).toEqual({
      id: expect.any(String),
      accessKeyId: expect.stringMatching(/^AKIA[A-Z2-7]{16}$/),
      name: 'backup',
      isActive: true,
      permissions: ['read', 'list'],
      createdAt: expect.any(String),
      expiresAt: null,
      lastUsedAt: null,
      revokedAt: null,
      quota: { maxBytes: 536_870_912, maxObjects: 100 },
      secrets: [],
    });
    expect(JSON.stringify(reply.body)).not.toMatch(/secretKey|hash|sealed/i);
    const space = await a.database.prisma.space.findFirstOrThrow({ where: { apiKey: { id: apiKey.id } } });
    expect(space).toMatchObject({
      kind: 'KEY',
      ownerId: me.id,
      prefix: `apikeys/${apiKey.accessKeyId}/`,
      quotaBytes: 536_870_912n,
      quotaObjects: 100n,
    });
    expect(await a.auditOf(id)).toEqual(['request.create', 'request.approve']);
    const mail = await a.mailBox.latest(me.email, { part: apiKey.accessKeyId });
    expect(mail.subject).toBe('Your API key is approved: backup');
    expect(mail.text).toContain(apiKey.accessKeyId);
    expect(mail.text).toContain(`/api/apiKeys/${apiKey.id}/claim`);
    expect(mail.text).toContain('Welcome');
  });

  it('approves trimmed, with an end', async () => {
    const id = await ask(me);
    const expiresAt = new Date(Date.now() + 3_600_000).toISOString();
    const reply = await review(id, { approved: true, grantedStorageGB: 0.25, grantedObjects: 7, expiresAt });
    expect(reply.body.data.request).toMatchObject({
      requestedStorageGB: 0.5,
      grantedStorageGB: 0.25,
      grantedObjects: 7,
    });
    expect(reply.body.data.apiKey).toMatchObject({ expiresAt, quota: { maxBytes: 268_435_456, maxObjects: 7 } });
  });

  it('keeps the end that was asked for unless told', async () => {
    const expiresAt = new Date(Date.now() + 3_600_000).toISOString();
    const kept = await review(await ask(me, { expiresAt }), { approved: true });
    expect(kept.body.data.apiKey.expiresAt).toBe(expiresAt);
    const lifted = await review(await ask(me, { expiresAt }), { approved: true, expiresAt: null });
    expect(lifted.body.data.apiKey.expiresAt).toBeNull();
  });

  it('rejects with a comment', async () => {
    const somebody = await a.user();
    const id = await ask(somebody);
    const reply = await review(id, { approved: false, reviewerComment: 'Say more <b>please</b>' });
    expect(reply.body.data).toMatchObject({
      request: { status: 'REJECTED', reviewerComment: 'Say more <b>please</b>', grantedStorageGB: null },
      apiKey: null,
    });
    expect((await somebody.get('/apiKeys')).body.data.apiKeys).toEqual([]);
    const mail = await a.mailBox.latest(somebody.email, { part: 'Say more' });
    expect(mail.subject).toBe('Your API key request was rejected: backup');
    expect(mail.text).toContain('Say more <b>please</b>');
    expect(mail.html).toContain('Say more &lt;b&gt;please&lt;/b&gt;');
    expect(await a.auditOf(id)).toEqual(['request.create', 'request.reject']);
  });

  it('happens once, also by many admins in two processes at once', async () => {
    const second = (await a.admin()).at(await site.startAnother());
    const id = await ask(me);
    const replies = await Promise.all(
      Array.from({ length: 20 }, (_, i) => review(id, { approved: i % 4 < 2 }, i % 2 === 0 ? admin : second)),
    );
    const codes = replies.map(({ status, body }) => (status === 200 ? 'reviewed' : body.error.code));
    expect(codes.toSorted()).toEqual([...Array(19).fill('ALREADY_REVIEWED'), 'reviewed']);
    expect(await a.auditOf(id)).toHaveLength(2);
    expect((await review(id, { approved: true })).body.error.code).toBe('ALREADY_REVIEWED');
  });

  it('or a withdrawal at the same moment wins, never both', async () => {
    for (let i = 0; i < 10; i += 1) {
      const id = await ask(me);
      const [approved, withdrawn] = await Promise.all([
        review(id, { approved: true }),
        me.delete(`/apiKeys/request/${id}`),
      ]);
      expect([approved.status, withdrawn.status].toSorted()).toEqual([200, 409]);
      const row = await a.database.prisma.apiKeyRequest.findUniqueOrThrow({ where: { id } });
      expect(row.apiKeyId !== null).toBe(approved.status === 200);
    }
  });

  it.each([
    ['nothing', {}, ['approved']],
    ['a text', { approved: 'yes' }, ['approved']],
    ['more GB than asked for', { approved: true, grantedStorageGB: 0.51 }, ['grantedStorageGB']],
    ['more objects than asked for', { approved: true, grantedObjects: 101 }, ['grantedObjects']],
    ['zero GB', { approved: true, grantedStorageGB: 0 }, ['grantedStorageGB']],
    ['a time gone by', { approved: true, expiresAt: '2020-01-01T00:00:00Z' }, ['expiresAt']],
    ['a grant with a rejection', { approved: false, grantedObjects: 1 }, ['grantedObjects']],
    ['another field', { approved: true, status: 'PENDING' }, ['status']],
  ])('refuses %s and leaves the request as it is', async (_what, body, paths) => {
    const id = await ask(me);
    const reply = await review(id, body);
    expect(reply.status).toBe(400);
    expect(reply.body.error.details.map(({ path }: { path: string }) => path)).toEqual(paths);
    expect((await me.get(`/apiKeys/request/${id}`)).body.data.request.status).toBe('PENDING');
  });

  it('knows no other ids', async () => {
    for (const unknown of UNKNOWN_IDS) {
      expect((await review(unknown, { approved: true })).body.error.code).toBe('REQUEST_NOT_FOUND');
    }
  });

  it('is for admins, not for the requester', async () => {
    const id = await ask(me);
    expect((await review(id, { approved: true }, me)).body.error.code).toBe('FORBIDDEN');
    await a.anonymous().patch(`/api/apiKeys/request/admin/review/${id}`).send({ approved: true }).expect(401);
  });
});

describe('GET /apiKeys, /apiKeys/:id and /apiKeys/:id/usage', () => {
  it('show own keys, and foreign ones as ones that are not there', async () => {
    const somebody = await a.user();
    const keys = [await a.approvedKey(somebody, admin), await a.approvedKey(somebody, admin)];
    const page = await somebody.get('/apiKeys?limit=1');
    expect(page.body).toMatchObject({ data: { apiKeys: [keys[1]] }, meta: { nextCursor: keys[1]?.id, limit: 1 } });
    const rest = await somebody.get(`/apiKeys?cursor=${page.body.meta.nextCursor}`);
    expect(rest.body).toMatchObject({ data: { apiKeys: [keys[0]] }, meta: { nextCursor: null, limit: 50 } });
    expect((await somebody.get(`/apiKeys/${keys[0]?.id}`)).body.data).toEqual({ apiKey: keys[0] });
    expect((await somebody.get(`/apiKeys/${keys[0]?.id}/usage`)).body.data).toEqual({
      usage: {
        bytesUsed: 0,
        objects: 0,
        bytesReserved: 0,
        trashBytes: 0,
        versionBytes: 0,
        lastUpdated: expect.any(String),
      },
      quota: { maxBytes: 536_870_912, maxObjects: 100, canUpload: true, quotaExceeded: false },
      usagePercentage: { bytes: 0, objects: 0 },
    });
    for (const path of ['', '/usage']) {
      for (const id of UNKNOWN_IDS) {
        const reply = await somebody.get(`/apiKeys/${id}${path}`);
        expect(reply.status).toBe(404);
        expect(reply.body.error.code).toBe('API_KEY_NOT_FOUND');
      }
      expect((await other.get(`/apiKeys/${keys[0]?.id}${path}`)).body.error.code).toBe('API_KEY_NOT_FOUND');
      await a.anonymous().get(`/api/apiKeys/${keys[0]?.id}${path}`).expect(401);
    }
    await a.anonymous().get('/api/apiKeys').expect(401);
    expect((await somebody.get('/apiKeys?cursor=x')).status).toBe(400);
  });
});

describe('POST /apiKeys/:id/claim', () => {
  it('gives the secret once; it is kept hashed and sealed', async () => {
    const key = await a.approvedKey(me, admin);
    const reply = await me.post(`/apiKeys/${key.id}/claim`);
    expect(reply.status).toBe(200);
    expect(reply.headers['cache-control']).toBe('no-store');
    const { accessKeyId, secretKey } = reply.body.data;
    expect(accessKeyId).toBe(key.accessKeyId);
    expect(secretKey).toMatch(/^[A-Za-z0-9]{40}$/);
    expect((await me.post(`/apiKeys/${key.id}/claim`)).body.error.code).toBe('ALREADY_CLAIMED');
    const [row, ...more] = await a.database.prisma.apiKeySecret.findMany({ where: { apiKeyId: key.id } });
    if (!row) expect.fail();
    expect(more).toEqual([]);
    const hasher = new PasswordHasher({ cost: 4, concurrency: 1, maxWaiting: 1 });
    expect(await hasher.verify(secretKey, row.secretHash)).toBe(true);
    const sealed = { bytes: Buffer.from(row.sealedSecret), keyVersion: row.sealKeyVersion };
    expect(new Sealer(ENCRYPTION_KEY).open(sealed, row.id)).toBe(secretKey);
    expect(await a.auditOf(key.id)).toEqual(['key.claim']);
    const audit = await a.database.prisma.auditLog.findFirstOrThrow({ where: { subjectId: key.id } });
    expect(audit).toMatchObject({ accessKeyId, actorId: me.id, metadata: {} });
  });

  it('of many at once in two processes gives one', async () => {
    const key = await a.approvedKey(me, admin);
    const there = me.at(await site.startAnother());
    const replies = await Promise.all(
      Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? me : there).post(`/apiKeys/${key.id}/claim`)),
    );
    const codes = replies.map(({ status, body }) => (status === 200 ? 'claimed' : body.error.code));
    expect(codes.toSorted()).toEqual([...Array(19).fill('ALREADY_CLAIMED'), 'claimed']);
    expect(await a.database.prisma.apiKeySecret.count({ where: { apiKeyId: key.id } })).toBe(1);
  });

  it('is for the owner, not even for the admin', async () => {
    const key = await a.approvedKey(me, admin);
    for (const caller of [other, admin]) {
      expect((await caller.post(`/apiKeys/${key.id}/claim`)).body.error.code).toBe('API_KEY_NOT_FOUND');
    }
    await a.anonymous().post(`/api/apiKeys/${key.id}/claim`).expect(401);
    for (const id of UNKNOWN_IDS) expect((await me.post(`/apiKeys/${id}/claim`)).status).toBe(404);
  });

  it('gives no secret of a revoked or expired key', async () => {
    const revoked = await a.approvedKey(me, admin);
    await me.delete(`/apiKeys/${revoked.id}`);
    expect((await me.post(`/apiKeys/${revoked.id}/claim`)).body.error.code).toBe('CONFLICT');
    const expired = await a.approvedKey(me, admin, { expiresAt: new Date(Date.now() + 60_000).toISOString() });
    await a.database.prisma.apiKey.update({ where: { id: expired.id }, data: { expiresAt: new Date() } });
    expect((await me.post(`/apiKeys/${expired.id}/claim`)).body.error.code).toBe('CONFLICT');
    expect((await me.get(`/apiKeys/${expired.id}`)).body.data.apiKey.isActive).toBe(false);
  });
});

describe('DELETE /apiKeys/:id', () => {
  it('revokes, and does no harm a second time', async () => {
    const somebody = await a.user();
    const key = await a.approvedKey(somebody, admin);
    expect((await other.delete(`/apiKeys/${key.id}`)).body.error.code).toBe('API_KEY_NOT_FOUND');
    const first = await somebody.delete(`/apiKeys/${key.id}`);
    expect(first.body.data.apiKey).toMatchObject({ id: key.id, isActive: false, revokedAt: expect.any(String) });
    const second = await somebody.delete(`/apiKeys/${key.id}`);
    expect(second.status).toBe(200);
    expect(second.body.data).toEqual(first.body.data);
    expect(await a.auditOf(key.id)).toEqual(['key.revoke']);
    const mail = await a.mailBox.latest(somebody.email, { part: 'from your account' });
    expect(mail.subject).toBe('Your API key is revoked: backup');
    expect(mail.text).toContain(key.accessKeyId);
  });

  it('sends one mail, also when it is revoked by many at once', async () => {
    const key = await a.approvedKey(me, admin);
    const replies = await Promise.all(Array.from({ length: 8 }, () => me.delete(`/apiKeys/${key.id}`)));
    expect(replies.map(({ status }) => status)).toEqual(Array(8).fill(200));
    expect(await a.auditOf(key.id)).toEqual(['key.revoke']);
    const next = await a.approvedKey(me, admin, { keyName: 'the next one' });
    await me.delete(`/apiKeys/${next.id}`);
    for (const { accessKeyId } of [key, next]) await a.mailBox.latest(me.email, { part: accessKeyId, count: 2 });
    const mails = (await a.mailBox.all(me.email)).filter(({ text }) => text.includes(key.accessKeyId));
    expect(mails.map(({ subject }) => subject).toSorted()).toEqual([
      'Your API key is approved: backup',
      'Your API key is revoked: backup',
    ]);
  });

  it('holds for a key that was revoked with the account: it stays revoked when the account comes back', async () => {
    const key = await a.approvedKey(me, admin);
    const revokedAt = new Date(Date.now() - 60_000);
    await a.database.prisma.apiKey.update({ where: { id: key.id }, data: { revokedAt, revokedWithAccount: true } });
    await me.delete(`/apiKeys/${key.id}`);
    expect(await a.database.prisma.apiKey.findUnique({ where: { id: key.id } })).toMatchObject({
      revokedAt,
      revokedWithAccount: false,
    });
  });

  it('knows no other ids', async () => {
    for (const id of UNKNOWN_IDS) expect((await me.delete(`/apiKeys/${id}`)).status).toBe(404);
    await a.anonymous().delete(`/api/apiKeys/${newId()}`).expect(401);
  });
});
