import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newId } from '../../src/platform/crypto/random.ts';
import { type Accounts, type Caller, type Site, startAccounts } from '../support/accounts.ts';
import { insertAuditRows } from '../support/audit-rows.ts';

interface Entry {
  readonly id: string;
  readonly action: string;
}

let site: Site;
let a: Accounts;
let admin: Caller;

beforeAll(async () => {
  site = await startAccounts();
  a = site.accounts;
  admin = await a.admin();
});
afterAll(() => site.stop());

async function ask(query: Record<string, string>): Promise<{ ids: string[]; meta: { nextCursor: string | null } }> {
  const reply = await admin.get(`/admin/audit-logs?${new URLSearchParams(query)}`);
  expect(reply.status, JSON.stringify(reply.body)).toBe(200);
  return { ids: reply.body.data.auditLogs.map(({ id }: Entry) => id), meta: reply.body.meta };
}

/** All pages, one after another. */
async function askAll(query: Record<string, string>): Promise<string[]> {
  const ids: string[] = [];
  let cursor: string | null = null;
  do {
    const page = await ask({ ...query, ...(cursor === null ? {} : { cursor }) });
    ids.push(...page.ids);
    cursor = page.meta.nextCursor;
  } while (cursor !== null);
  return ids;
}

const minutes = (count: number) => new Date(Date.UTC(2025, 5, 1) + count * 60_000);

