import supertest from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newId } from '../../src/platform/crypto/random.ts';
import { type Accounts, type Caller, type Site, startAccounts } from '../support/accounts.ts';

const GB = 1024 ** 3;
const UNKNOWN_IDS = [newId(), 'x', "';--", '%00'];

let site: Site;
let a: Accounts;
let me: Caller;
let admin: Caller;

beforeAll(async () => {
  site = await startAccounts();
  a = site.accounts;
  [me, admin] = [await a.user(), await a.admin()];
});
afterAll(() => site.stop());

interface Listed {
  readonly id: string;
  readonly user: { readonly id: string };
}

async function list(query = ''): Promise<Listed[]> {
  const reply = await admin.get(`/admin/api-keys${query}`);
  expect(reply.status).toBe(200);
  return reply.body.data.apiKeys;
}

/** Everything, a page at a time. */
async function listAll(query: string): Promise<Listed[]> {
  const found: Listed[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const reply = await admin.get(`/admin/api-keys?${query}${cursor === '' ? '' : `&cursor=${cursor}`}`);
    found.push(...reply.body.data.apiKeys);
    cursor = reply.body.meta.nextCursor;
  }
  return found;
}

async function claim(owner: Caller, key: { id: string }): Promise<Record<string, string>> {
  const { accessKeyId, secretKey } = (await owner.post(`/apiKeys/${key.id}/claim`)).body.data;
  return { 'x-access-key-id': accessKeyId, 'x-secret-key': secretKey };
}

function upload(credentials: Record<string, string>, fileName: string, bytes: number) {
  return supertest(a.app)
    .post(`/api/storage/upload?fileName=${fileName}`)
    .set(credentials)
    .attach('file', Buffer.alloc(bytes, 'x'), fileName);
}

describe('GET /admin/api-keys', () => {
  it('shows a key with its owner and usage', async () => {
    const key = await a.approvedKey(me, admin);
    await upload(await claim(me, key), 'a.txt', 10);
    const [shown] = await list(`?userId=${me.id}&limit=1`);
    expect(shown).toEqual({
      ...(await me.get(`/apiKeys/${key.id}`)).body.data.apiKey,
      user: (await me.get('/users/profile')).body.data.user,
      usage: {
        bytesUsed: 10,
        objects: 1,
        bytesReserved: 0,
        trashBytes: 0,
        versionBytes: 0,
        lastUpdated: expect.any(String),
      },
    });
    expect(JSON.stringify(shown)).not.toMatch(/hash|sealed|secretKey/i);
  });

  it('comes by user, the newest first, in pages', async () => {
    const [older, newer] = [await a.user(), await a.user()];
    const one = await a.approvedKey(newer, admin);
    const two = await a.approvedKey(older, admin);
    const three = await a.approvedKey(newer, admin);
    const four = await a.approvedKey(older, admin);
    const wanted = [three.id, one.id, four.id, two.id];
    expect((await list('?limit=4')).map(({ id }) => id)).toEqual(wanted);
    const paged = await listAll('limit=1');
    expect(paged.slice(0, 4).map(({ id }) => id)).toEqual(wanted);
    expect(paged).toEqual(await list('?limit=200'));
    expect((await admin.get('/admin/api-keys?limit=200')).body.meta).toEqual({ nextCursor: null, limit: 200 });
    const mine = await listAll(`limit=1&userId=${older.id}`);
    expect(mine.map(({ id }) => id)).toEqual([four.id, two.id]);
    expect(await list(`?userId=${newId()}`)).toEqual([]);
  });

  it('filters by state', async () => {
    const somebody = await a.user();
    const [active, ending, expired, revoked, both] = await Promise.all(
      Array.from({ length: 5 }, () => a.approvedKey(somebody, admin)),
    );
    const end = (key: { id: string } | undefined, at: number) =>
      a.database.prisma.apiKey.update({ where: { id: key?.id ?? '' }, data: { expiresAt: new Date(Date.now() + at) } });
    await Promise.all([end(ending, 60_000), end(expired, 0), end(both, 0)]);
    await somebody.delete(`/apiKeys/${revoked?.id}`);
    await somebody.delete(`/apiKeys/${both?.id}`);
    const ids = async (status: string) =>
      (await list(`?userId=${somebody.id}&status=${status}`)).map(({ id }) => id).toSorted();
    const sorted = (...keys: ({ id: string } | undefined)[]) => keys.map((key) => key?.id).toSorted();
    expect(await ids('active')).toEqual(sorted(active, ending));
    expect(await ids('expired')).toEqual(sorted(expired));
    expect(await ids('revoked')).toEqual(sorted(revoked, both));
    for (const { id } of await list(`?userId=${somebody.id}&status=active`)) {
      expect((await somebody.get(`/apiKeys/${id}`)).body.data.apiKey.isActive).toBe(true);
    }
  });

  it('searches name, access key id, e-mail address and username, in any case and to the letter', async () => {
    const named = await a.register({ username: `Findable_${process.pid}` });
    await a.database.prisma.user.update({ where: { id: named.id }, data: { emailVerifiedAt: new Date() } });
    const first = await a.approvedKey(named, admin, { keyName: '100% of_it \\o/' });
    const second = await a.approvedKey(named, admin, { keyName: '1000 of it' });
    const ids = async (search: string) => (await list(`?search=${encodeURIComponent(search)}`)).map(({ id }) => id);
    expect(await ids('100% OF')).toEqual([first.id]);
    expect(await ids('0% ')).toEqual([first.id]);
    expect(await ids('of_it')).toEqual([first.id]);
    expect(await ids('\\o')).toEqual([first.id]);
    expect(await ids(first.accessKeyId.toLowerCase())).toEqual([first.id]);
    expect(await ids(named.email.toUpperCase())).toEqual([second.id, first.id]);
    expect(await ids(`findable_${process.pid}`)).toEqual([second.id, first.id]);
    expect(await ids('findablex')).toEqual([]);
    expect(await ids("';--")).toEqual([]);
    expect((await listAll(`limit=1&search=${encodeURIComponent(named.email)}`)).map(({ id }) => id)).toEqual([
      second.id,
      first.id,
    ]);
  });

  it.each(['userId=x', 'status=dead', 'limit=0', 'cursor=x', `cursor=${newId()}`, 'search=', 'search=%00'])(
    'refuses ?%s',
    async (query) => {
      const reply = await admin.get(`/admin/api-keys?${query}`);
      expect(reply.body.error.code).toBe('VALIDATION_FAILED');
    },
  );

  it('is for admins', async () => {
    expect((await me.get('/admin/api-keys')).body.error.code).toBe('FORBIDDEN');
    await a.anonymous().get('/api/admin/api-keys').expect(401);
  });
});

