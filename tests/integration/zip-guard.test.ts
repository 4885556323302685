import { once } from 'node:events';
import { type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createHttpServer } from '../../src/http/server.ts';
import { ACCESS_TOKEN_TTL_SECONDS } from '../../src/platform/crypto/access-token.ts';
import { newId } from '../../src/platform/crypto/random.ts';
import { type Accounts, type Site, startAccounts } from '../support/accounts.ts';
import { LinkOwner } from '../support/links.ts';
import type { Actor } from '../support/world.ts';
import { readZip } from '../support/zip.ts';

// What becomes of a ZIP that is on its way when its reader may not have it any more.

/** Together more than the sockets' buffers hold. */
const LARGE_FILES = 24;
const LARGE_BYTES = 1024 * 1024;
const DIRECTORY = 'PK\x01\x02';

let site: Site;
let a: Accounts;
let server: ReturnType<typeof createHttpServer>;
let owner: LinkOwner;
let folderId: string;

beforeAll(async () => {
  site = await startAccounts();
  a = site.accounts;
  server = createHttpServer(a.app);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await site.stop();
});

/** Large files first, then more names than a page has, then a last file. */
async function fill(path: string, who: Actor, spaceId: string): Promise<void> {
  const put = async (name: string, bytes: Buffer) => {
    const attach = { field: 'file', bytes, name: 'file.bin' };
    const call = { path: `/storage/upload?fileName=${encodeURIComponent(`${path}/${name}`)}`, attach };
    expect((await owner.world.send('post', call, who.headers)).status).toBe(201);
  };
  await put('z-last.txt', Buffer.from('the last file'));
  for (let i = 10; i < 10 + LARGE_FILES; i += 1) await put(`a-${i}.bin`, Buffer.alloc(LARGE_BYTES, i));
  const names = Array.from({ length: 600 }, (_, i) => `${path}/m-${i}`);
  await a.database.query(
    {
      name: 'test_many_files',
      text: `INSERT INTO files (id, space_id, path, object_key, size_bytes, sha256, etag, content_type, category, extension, tags)
        SELECT id, $1::uuid, path, id::text, 0, repeat('a', 64), 'e', 'text/plain', 'document', 'txt', '{}'
        FROM unnest($2::uuid[], $3::text[]) AS file(id, path)`,
    },
    [spaceId, names.map(() => newId()), names],
  );
}

beforeEach(async () => {
  owner = await LinkOwner.make(a);
  await fill('shared', owner.me, owner.spaceId);
  folderId = await owner.folderId('shared');
});

interface Reading {
  readonly headers: IncomingHttpHeaders;
  /** Goes away. */
  leave(): void;
  readonly status: number | undefined;
  /** Reads on to the end, whole or not. */
  rest(): Promise<{ readonly bytes: Buffer; readonly isWhole: boolean }>;
}

/** Begins to read, and stops after the first bytes. */
async function begin(path: string, { method = 'GET', headers = {}, body }: Wish = {}): Promise<Reading> {
  const { port } = server.address() as AddressInfo;
  const type = body === undefined ? {} : { 'content-type': 'application/json' };
  const req = request({ port, method, path, headers: { ...headers, ...type }, agent: false });
  req.end(body === undefined ? undefined : JSON.stringify(body));
  const [res] = (await once(req, 'response')) as [IncomingMessage];
  const chunks: Buffer[] = [];
  await once(res, 'readable');
  chunks.push(res.read(1) as Buffer);
  return {
    status: res.statusCode,
    headers: res.headers,
    leave: () => req.destroy(),
    rest: async () => {
      res.on('error', () => undefined);
      res.on('data', (chunk: Buffer) => chunks.push(chunk));
      // Not by `once`: that throws what breaks it off.
      if (!res.closed) await new Promise((resolve) => res.once('close', resolve));
      return { bytes: Buffer.concat(chunks), isWhole: res.complete };
    },
  };
}

interface Wish {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: object;
}

async function expectBrokenOff(reading: Reading): Promise<void> {
  expect(reading.status).toBe(200);
  const { bytes, isWhole } = await reading.rest();
  const text = bytes.toString('latin1');
  expect({
    isWhole,
    hasDirectory: text.includes(DIRECTORY),
    last: text.includes('z-last.txt') || text.includes('the last file'),
    secret: text.includes('secret'),
  }).toEqual({ isWhole: false, hasDirectory: false, last: false, secret: false });
}

async function expectWhole(reading: Reading): Promise<void> {
  const { bytes, isWhole } = await reading.rest();
  expect(isWhole).toBe(true);
  const files = readZip(bytes);
  expect(files).toHaveLength(LARGE_FILES + 601);
  expect(files.at(-1)?.content.toString()).toBe('the last file');
}

/** The last answer of a guard is old by then. */
const later = () => a.clock.advance(2);

async function rename(to = 'hidden'): Promise<void> {
  expect((await owner.send('patch', `/drive/${folderId}`, { name: to })).status).toBe(200);
}

async function replaceFolder(): Promise<void> {
  await rename();
  await owner.file('shared/z-secret.txt', 'secret');
}

