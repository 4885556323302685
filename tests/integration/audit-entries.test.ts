import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Accounts, type Caller, type Site, startAccounts } from '../support/accounts.ts';

/** Of a drive: 1 KiB, five files. */
const QUOTA_BYTES = 1024;

let site: Site;
let a: Accounts;
let me: Caller;
let admin: Caller;

beforeAll(async () => {
  site = await startAccounts({ DRIVE_QUOTA_GB: String(QUOTA_BYTES / 1024 ** 3), DRIVE_QUOTA_OBJECTS: '5' });
  a = site.accounts;
  [me, admin] = [await a.user(), await a.admin()];
});
afterEach(() => {
  vi.restoreAllMocks();
});
afterAll(() => site.stop());

function content(by: Caller, name: string, headers: Record<string, string> = {}) {
  return a.anonymous().get(`/api/storage/files/${name}/content`).auth(by.token, { type: 'bearer' }).set(headers);
}

function upload(by: Caller, name: string, bytes: number, query = '') {
  return a
    .anonymous()
    .post(`/api/storage/upload${query}`)
    .auth(by.token, { type: 'bearer' })
    .attach('file', Buffer.alloc(bytes, 7), name);
}

async function entries(action: string, actorId: string) {
  return a.database.prisma.auditLog.findMany({ where: { action, actorId }, orderBy: { id: 'asc' } });
}

/** Statements that write entries fail as with a database that is away. */
function breakRecording(): void {
  const query = a.database.query.bind(a.database);
  vi.spyOn(a.database, 'query').mockImplementation(async (statement, values) => {
    if (statement.name === 'audit_insert') throw Object.assign(new Error('connect'), { code: 'ECONNREFUSED' });
    return query(statement, values);
  });
}

describe('file.download', () => {
  it('is written for what is sent, with the part that is', async () => {
    const { file } = (await upload(me, 'a.txt', 100).expect(201)).body.data;
    await content(me, 'a.txt', { 'x-request-id': 'whole', 'user-agent': 'agent/2' }).expect(200);
    await content(me, 'a.txt', { range: 'bytes=10-19' }).expect(206);
    await content(me, 'a.txt', { range: 'bytes=-5' }).expect(206);
    const found = await entries('file.download', me.id);
    expect(found[0]).toMatchObject({
      actorType: 'user',
      accessKeyId: null,
      subjectType: 'file',
      subjectId: file.id,
      ip: expect.any(String),
      userAgent: 'agent/2',
      requestId: 'whole',
    });
    expect(found.map(({ metadata }) => metadata)).toEqual([
      { fileName: 'a.txt', sizeBytes: 100 },
      { fileName: 'a.txt', sizeBytes: 100, rangeStart: 10, rangeEnd: 19 },
      { fileName: 'a.txt', sizeBytes: 100, rangeStart: 95, rangeEnd: 99 },
    ]);
  });

  it('is not written where nothing is sent', async () => {
    const { file } = (await upload(me, 'b.txt', 100).expect(201)).body.data;
    const before = (await entries('file.download', me.id)).length;
    await content(me, 'b.txt', { 'if-none-match': `"${file.etag}"` }).expect(304);
    await content(me, 'b.txt', { 'if-match': '"other"' }).expect(412);
    await content(me, 'b.txt', { range: 'bytes=100-' }).expect(416);
    await content(me, 'missing.txt').expect(404);
    await a.anonymous().head('/api/storage/files/b.txt/content').auth(me.token, { type: 'bearer' }).expect(200);
    expect(await entries('file.download', me.id)).toHaveLength(before);
  });

  it('is written for an empty file, for each of many at once, and names the key', async () => {
    const owner = await a.user();
    const key = await a.approvedKey(owner, admin);
    const { secretKey } = (await owner.post(`/apiKeys/${key.id}/claim`)).body.data;
    const credentials = { 'x-access-key-id': key.accessKeyId, 'x-secret-key': secretKey };
    await a
      .anonymous()
      .post('/api/storage/upload')
      .set(credentials)
      .attach('file', Buffer.alloc(0), 'empty')
      .expect(201);
    const replies = await Promise.all(
      Array.from({ length: 40 }, () => a.anonymous().get('/api/storage/files/empty/content').set(credentials)),
    );
    expect(replies.every(({ status }) => status === 200)).toBe(true);
    const found = await entries('file.download', owner.id);
    expect(found).toHaveLength(40);
    expect(new Set(found.map(({ accessKeyId, actorType }) => `${actorType} ${accessKeyId}`))).toEqual(
      new Set([`key ${key.accessKeyId}`]),
    );
  });

  it('comes before the bytes: what cannot be recorded is not sent', async () => {
    await upload(me, 'c.txt', 10).expect(201);
    breakRecording();
    const reply = await content(me, 'c.txt');
    expect(reply.status).toBe(503);
    expect(reply.body.error.code).toBe('DEPENDENCY_UNAVAILABLE');
    expect((await me.get('/storage/files/c.txt')).status).toBe(503);
  });
});