describe('PATCH /admin/api-keys/:id', () => {
  it('sets one limit or both, with old and new in the audit log', async () => {
    const key = await a.approvedKey(me, admin);
    const path = `/admin/api-keys/${key.id}`;
    const reply = await admin.patch(path, { quota: { maxBytes: 2 * GB } });
    expect(reply.body.data.apiKey).toMatchObject({
      id: key.id,
      quota: { maxBytes: 2 * GB, maxObjects: 100 },
      user: { id: me.id },
      usage: { bytesUsed: 0 },
    });
    await admin.patch(path, { quota: { maxBytes: 2 * GB, maxObjects: 7 } });
    await admin.patch(path, { quota: { maxBytes: 2 * GB, maxObjects: 7 } });
    expect((await me.get(`/apiKeys/${key.id}`)).body.data.apiKey.quota).toEqual({ maxBytes: 2 * GB, maxObjects: 7 });
    const entries = await a.database.prisma.auditLog.findMany({ where: { subjectId: key.id }, orderBy: { id: 'asc' } });
    expect(entries).toMatchObject([
      {
        action: 'admin.key_quota_change',
        actorType: 'admin',
        actorId: admin.id,
        accessKeyId: key.accessKeyId,
        metadata: { oldMaxBytes: GB / 2, newMaxBytes: 2 * GB, oldMaxObjects: 100, newMaxObjects: 100 },
      },
      { metadata: { oldMaxBytes: 2 * GB, newMaxBytes: 2 * GB, oldMaxObjects: 100, newMaxObjects: 7 } },
    ]);
  });

  it('by many at once: each entry’s old numbers are the new ones of the one before', async () => {
    const key = await a.approvedKey(me, admin);
    await Promise.all(
      Array.from({ length: 10 }, (_, i) =>
        admin.patch(`/admin/api-keys/${key.id}`, { quota: { maxObjects: 200 + i } }),
      ),
    );
    const entries = await a.database.prisma.auditLog.findMany({ where: { subjectId: key.id } });
    const steps = new Map(
      entries.map(({ metadata }) => {
        const { oldMaxObjects, newMaxObjects } = metadata as Record<string, number>;
        return [oldMaxObjects, newMaxObjects];
      }),
    );
    let reached: number | undefined = 100;
    for (let step = 0; step < 10; step += 1) reached = steps.get(reached);
    expect((await me.get(`/apiKeys/${key.id}`)).body.data.apiKey.quota.maxObjects).toBe(reached);
  });

  it('below what is used refuses the next byte and lets everything else go on', async () => {
    const key = await a.approvedKey(me, admin);
    const credentials = await claim(me, key);
    for (const name of ['a.txt', 'b.txt']) expect((await upload(credentials, name, 1000)).status).toBe(201);
    const reply = await admin.patch(`/admin/api-keys/${key.id}`, { quota: { maxBytes: 500, maxObjects: 1 } });
    expect(reply.body.data.apiKey).toMatchObject({ quota: { maxBytes: 500 }, usage: { bytesUsed: 2000, objects: 2 } });

    const refused = await upload(credentials, 'c.txt', 1);
    expect(refused.status).toBe(413);
    expect(refused.body.error).toMatchObject({ code: 'QUOTA_EXCEEDED', details: { used: expect.any(Number) } });
    expect((await upload(credentials, 'a.txt', 1001)).body.error.code).toBe('QUOTA_EXCEEDED');

    const content = await supertest(a.app).get('/api/storage/files/a.txt/content').set(credentials);
    expect([content.status, content.headers['content-length']]).toEqual([200, '1000']);
    expect(content.headers['x-quota-bytes-remaining']).toBe('0');
    const smaller = await upload(credentials, 'a.txt', 999);
    expect([smaller.status, smaller.body.data.usage.bytesUsed]).toEqual([201, 1999]);
    expect((await upload(credentials, 'a.txt', 999)).status).toBe(201);
    await supertest(a.app).delete('/api/storage/files/b.txt').set(credentials).expect(200);
    const { usage, quota } = (await me.get(`/apiKeys/${key.id}/usage`)).body.data;
    expect(usage).toMatchObject({ bytesUsed: 999, objects: 1 });
    expect(quota).toEqual({ maxBytes: 500, maxObjects: 1, canUpload: false, quotaExceeded: true });
  });

  it.each([
    ['nothing', {}, ['quota']],
    ['no limit', { quota: {} }, ['quota']],
    ['zero bytes', { quota: { maxBytes: 0 } }, ['quota.maxBytes']],
    ['half a byte', { quota: { maxBytes: 1.5 } }, ['quota.maxBytes']],
    ['too many bytes', { quota: { maxBytes: 1000 * GB + 1 } }, ['quota.maxBytes']],
    ['no object', { quota: { maxObjects: 0 } }, ['quota.maxObjects']],
    ['too many objects', { quota: { maxObjects: 1_000_001 } }, ['quota.maxObjects']],
    ['a text', { quota: { maxObjects: '5' } }, ['quota.maxObjects']],
    ['an unknown limit', { quota: { maxFiles: 5, maxObjects: 5 } }, ['quota.maxFiles']],
    ['another field', { quota: { maxObjects: 5 }, name: 'x' }, ['name']],
  ])('refuses %s', async (_what, body, paths) => {
    const key = await a.approvedKey(me, admin);
    const reply = await admin.patch(`/admin/api-keys/${key.id}`, body);
    expect(reply.status).toBe(400);
    expect(reply.body.error.details.map(({ path }: { path: string }) => path)).toEqual(paths);
  });

  it('takes the extremes', async () => {
    const key = await a.approvedKey(me, admin);
    for (const quota of [
      { maxBytes: 1, maxObjects: 1 },
      { maxBytes: 1000 * GB, maxObjects: 1_000_000 },
    ]) {
      const reply = await admin.patch(`/admin/api-keys/${key.id}`, { quota });
      expect(reply.body.data.apiKey.quota).toEqual(quota);
    }
  });

  it('knows no other ids and no other callers', async () => {
    const key = await a.approvedKey(me, admin);
    const body = { quota: { maxObjects: 5 } };
    for (const id of UNKNOWN_IDS) {
      expect((await admin.patch(`/admin/api-keys/${id}`, body)).body.error.code).toBe('API_KEY_NOT_FOUND');
    }
    expect((await me.patch(`/admin/api-keys/${key.id}`, body)).body.error.code).toBe('FORBIDDEN');
  });
});

