import { once } from 'node:events';
import { type ClientRequest, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createHttpServer } from '../../src/http/server.ts';
import { type Site, startAccounts } from '../support/accounts.ts';
import { DriveClient } from '../support/drive-client.ts';
import { auditSpace } from '../support/spaces.ts';
import { World } from '../support/world.ts';

// What becomes of an upload whose place changes while it is under way.

const HALF = Buffer.alloc(50_000, 'x');

let site: Site;
let world: World;
let server: ReturnType<typeof createHttpServer>;
let owner: DriveClient;
let guest: DriveClient;
let shared: string;
let sub: string;
let share: string;

beforeAll(async () => {
  site = await startAccounts();
  world = new World(site.accounts);
  server = createHttpServer(site.accounts.app);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
beforeEach(async () => {
  [owner, guest] = [await DriveClient.of(world), await DriveClient.of(world)];
  shared = await owner.folder('shared');
  sub = await owner.folder('sub', shared);
  share = await owner.share({ folderId: shared }, guest, 'EDIT');
});
afterEach(async () => {
  expect(await auditSpace(world.database, owner.spaceId)).toMatchObject({ faults: [], uploads: 0, reservedBytes: 0 });
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await site.stop();
});

/** Sends half of a form's file, does something, and sends the rest; answers what comes back. */
async function during(who: DriveClient, [method, path]: readonly [string, string], act: () => Promise<unknown>) {
  const head = Buffer.from('--x\r\ncontent-disposition: form-data; name="file"; filename="new.txt"\r\n\r\n');
  const tail = Buffer.from('\r\n--x--\r\n');
  const sent = request({
    port: (server.address() as AddressInfo).port,
    method,
    path: `/api${path}`,
    headers: {
      ...who.person.headers,
      'content-type': 'multipart/form-data; boundary=x',
      'content-length': head.length + 2 * HALF.length + tail.length,
    },
  });
  sent.write(Buffer.concat([head, HALF]));
  const uploads = () => world.database.prisma.upload.count({ where: { spaceId: owner.spaceId } });
  await expect.poll(uploads, { interval: 10 }).toBe(1);
  await act();
  return answerOf(sent, Buffer.concat([HALF, tail]));
}

async function answerOf(sent: ClientRequest, rest: Buffer) {
  sent.end(rest);
  const [reply] = await once(sent, 'response');
  return { status: reply.statusCode as number, body: JSON.parse(await text(reply)) };
}

const into = () => ['POST', `/files?folderId=${sub}`] as const;

async function paths(): Promise<string[]> {
  const where = { spaceId: owner.spaceId, deletedAt: null };
  const files = await world.database.prisma.file.findMany({ where, select: { path: true }, orderBy: { path: 'asc' } });
  return files.map(({ path }) => path);
}

describe('an upload under way', () => {
  it('follows its folder to another name and another place', async () => {
    const reply = await during(guest, into(), () => owner.patch(`/drive/${shared}`, { name: 'renamed' }));
    expect([reply.status, reply.body.data.file.fileName]).toEqual([201, 'renamed/sub/new.txt']);
    const other = await owner.folder('other', shared);
    const again = await during(guest, into(), () => owner.patch(`/drive/${sub}`, { parentId: other }));
    expect([again.status, again.body.data.file.fileName]).toEqual([201, 'renamed/other/sub/new.txt']);
    expect(await paths()).toEqual(['renamed/other/sub/new.txt']);
  });

  it('takes the name as it was asked to where it ends up', async () => {
    await owner.upload('new.txt', sub);
    const fails = ['POST', `/files?folderId=${sub}&fileName=other.txt&conflict=fail`] as const;
    const reply = await during(guest, fails, () => owner.upload('other.txt', sub));
    expect([reply.status, reply.body.error.code]).toEqual([409, 'FILE_EXISTS']);
    const keeps = ['POST', `/files?folderId=${sub}&conflict=keepBoth`] as const;
    const kept = await during(guest, keeps, () => owner.patch(`/drive/${shared}`, { name: 'renamed' }));
    expect([kept.status, kept.body.data.file.fileName]).toEqual([201, 'renamed/sub/new (1).txt']);
  });

  it.each([
    ['was deleted', 404, 'FOLDER_NOT_FOUND', () => owner.delete(`/drive/${sub}`)],
    ['was deleted with the one above', 404, 'FOLDER_NOT_FOUND', () => owner.delete(`/drive/${shared}`)],
    [
      'was moved out of the shared one',
      404,
      'FOLDER_NOT_FOUND',
      () => owner.patch(`/drive/${sub}`, { parentId: null }),
    ],
    [
      'was deleted and made again',
      404,
      'FOLDER_NOT_FOUND',
      async () => {
        await owner.delete(`/drive/${sub}`);
        await owner.folder('sub', shared);
      },
    ],
    [
      'is no longer shared',
      404,
      'FOLDER_NOT_FOUND',
      () => world.database.prisma.share.delete({ where: { id: share } }),
    ],
    [
      'is shared only to be seen',
      403,
      'FORBIDDEN',
      () => world.database.prisma.share.update({ where: { id: share }, data: { permission: 'VIEW' } }),
    ],
  ] as const)('lands nowhere when its folder %s', async (_what, status, code, act) => {
    const reply = await during(guest, into(), act);
    expect([reply.status, reply.body.error.code]).toEqual([status, code]);
    expect(await paths()).toEqual([]);
  });

  it('lands nowhere when the owner’s own folder was deleted', async () => {
    const reply = await during(owner, into(), () => owner.delete(`/drive/${sub}`));
    expect([reply.status, reply.body.error.code]).toEqual([404, 'FOLDER_NOT_FOUND']);
    expect(await paths()).toEqual([]);
  });

  it('is refused when its sender’s session has ended, if it took long', async () => {
    const { sessionId: id } = guest.person;
    const startedAt = performance.now();
    const reply = await during(guest, into(), async () => {
      await world.database.prisma.session.update({ where: { id }, data: { revokedAt: new Date() } });
      await expect.poll(() => performance.now() - startedAt, { interval: 50 }).toBeGreaterThan(1500);
    });
    expect([reply.status, reply.body.error.code]).toEqual([401, 'UNAUTHENTICATED']);
  });
});

describe('a new content under way', () => {
  it('follows its file, and is dropped with it', async () => {
    const x = await owner.upload('x.txt', sub, 'old');
    const onto = ['PUT', `/files/${x}/content`] as const;
    const moved = await during(guest, onto, () => owner.patch(`/files/${x}`, { name: 'y.txt' }));
    expect([moved.status, moved.body.data.file]).toMatchObject([
      200,
      { id: x, fileName: 'shared/sub/y.txt', size: 100_000 },
    ]);
    const renamed = await during(guest, onto, () => owner.patch(`/drive/${shared}`, { name: 'renamed' }));
    expect([renamed.status, renamed.body.data.file.fileName]).toEqual([200, 'renamed/sub/y.txt']);
    const gone = await during(guest, onto, async () => {
      await owner.delete(`/files/${x}`);
      await owner.upload('y.txt', sub, 'another');
    });
    expect([gone.status, gone.body.error.code]).toEqual([404, 'FILE_NOT_FOUND']);
    expect(await paths()).toEqual(['renamed/sub/y.txt']);
  });
});