describe('GET /admin/audit-logs', () => {
  it('shows what was done, by whom and from where', async () => {
    const reply = await a
      .anonymous()
      .post('/api/auth/register')
      .set('User-Agent', 'agent/1')
      .set('x-request-id', 'request-1')
      .send({ email: a.newEmail(), password: 'correct horse battery' });
    const { id } = reply.body.data.user;
    const page = await admin.get(`/admin/audit-logs?subjectId=${id}&action=user.register`);
    expect(page.body.data.auditLogs).toEqual([
      {
        id: expect.any(String),
        action: 'user.register',
        actor: { type: 'user', id },
        accessKeyId: null,
        subject: { type: 'user', id },
        ip: expect.any(String),
        userAgent: 'agent/1',
        requestId: 'request-1',
        metadata: expect.any(Object),
        createdAt: expect.stringMatching(/Z$/),
      },
    ]);
    expect(page.body.meta).toEqual({ nextCursor: null, limit: 50 });
  });

  it('tells the key that acted from the key that an entry is about', async () => {
    const [byKey = '', aboutKey = ''] = await insertAuditRows(a.database, [
      { action: 'file.upload', actorType: 'key', actorId: newId(), accessKeyId: 'AKIAACTS' },
      { action: 'key.revoke', actorType: 'admin', actorId: newId(), accessKeyId: 'AKIAREVOKED' },
    ]);
    const of = async (key: string) => (await admin.get(`/admin/audit-logs?accessKeyId=${key}`)).body.data.auditLogs[0];
    expect(await of('AKIAACTS')).toMatchObject({
      id: byKey,
      actor: { accessKeyId: 'AKIAACTS' },
      accessKeyId: 'AKIAACTS',
    });
    const revoked = await of('AKIAREVOKED');
    expect(revoked).toMatchObject({ id: aboutKey, accessKeyId: 'AKIAREVOKED', subject: null });
    expect(revoked.actor).not.toHaveProperty('accessKeyId');
  });

  it('goes through everything by pages, newest first, each entry once', async () => {
    const subjectId = newId();
    const rows = Array.from({ length: 23 }, (_, n) => ({
      action: n % 2 === 0 ? 'file.upload' : 'file.delete',
      subjectType: 'file',
      subjectId,
      createdAt: minutes(n),
    }));
    const ids = (await insertAuditRows(a.database, rows)).toReversed();
    expect(await askAll({ subjectId, limit: '5' })).toEqual(ids);
    expect(await askAll({ subjectId, limit: '23' })).toEqual(ids);
    expect(await askAll({ subjectId, limit: '1', action: 'file.*' })).toEqual(ids);
    expect(await askAll({ subjectId, limit: '4', action: 'file.delete' })).toEqual(ids.filter((_, n) => n % 2 === 1));
    const all = await askAll({ limit: '7' });
    expect(all).toEqual(all.toSorted().toReversed());
    expect(new Set(all).size).toBe(all.length);
    expect(all).toEqual(expect.arrayContaining(ids));
    expect((await ask({})).ids.length).toBeLessThanOrEqual(50);
  });

  it('combines all filters', async () => {
    const [actorId, otherActor, subjectId] = [newId(), newId(), newId()];
    const base = { actorId, accessKeyId: 'AKIACOMBINED', subjectType: 'file', subjectId, createdAt: minutes(100) };
    const rows = [
      { ...base, action: 'file.upload' },
      { ...base, action: 'file.delete' },
      { ...base, action: 'file.upload', actorId: otherActor },
      { ...base, action: 'file.upload', accessKeyId: 'AKIAOTHER' },
      { ...base, action: 'file.upload', subjectType: 'user' },
      { ...base, action: 'file.upload', subjectId: newId() },
      { ...base, action: 'file.upload', createdAt: minutes(99) },
      { ...base, action: 'file.upload', createdAt: minutes(101) },
      { ...base, action: 'file.upload', ip: '198.51.100.77' },
    ];
    const ids = await insertAuditRows(a.database, rows);
    const pick = (...numbers: number[]) => numbers.map((n) => ids[n]).toSorted();
    const only = async (query: Record<string, string>) => (await askAll(query)).toSorted();
    const query = {
      action: 'file.upload',
      actorId,
      accessKeyId: 'AKIACOMBINED',
      subjectId,
      subjectType: 'file',
      from: minutes(100).toISOString(),
      to: minutes(101).toISOString(),
    };
    expect(await only(query)).toEqual(pick(0, 8));
    expect(await only({ ...query, search: '198.51.100.7' })).toEqual(pick(8));
    expect(await only({ ...query, action: 'file.delete' })).toEqual(pick(1));
    expect(await only({ ...query, action: 'user.login, file.*' })).toEqual(pick(0, 1, 8));
    expect(await only({ ...query, actorId: otherActor })).toEqual(pick(2));
    expect(await only({ ...query, accessKeyId: 'AKIAOTHER' })).toEqual(pick(3));
    expect(await only({ ...query, subjectType: 'user' })).toEqual(pick(4));
    expect(await only({ ...query, to: minutes(102).toISOString() })).toEqual(pick(0, 7, 8));
    expect(await only({ ...query, from: minutes(99).toISOString() })).toEqual(pick(0, 6, 8));
    expect(await only({ ...query, from: '2025-06-01T03:40:00+02:00' })).toEqual(pick(0, 8));
    expect(await only({ accessKeyId: 'AKIAOTHER' })).toEqual(pick(3));
    expect(await only({ actorId: otherActor })).toEqual(pick(2));
    expect(await only({ actorId: actorId.toUpperCase(), action: 'file.delete' })).toEqual(pick(1));
    expect(await only({ ...query, from: query.to, to: query.from })).toEqual([]);
  });

  it('decides by created_at, not by the id, whose clock may be off', async () => {
    const subjectId = newId();
    const [early = '', late = ''] = await insertAuditRows(a.database, [
      { action: 'user.login', subjectId, createdAt: minutes(200) },
      { action: 'user.login', subjectId, createdAt: minutes(202) },
    ]);
    // As of a process whose clock is two minutes ahead, with a time of the database.
    const [ahead = ''] = await insertAuditRows(a.database, [
      { action: 'user.login', subjectId, id: late.replace(/.{12}$/, 'ffffffffffff'), createdAt: minutes(200) },
    ]);
    const from = minutes(200).toISOString();
    expect(await askAll({ subjectId, from, to: minutes(201).toISOString() })).toEqual([ahead, early]);
    expect(await askAll({ subjectId, from: minutes(201).toISOString() })).toEqual([late]);
  });

  it('searches ids, addresses, agents and metadata, whatever the case and without wildcards', async () => {
    const marker = newId().slice(-12);
    const [plain = '', percent = '', quoted = '', agent = '', request = '', umlaut = ''] = await insertAuditRows(
      a.database,
      [
        { action: 'file.upload', metadata: { fileName: `${marker}/Holiday.jpg` } },
        { action: 'file.upload', metadata: { fileName: `${marker}/100%_done\\.txt` } },
        { action: 'file.upload', metadata: { fileName: `${marker}/say "hi".txt`, sizeBytes: 4711 } },
        { action: 'user.login', userAgent: `Agent-${marker}`, ip: '2001:db8::77' },
        { action: 'user.login', requestId: `request-${marker}` },
        { action: 'file.upload', metadata: { fileName: `${marker}/ÄPFEL` } },
      ],
    );
    const search = async (text: string) => (await askAll({ search: text })).toSorted();
    expect(await search(marker.toUpperCase())).toEqual([plain, percent, quoted, agent, request, umlaut].toSorted());
    expect(await search(`${marker}/holiday`)).toEqual([plain]);
    expect(await search(`${marker}/100%_DONE\\.`)).toEqual([percent]);
    expect(await search(`${marker}/1%`)).toEqual([]);
    expect(await search(`${marker}/_00`)).toEqual([]);
    expect(await search(`${marker}/say "HI"`)).toEqual([quoted]);
    expect(await search(`${marker}/äpfel`)).toEqual([umlaut]);
    expect(await search(agent.toUpperCase())).toEqual([agent]);
    expect((await search('2001:DB8::77')).includes(agent)).toBe(true);
    expect(await search(`request-${marker}`)).toEqual([request]);
    expect(await askAll({ search: 'say \\"hi', action: 'file.upload' })).toEqual([]);
    const combined = await askAll({ search: marker, action: 'user.login', limit: '1' });
    expect(combined.toSorted()).toEqual([agent, request].toSorted());
    expect(await search('x'.repeat(200))).toEqual([]);
  });

  it.each([
    [{ limit: '0' }, 'limit'],
    [{ limit: '201' }, 'limit'],
    [{ cursor: 'x' }, 'cursor'],
    [{ action: 'user.nothing' }, 'action'],
    [{ action: 'user.login,' }, 'action'],
    [{ action: '*' }, 'action'],
    [{ action: '.*' }, 'action'],
    [{ actorId: 'me' }, 'actorId'],
    [{ accessKeyId: 'a\u0000' }, 'accessKeyId'],
    [{ subjectId: 'ada@example.com' }, 'subjectId'],
    [{ subjectType: '' }, 'subjectType'],
    [{ from: 'yesterday' }, 'from'],
    [{ to: '2026-01-01' }, 'to'],
    [{ search: '' }, 'search'],
    [{ search: 'x'.repeat(201) }, 'search'],
    [{ search: 'a\u0000b' }, 'search'],
  ])('refuses %o', async (query, path) => {
    for (const url of ['/admin/audit-logs', '/admin/audit-logs/export']) {
      if (url.endsWith('export') && (path === 'limit' || path === 'cursor')) continue;
      const reply = await admin.get(`${url}?${new URLSearchParams(query)}`);
      expect(reply.status).toBe(400);
      expect(reply.body.error.details).toMatchObject([{ path }]);
    }
  });

  it('is for admins', async () => {
    const user = await a.user();
    for (const url of ['/admin/audit-logs', '/admin/audit-logs/export']) {
      expect((await user.get(url)).body.error.code).toBe('FORBIDDEN');
      await a.anonymous().get(`/api${url}`).expect(401);
    }
  });

  it('looks at a bounded number of entries for a page and says where to go on', async () => {
    await a.database.query(
      {
        name: 'test_many_audit_logs',
        text: `INSERT INTO audit_logs (id, action, actor_type, created_at)
          SELECT ('00000000-' || lpad(to_hex(n / 65536), 4, '0') || '-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid,
            CASE n % 2 WHEN 0 THEN 'request.create' ELSE 'request.approve' END, 'system', timestamptz '1970-01-01Z'
          FROM generate_series(1, 70000) n`,
      },
      [],
    );
    const [needle = ''] = await insertAuditRows(a.database, [
      { action: 'request.create', metadata: { needle: 'in the haystack' }, createdAt: new Date(0) },
    ]);
    // Below everything, in the first millisecond of 1970.
    const first = await ask({ search: 'IN THE HAYSTACK', limit: '10' });
    const seen = [...first.ids];
    let pages = 1;
    for (let cursor = first.meta.nextCursor; cursor !== null; pages += 1) {
      const page = await ask({ search: 'IN THE HAYSTACK', limit: '10', cursor });
      seen.push(...page.ids);
      cursor = page.meta.nextCursor;
    }
    expect(seen).toEqual([needle]);
    expect(pages).toBe(2);
    expect(await askAll({ search: 'in the haystack', action: 'request.*' })).toEqual([needle]);
    expect(await askAll({ search: 'in the haystack', to: '1970-01-02T00:00:00Z', action: 'request.create' })).toEqual([
      needle,
    ]);
    const created = await askAll({ action: 'request.create', to: '1970-01-02T00:00:00Z', limit: '200' });
    expect(created).toHaveLength(35_001);
    expect(created).toEqual(created.toSorted().toReversed());
  });
});