describe('DELETE /admin/api-keys/:id', () => {
  it('revokes at the next request, in every process, and tells the owner once', async () => {
    const there = await site.startAnother();
    const key = await a.approvedKey(me, admin);
    const credentials = await claim(me, key);
    const codes = () =>
      Promise.all(
        [a, there].map(async ({ app }) => {
          const reply = await supertest(app).get('/api/storage/usage').set(credentials);
          return reply.body.error?.code ?? reply.status;
        }),
      );
    expect(await codes()).toEqual([200, 200]);
    const reply = await admin.delete(`/admin/api-keys/${key.id}`);
    expect(reply.body.data.apiKey).toMatchObject({
      id: key.id,
      isActive: false,
      revokedAt: expect.any(String),
      user: { id: me.id },
      usage: { objects: 0 },
    });
    expect(await codes()).toEqual(['KEY_REVOKED', 'KEY_REVOKED']);
    expect((await admin.delete(`/admin/api-keys/${key.id}`)).body.data).toEqual(reply.body.data);
    const entries = await a.database.prisma.auditLog.findMany({ where: { subjectId: key.id, action: 'key.revoke' } });
    expect(entries).toMatchObject([{ actorType: 'admin', actorId: admin.id, accessKeyId: key.accessKeyId }]);
    const mail = await a.mailBox.latest(me.email, { part: 'An admin has revoked' });
    expect(mail.subject).toBe('Your API key is revoked: backup');
    expect(mail.text).toContain(key.accessKeyId);
  });

  it('knows no other ids and no other callers', async () => {
    const key = await a.approvedKey(me, admin);
    for (const id of UNKNOWN_IDS) {
      expect((await admin.delete(`/admin/api-keys/${id}`)).body.error.code).toBe('API_KEY_NOT_FOUND');
    }
    expect((await me.delete(`/admin/api-keys/${key.id}`)).body.error.code).toBe('FORBIDDEN');
  });
});
