import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { newId } from '../../src/platform/crypto/random.ts';
import { type Accounts, type Caller, type Site, startAccounts } from '../support/accounts.ts';
import { type AuditRow, insertAuditRows } from '../support/audit-rows.ts';
import { parseCsv } from '../support/csv.ts';

const HEADER = [
  ...['id', 'createdAt', 'action', 'actorType', 'actorId', 'accessKeyId', 'subjectType', 'subjectId'],
  ...['ip', 'userAgent', 'requestId', 'metadata'],
];
const MIB = 1024 * 1024;
const MANY = 20_000;
const MANY_TEXT = 8192;
const MANY_KEY = 'AKIAMANY';

let site: Site;
let a: Accounts;
let admin: Caller;
let server: Server;

beforeAll(async () => {
  site = await startAccounts({ DATABASE_POOL_SIZE: '2' });
  a = site.accounts;
  admin = await a.admin();
  server = createServer(a.app).listen(0);
  await a.database.query(
    {
      name: 'test_many_entries',
      text: `INSERT INTO audit_logs (id, action, actor_type, access_key_id, metadata)
        SELECT ('019a0000-' || lpad(to_hex(n / 65536), 4, '0') || '-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid,
          'file.upload', 'key', $2, jsonb_build_object('n', n, 'text', repeat('x', $3))
        FROM generate_series(1, $1::int) n`,
    },
    [MANY, MANY_KEY, MANY_TEXT],
  );
});
afterEach(() => {
  vi.restoreAllMocks();
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await site.stop();
});

function exportText(query: Record<string, string>) {
  return a
    .anonymous()
    .get(`/api/admin/audit-logs/export?${new URLSearchParams(query)}`)
    .auth(admin.token, { type: 'bearer' })
    .buffer(true)
    .parse((res, done) => {
      const chunks: Buffer[] = [];
      res.on('data', (chunk: Buffer) => chunks.push(chunk));
      res.on('end', () => done(null, Buffer.concat(chunks).toString()));
    });
}

/** A response whose body nobody reads yet. */
async function openExport(query: Record<string, string>): Promise<IncomingMessage> {
  const { port } = server.address() as AddressInfo;
  const req = request({
    port,
    path: `/api/admin/audit-logs/export?${new URLSearchParams(query)}`,
    headers: { authorization: `Bearer ${admin.token}` },
  }).end();
  const [res] = await once(req, 'response');
  return res;
}

/** Counts, and lets a test fail, the statements that read pages. */
function watchPages(intercept: (count: number) => Error | undefined = () => undefined): { readonly count: number } {
  const query = a.database.query.bind(a.database);
  const watched = { count: 0 };
  vi.spyOn(a.database, 'query').mockImplementation(async (statement, values) => {
    if (statement.name.startsWith('audit_page')) {
      watched.count += 1;
      const error = intercept(watched.count);
      if (error) throw error;
    }
    return query(statement, values);
  });
  return watched;
}

async function insert(rows: readonly Omit<AuditRow, 'action'>[]): Promise<{ subjectId: string; ids: string[] }> {
  const subjectId = newId();
  const at = Date.now() - 3_600_000;
  const whole = rows.map((row, n) => ({ action: 'file.upload', subjectId, ...row, createdAt: new Date(at + n) }));
  return { subjectId, ids: (await insertAuditRows(a.database, whole)).toReversed() };
}

async function latestExport() {
  return a.database.prisma.auditLog.findFirstOrThrow({
    where: { action: 'admin.audit_export' },
    orderBy: { id: 'desc' },
  });
}