describe('file.link', () => {
  it('is written for a link that is handed out, without the link', async () => {
    const { file } = (await upload(me, 'd.txt', 10).expect(201)).body.data;
    expect((await me.get('/storage/files/d.txt?expiresIn=120')).status).toBe(200);
    expect((await me.get('/storage/files/missing.txt')).status).toBe(404);
    const found = await entries('file.link', me.id);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatchObject({ subjectType: 'file', subjectId: file.id });
    expect(found[0]?.metadata).toEqual({ fileName: 'd.txt', sizeBytes: 10, expiresInSeconds: 120 });
  });
});

describe('quota.exceeded', () => {
  it('is written once a minute for each space, however many are refused', async () => {
    const [somebody, other] = [await a.user(), await a.user()];
    await upload(somebody, 'fits', 1000).expect(201);
    const refused = await Promise.all(Array.from({ length: 20 }, () => upload(somebody, 'too large', 100)));
    expect(new Set(refused.map(({ status }) => status))).toEqual(new Set([413]));
    const [first, ...more] = await entries('quota.exceeded', somebody.id);
    expect(first?.metadata).toEqual({
      fileName: 'too large',
      limit: 'bytes',
      quota: QUOTA_BYTES,
      used: 1000,
      reserved: 0,
      requested: 100,
    });
    expect(first).toMatchObject({ actorType: 'user', ip: expect.any(String), requestId: expect.any(String) });
    expect(more).toEqual([]);
    await upload(other, 'too large', 2000).expect(413);
    expect(await entries('quota.exceeded', other.id)).toHaveLength(1);
    a.clock.advance(59);
    await upload(somebody, 'too large', 100).expect(413);
    expect(await entries('quota.exceeded', somebody.id)).toHaveLength(1);
    a.clock.advance(2);
    await upload(somebody, 'too large', 200_000).expect(413);
    const [, second] = await entries('quota.exceeded', somebody.id);
    expect(second?.metadata).toMatchObject({ limit: 'bytes', used: 1000 });
  });

  it('is not written for what fits, nor for other refusals', async () => {
    const somebody = await a.user();
    for (const name of ['1', '2', '3', '4', '5']) await upload(somebody, name, 10).expect(201);
    await upload(somebody, '1', 10, '?conflict=fail').expect(409);
    expect(await entries('quota.exceeded', somebody.id)).toEqual([]);
    await upload(somebody, '6', 10).expect(413);
    const [entry] = await entries('quota.exceeded', somebody.id);
    expect(entry?.metadata).toMatchObject({ limit: 'objects', quota: 5, used: 5, requested: 1 });
  });

  it('is tried again when it could not be written', async () => {
    const somebody = await a.user();
    breakRecording();
    await upload(somebody, 'x', 2000).expect(503);
    vi.restoreAllMocks();
    await upload(somebody, 'x', 2000).expect(413);
    expect(await entries('quota.exceeded', somebody.id)).toHaveLength(1);
  });
});