describe('of a public link', () => {
  it('is whole for who reads slowly, also when that was the last download', async () => {
    const { token } = await owner.link({ folderId, maxDownloads: 1 });
    const reading = await begin(`/s/${token}/zip`);
    later();
    await expectWhole(reading);
  });

  const ENDINGS: [string, (link: { id: string }) => Promise<unknown>][] = [
    ['is revoked', ({ id }) => owner.send('delete', `/shares/links/${id}`)],
    ['expires', async () => a.clock.advance(3601)],
    ['is of a folder that is renamed', () => rename()],
    ['is of a folder whose name another has taken', replaceFolder],
    ['is of a folder in the trash', () => owner.deleteFolder('shared')],
    ['is of somebody who leaves', () => owner.world.beginDeletion(owner.me.userId)],
  ];
  it.each(ENDINGS)('breaks off when the link %s', async (_what, end) => {
    const expiresAt = new Date(a.clock.now().getTime() + 3600_000).toISOString();
    const link = await owner.link({ folderId, expiresAt });
    const reading = await begin(`/s/${link.token}/zip`);
    await end(link);
    later();
    await expectBrokenOff(reading);
  });

  it('takes nothing of another folder, however short it has its name', async () => {
    const { token } = await owner.link({ folderId });
    const reading = await begin(`/s/${token}/zip`);
    await replaceFolder();
    await expectBrokenOff(reading);
  });

  it('of a folder below breaks off when that is another', async () => {
    await fill('top/shared', owner.me, owner.spaceId);
    const { token } = await owner.link({ folderId: await owner.folderId('top') });
    const reading = await begin(`/s/${token}/zip?path=shared`);
    const below = await owner.folderId('top/shared');
    expect((await owner.send('patch', `/drive/${below}`, { name: 'hidden' })).status).toBe(200);
    await owner.file('top/shared/z-secret.txt', 'secret');
    later();
    await expectBrokenOff(reading);
  });
});

describe('of a folder of a drive', () => {
  const share = async () => {
    const guest = await owner.world.person();
    const wish = { folderId, email: guest.email, permission: 'VIEW' };
    const reply = await owner.send('post', '/shares', wish);
    expect([reply.status, reply.body.error]).toEqual([201, undefined]);
    return { guest, id: reply.body.data.share.id as string };
  };

  it('is whole for who reads slowly', async () => {
    const reading = await begin(`/api/drive/${folderId}/zip`, { headers: owner.me.headers });
    a.clock.advance(ACCESS_TOKEN_TTL_SECONDS + 1);
    await expectWhole(reading);
  });

  it('breaks off when the share ends', async () => {
    const { guest, id } = await share();
    const reading = await begin(`/api/drive/${folderId}/zip`, { headers: guest.headers });
    expect((await owner.send('delete', `/shares/${id}`)).status).toBe(200);
    later();
    await expectBrokenOff(reading);
  });

  it('breaks off when another folder takes its name', async () => {
    const { guest } = await share();
    const reading = await begin(`/api/drive/${folderId}/zip`, { headers: guest.headers });
    await replaceFolder();
    later();
    await expectBrokenOff(reading);
  });

  it('breaks off when the session ends', async () => {
    const reading = await begin(`/api/drive/${folderId}/zip`, { headers: owner.me.headers });
    const where = { id: owner.me.sessionId };
    await a.database.prisma.session.update({ where, data: { revokedAt: new Date() } });
    later();
    await expectBrokenOff(reading);
  });
});

describe('of a space', () => {
  it('breaks off when the key is revoked or loses the permission to list', async () => {
    const changes = [{ revokedAt: new Date() }, { permissions: ['read', 'write'] as ('read' | 'write')[] }];
    for (const data of changes) {
      const key = await owner.world.key(owner.me);
      await fill('shared', key, await owner.world.spaceId(key));
      const wish = { method: 'POST', headers: key.headers, body: { prefix: 'shared/' } };
      const reading = await begin('/api/storage/files/zip', wish);
      await a.database.prisma.apiKey.update({ where: { id: key.apiKeyId }, data });
      later();
      await expectBrokenOff(reading);
    }
  });

  it('is whole, also when the access token runs out meanwhile', async () => {
    const wish = { method: 'POST', headers: owner.me.headers, body: { prefix: 'shared/' } };
    const reading = await begin('/api/storage/files/zip', wish);
    a.clock.advance(ACCESS_TOKEN_TTL_SECONDS + 1);
    await expectWhole(reading);
  });
});

describe('at once', () => {
  const waysIn: [string, () => Promise<[string, Wish]>][] = [
    ['link', async () => [`/s/${(await owner.link({ folderId, maxDownloads: 10 })).token}/zip`, {}]],
    ['user', async () => [`/api/drive/${folderId}/zip`, { headers: owner.me.headers }]],
    [
      'principal',
      async () => ['/api/storage/files/zip', { method: 'POST', headers: owner.me.headers, body: { prefix: '' } }],
    ],
  ];
  it.each(waysIn)('a %s has four, and another when one has ended, however it ended', async (_who, wayIn) => {
    const [path, wish] = await wayIn();
    const open = await Promise.all([1, 2, 3, 4].map(() => begin(path, wish)));
    expect(open.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    const fifth = await begin(path, wish);
    expect([fifth.status, fifth.headers['retry-after']]).toEqual([429, '5']);
    expect(JSON.parse((await fifth.rest()).bytes.toString()).error.code).toBe('RATE_LIMITED');
    const [left, read, ...others] = open;
    left?.leave();
    await expect.poll(() => statusOf(path, wish)).toBe(200);
    if (read) await expectWhole(read);
    await expect.poll(() => statusOf(path, wish)).toBe(200);
    for (const other of others) other.leave();
  });

  it('those that fail before the first byte hold nothing', async () => {
    const wish = { method: 'POST', headers: owner.me.headers, body: { prefix: 'none/' } };
    for (let i = 0; i < 6; i += 1) expect(await statusOf('/api/storage/files/zip', wish)).toBe(404);
  });

  async function statusOf(path: string, wish: Wish): Promise<number | undefined> {
    const reading = await begin(path, wish);
    reading.leave();
    return reading.status;
  }
});