describe('GET /admin/audit-logs/export', () => {
  it('is CSV with a header row, newest first', async () => {
    const [subjectId, actorId] = [newId(), newId()];
    const createdAt = new Date('2026-01-02T03:04:05.678Z');
    const row = {
      action: 'file.download',
      actorType: 'key',
      actorId,
      accessKeyId: 'AKIA1',
      subjectType: 'file',
      subjectId,
      ip: '203.0.113.7',
      userAgent: 'agent/1',
      requestId: 'r-1',
      metadata: { fileName: 'a, "b".txt' },
      createdAt,
    };
    const [first = '', second = ''] = await insertAuditRows(a.database, [
      row,
      { action: 'file.delete', subjectId, createdAt: new Date(createdAt.getTime() + 1) },
    ]);
    const reply = await exportText({ subjectId });
    expect(reply.status).toBe(200);
    expect(reply.headers['content-type']).toBe('text/csv; charset=utf-8');
    const today = a.clock.now().toISOString().slice(0, 10);
    expect(reply.headers['content-disposition']).toBe(`attachment; filename="pockity-audit-${today}.csv"`);
    expect(parseCsv(reply.body)).toEqual([
      HEADER,
      [second, '2026-01-02T03:04:05.679Z', 'file.delete', 'user', '', '', '', subjectId, '', '', '', '{}'],
      [
        ...[first, '2026-01-02T03:04:05.678Z', 'file.download', 'key', actorId, 'AKIA1', 'file', subjectId],
        ...['203.0.113.7', 'agent/1', 'r-1', '{"fileName":"a, \\"b\\".txt"}'],
      ],
    ]);
  });

  it('is JSON Lines with the entries as the list shows them', async () => {
    const { subjectId } = await insert([{ userAgent: 'a\nb' }, { subjectType: 'file', metadata: { n: 1 } }]);
    const reply = await exportText({ subjectId, format: 'jsonl' });
    expect(reply.headers['content-type']).toBe('application/x-ndjson');
    expect(reply.headers['content-disposition']).toMatch(/^attachment; filename="pockity-audit-[\d-]{10}\.jsonl"$/);
    const lines = reply.body
      .trimEnd()
      .split('\n')
      .map((line: string) => JSON.parse(line));
    expect(lines).toEqual((await admin.get(`/admin/audit-logs?subjectId=${subjectId}`)).body.data.auditLogs);
    expect(reply.body.endsWith('\n')).toBe(true);
  });

  it('has a header and nothing else where nothing fits', async () => {
    expect((await exportText({ subjectId: newId() })).body).toBe(`${HEADER.join(',')}\r\n`);
    expect((await exportText({ subjectId: newId(), format: 'jsonl' })).body).toBe('');
    expect((await exportText({ format: 'xml' })).status).toBe(400);
  });

  it('holds no cell that a spreadsheet takes for a formula, and loses nothing', async () => {
    const texts = [
      '=HYPERLINK("http://x","y")',
      '+1',
      '-1+2',
      '@SUM(1)',
      '\t=1',
      '\r=1',
      '\n=1',
      '\n',
      ' =1',
      '\u00a0+1',
      '\u200b@x',
      '\ufeff=1',
      '\u0001=1',
      '＝1',
      '＋1',
      '－1',
      '＠x',
      '﹦1',
      ' ﹣1',
      '"=1"',
      'a,"b"\r\n=1,\n=2',
      '\u2400',
      '\u0001',
      "'=1",
      'plain',
      '',
      '😀',
    ];
    const { subjectId } = await insert(
      texts.map((userAgent) => ({ userAgent, requestId: userAgent, metadata: { [userAgent]: userAgent } })),
    );
    const [, ...records] = parseCsv((await exportText({ subjectId })).body);
    expect(records.length).toBe(texts.length);
    for (const cell of records.flat()) expect(cell).not.toMatch(/^[\s\p{C}]*[=+\-@＝＋－＠﹢﹣﹦﹫]|^[\t\r\n]/u);
    for (const [n, text] of texts.toReversed().entries()) {
      expect([text, `'${text}`]).toContain(records[n]?.[9]);
      expect([text, `'${text}`]).toContain(records[n]?.[10]);
      expect(JSON.parse(records[n]?.[11] ?? '')).toEqual({ [text]: text });
    }
    expect(records.find((record) => record[9] === 'plain')).toBeTruthy();
  });

  it('holds no formula either where a semicolon, a tab or a bar divides cells', async () => {
    const texts = ["Mozilla;=cmd|'/C calc'!A0;x", 'a\t=1', 'a; +http://bot', 'a|@SUM(1)', 'a;b=c', 'a;\u200b-1'];
    const { subjectId } = await insert(texts.map((userAgent) => ({ userAgent })));
    const [, ...records] = parseCsv((await exportText({ subjectId })).body);
    const cells = records.map((record) => record[9] ?? '').toReversed();
    expect(cells).toEqual([
      "Mozilla;'=cmd|'/C calc'!A0;x",
      "a\t'=1",
      "a; '+http://bot",
      "a|'@SUM(1)",
      'a;b=c',
      "a;\u200b'-1",
    ]);
    // Programs read JSON Lines, where everything stands as it was.
    expect((await exportText({ subjectId, format: 'jsonl' })).body).toContain('; +http://bot');
  });

  it('records itself first, with the filters and without what was searched for', async () => {
    const actorId = newId();
    await exportText({
      format: 'jsonl',
      actorId,
      action: 'user.login,file.link',
      search: 'ada@example.com',
      from: '2026-01-01T00:00:00Z',
    });
    expect(await latestExport()).toMatchObject({
      actorType: 'admin',
      actorId: admin.id,
      requestId: expect.any(String),
      metadata: {
        format: 'jsonl',
        actorId,
        action: 'user.login,file.link',
        from: '2026-01-01T00:00:00.000Z',
        searched: true,
      },
    });
    const { id } = await latestExport();
    expect((await exportText({ action: 'admin.audit_export', format: 'jsonl' })).body).toContain(id);
    const before = await latestExport();
    await a.anonymous().head('/api/admin/audit-logs/export').auth(admin.token, { type: 'bearer' }).expect(200);
    expect((await latestExport()).id).toBe(before.id);
  });

  it('streams 20,000 entries, each once, in flat memory', async () => {
    const before = liveMiB();
    const res = await openExport({ accessKeyId: MANY_KEY, format: 'jsonl' });
    let [bytes, nextLookAt, peakMiB] = [0, 0, 0];
    let rest = '';
    const numbers: number[] = [];
    for await (const chunk of res) {
      bytes += chunk.length;
      const parts = (rest + chunk).split('\n');
      rest = parts.pop() ?? '';
      for (const line of parts) numbers.push(Number(/"n":\s?(\d+)/.exec(line)?.[1]));
      if (bytes < nextLookAt) continue;
      nextLookAt += 8 * MIB;
      peakMiB = Math.max(peakMiB, liveMiB() - before);
    }
    expect(numbers).toEqual(Array.from({ length: MANY }, (_, n) => MANY - n));
    expect(bytes).toBeGreaterThan(MANY * MANY_TEXT);
    // Some batches of 8 MiB are under way, server and client being one process; all of it is 160 MiB.
    expect(peakMiB).toBeLessThan(64);
  });

  it('reads on only when the client does, holds no connection meanwhile, and ends with the client', async () => {
    const pages = watchPages();
    // As many as there are connections to the database, and one more.
    const open = await Promise.all([1, 2, 3].map(() => openExport({ accessKeyId: MANY_KEY })));
    for (const res of open) {
      await once(res, 'readable');
      res.pause();
    }
    for (let i = 0; i < 20; i += 1) expect((await admin.get('/users/profile')).status).toBe(200);
    expect(pages.count).toBeLessThan(3 * 5);
    const ended = open.map((res) => once(res, 'close').catch(() => undefined));
    for (const res of open) res.destroy();
    await Promise.all(ended);
    await expect.poll(() => connectionsOf(server)).toBe(0);
    const then = pages.count;
    for (let i = 0; i < 5; i += 1) await admin.get('/users/profile');
    expect(pages.count).toBe(then);
  });

  it('also ends with the client where nothing is found', async () => {
    const pages = watchPages();
    const res = await openExport({ search: 'no such thing', limit: '1' });
    res.destroy();
    await expect.poll(() => connectionsOf(server)).toBe(0);
    expect(pages.count).toBeLessThan(20);
  });

  it('answers 503 when the database is away before the first byte', async () => {
    watchPages(() => Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }));
    const reply = await admin.get(`/admin/audit-logs/export?accessKeyId=${MANY_KEY}`);
    expect(reply.status).toBe(503);
    expect(reply.body.error.code).toBe('DEPENDENCY_UNAVAILABLE');
    expect(reply.headers['content-disposition']).toBeUndefined();
  });

  it('cuts the response when it fails after the first byte', async () => {
    watchPages((count) => (count > 3 ? Object.assign(new Error('gone'), { code: 'ECONNRESET' }) : undefined));
    const res = await openExport({ accessKeyId: MANY_KEY });
    expect(res.statusCode).toBe(200);
    res.resume();
    await expect(once(res, 'end')).rejects.toThrow('aborted');
    expect(res.complete).toBe(false);
  });
});

/** What is still in use, after the garbage is gone. */
function liveMiB(): number {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  const { heapUsed, external } = process.memoryUsage();
  return (heapUsed + external) / MIB;
}

function connectionsOf(of: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    of.getConnections((error, count) => (error ? reject(error) : resolve(count)));
  });
}
