import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createHttpServer } from '../../src/http/server.ts';
import { type Accounts, type Site, startAccounts } from '../support/accounts.ts';
import { BodyCuttingProxy } from '../support/body-cutting-proxy.ts';
import { eventually } from '../support/client-eventually.ts';
import { s3Environment } from '../support/s3-environment.ts';
import { S3_SERVER_HINT, startS3Server } from '../support/s3-server.ts';
import { SpaceClient } from '../support/space-client.ts';
import { TusActor } from '../support/tus-actor.ts';
import { statusOf, uploadByTusJs } from '../support/tus-js.ts';
import { TusSender } from '../support/tus-sender.ts';
import { codeOf, type Key, World } from '../support/world.ts';

// tus-js-client and hand-made requests over real connections, against two processes on one database, on both stores.

const MIB = 1024 * 1024;
const s3 = await startS3Server();
afterAll(() => s3?.stop());

async function serve({ app }: Accounts): Promise<Server> {
  const server = createHttpServer(app);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

const STORES: [string, (() => Promise<Record<string, string>>) | null][] = [
  // Both processes on one disk.
  ['disk', async () => ({ DATA_DIR: await mkdtemp(join(tmpdir(), 'pockity-tus-')) })],
  [s3 ? 'S3' : `S3 (${S3_SERVER_HINT})`, s3 && (() => s3Environment(s3))],
];

for (const [store, environment] of STORES) {
  describe.skipIf(environment === null)(`on ${store}`, () => {
    let site: Site;
    let folder: string | undefined;
    let other: Accounts;
    let servers: Server[];
    let world: World;
    let key: Key;
    let tus: TusActor;
    let otherTus: TusActor;
    let space: SpaceClient;

    beforeAll(async () => {
      const variables = (await environment?.()) ?? {};
      folder = variables['DATA_DIR'];
      site = await startAccounts(variables);
      other = await site.startAnother();
      servers = [await serve(site.accounts), await serve(other)];
      world = new World(site.accounts);
    });
    afterAll(async () => {
      for (const server of servers) {
        server.closeAllConnections();
        server.close();
      }
      await site.stop();
      if (folder) await rm(folder, { recursive: true, force: true });
    });
    beforeEach(async () => {
      key = await world.key(await world.person());
      tus = new TusActor(world, key);
      otherTus = new TusActor(new World(other), key);
      space = new SpaceClient(world, key);
    });

    function endpointAt(port: number): string {
      return `http://127.0.0.1:${port}/api/uploads/tus`;
    }

    function sender(id: string, offset: number, headers: Record<string, string>, process = 0): TusSender {
      const url = `${endpointAt(portOf(servers[process] as Server))}/${id}`;
      return new TusSender('PATCH', url, { ...key.headers, 'Upload-Offset': String(offset), ...headers });
    }

    async function expectStored(name: string, bytes: Buffer): Promise<void> {
      const { body } = await space.call('get', space.file(name, '/metadata'));
      expect(body.data.file).toMatchObject({ size: bytes.length, checksumSha256: sha256(bytes) });
      const content = await space.call('get', space.file(name, '/content')).buffer().responseType('blob');
      expect(sha256(content.body)).toBe(sha256(bytes));
      expect(await space.audited()).toMatchObject({ reservedBytes: 0, uploads: 0, usedBytes: bytes.length });
    }

    it('tus-js-client comes through ten cuts', async () => {
      const bytes = randomBytes(24 * MIB);
      const cuts = Array.from({ length: 10 }, (_, i) => 300_000 + i * 350_001);
      const proxy = await BodyCuttingProxy.start(portOf(servers[0] as Server), cuts);
      const { fileId, retries } = await uploadByTusJs(bytes, {
        endpoint: endpointAt(proxy.port),
        headers: key.headers,
        fileName: 'cut.bin',
        creationBrings: false,
      });
      await proxy.stop();
      expect(proxy.cuts).toBe(10);
      expect(retries).toBeGreaterThanOrEqual(10);
      expect(fileId).toBeDefined();
      await expectStored('cut.bin', bytes);
    });

    it('two processes take turns', async () => {
      const bytes = randomBytes(6 * MIB + 11);
      const id = await tus.begin(bytes.length, 'turns.bin');
      const piece = MIB + 7;
      for (let at = 0, turn = 0; at < bytes.length; at += piece, turn += 1) {
        const reply = await (turn % 2 ? otherTus : tus).patch(id, at, bytes.subarray(at, at + piece));
        expect(reply.status, JSON.stringify(reply.body)).toBe(204);
      }
      await expectStored('turns.bin', bytes);
    });

    it('what came before a cut stays', async () => {
      const bytes = randomBytes(16 * MIB);
      const id = await tus.begin(bytes.length, 'x.bin');
      const first = sender(id, 0, { 'content-length': String(bytes.length) });
      // More than sockets hold: some of it has been taken in.
      for (let at = 0; at < 12 * MIB; at += MIB) await first.write(bytes.subarray(at, at + MIB));
      first.cut();
      const offset = Number((await tus.head(id)).headers['upload-offset']);
      expect(offset).toBeGreaterThan(0);
      expect(offset).toBeLessThanOrEqual(12 * MIB);
      expect((await otherTus.patch(id, offset, bytes.subarray(offset))).status).toBe(204);
      await expectStored('x.bin', bytes);
    });

    it.each([0, 1])(
      'a client that resumes takes over from its own connection that hangs (process %i)',
      async (process) => {
        const bytes = randomBytes(MIB);
        const id = await tus.begin(bytes.length, 'x.bin');
        const hung = sender(id, 0, { 'content-length': String(bytes.length) });
        await hung.write(bytes.subarray(0, 300_000));
        await eventually('the first one writes', async () => {
          const row = await world.database.prisma.uploadSession.findUniqueOrThrow({ where: { id } });
          return row.lockedBy;
        });
        const resuming = process === 0 ? tus : otherTus;
        const startedAt = performance.now();
        const { headers } = await resuming.head(id);
        const offset = Number(headers['upload-offset']);
        expect((await resuming.patch(id, offset, bytes.subarray(offset))).status).toBe(204);
        expect(performance.now() - startedAt).toBeLessThan(8000);
        expect(await hung.answer).toMatchObject({ status: 423, code: 'UPLOAD_LOCKED' });
        await expectStored('x.bin', bytes);
      },
    );

    it('of requests at once for the same bytes the file is made of one', async () => {
      const bytes = randomBytes(MIB);
      const id = await tus.begin(bytes.length, 'x.bin');
      const replies = await Promise.all(
        Array.from({ length: 6 }, (_, i) => (i % 2 ? otherTus : tus).patch(id, 0, bytes).then(({ status }) => status)),
      );
      expect(replies.filter((status) => ![204, 409, 423].includes(status))).toEqual([]);
      const { headers } = await tus.head(id);
      const offset = Number(headers['upload-offset']);
      if (offset < bytes.length) await tus.patch(id, offset, bytes.subarray(offset));
      await expectStored('x.bin', bytes);
    });

    it('ends a request under way when the upload is given up, and leaves nothing', async () => {
      const id = await tus.begin(MIB, 'x.bin');
      const underWay = sender(id, 0, { 'content-length': String(MIB) });
      await underWay.write(randomBytes(1000));
      await eventually('it writes', async () => {
        return (await world.database.prisma.uploadSession.findUniqueOrThrow({ where: { id } })).lockedBy;
      });
      expect((await otherTus.terminate(id)).status).toBe(204);
      expect((await underWay.answer).status).toBe(423);
      expect(codeOf(await tus.head(id))).toBe('UPLOAD_NOT_FOUND');
      await world.database.prisma.objectTombstone.updateMany({ data: { dueAt: new Date(0) } });
      const prefix = `apikeys/${key.accessKeyId}/`;
      await eventually('the store is empty', async () => {
        await site.accounts.composition.tombstones.purge();
        const left = await world.database.prisma.objectTombstone.count({
          where: { objectKey: { startsWith: prefix } },
        });
        return left === 0;
      });
      for await (const { key: left } of site.accounts.infrastructure.store.list(prefix)) expect(left).toBeNull();
      expect(await space.audited()).toMatchObject({ reservedBytes: 0, uploads: 0 });
    });

    /** With the first bytes of a mebibyte that comes with it. */
    async function creationUnderWay(): Promise<TusSender> {
      const creating = new TusSender('POST', endpointAt(portOf(servers[0] as Server)), {
        ...key.headers,
        'Upload-Length': String(MIB),
        'Upload-Metadata': 'filename YQ==',
        'content-length': String(MIB),
      });
      await creating.write(randomBytes(1000));
      return creating;
    }

    it('a creation under way ends when the upload is given up', async () => {
      const creating = await creationUnderWay();
      const spaceId = await space.spaceId();
      const session = await eventually('it writes', () =>
        world.database.prisma.uploadSession.findFirst({ where: { spaceId, NOT: { lockedBy: null } } }),
      );
      // The creation may have given it up itself by then.
      expect([204, 404]).toContain((await otherTus.terminate(session.id)).status);
      expect(await creating.answer).toMatchObject({ status: 423, code: 'UPLOAD_LOCKED' });
      expect(await space.audited()).toMatchObject({ reservedBytes: 0, uploads: 0 });
    });

    it('a creation that is cut off leaves nothing', async () => {
      const creating = await creationUnderWay();
      await eventually('it is there', async () => (await space.audited()).uploads === 1);
      creating.cut();
      await eventually('it is gone', async () => (await space.audited()).uploads === 0);
    });

    it('bytes beyond the end are not taken, however they come', async () => {
      const id = await tus.begin(1000, 'x.bin');
      const chunked = sender(id, 0, { 'transfer-encoding': 'chunked' });
      await chunked.write(randomBytes(600));
      await eventually('it writes', async () => {
        return (await world.database.prisma.uploadSession.findUniqueOrThrow({ where: { id } })).lockedBy;
      });
      await chunked.write(randomBytes(600));
      expect(await chunked.end()).toMatchObject({ status: 413, code: 'BODY_TOO_LARGE' });
      expect(Number((await tus.head(id)).headers['upload-offset'])).toBeLessThanOrEqual(600);
    });

    it('a body with a checksum that is cut off leaves the upload where it was', async () => {
      const bytes = randomBytes(MIB);
      const id = await tus.begin(bytes.length, 'x.bin');
      const checksum = `sha1 ${createHash('sha1').update(bytes).digest('base64')}`;
      const first = sender(id, 0, { 'content-length': String(bytes.length), 'upload-checksum': checksum });
      await first.write(bytes.subarray(0, 500_000));
      first.cut();
      await eventually('it has let go', async () => {
        const row = await world.database.prisma.uploadSession.findUniqueOrThrow({ where: { id } });
        return row.lockedBy === null;
      });
      expect((await tus.head(id)).headers['upload-offset']).toBe('0');
      expect((await tus.patch(id, 0, bytes, { 'Upload-Checksum': checksum })).status).toBe(204);
      await expectStored('x.bin', bytes);
    });

    it('tus-js-client is told of what is refused', async () => {
      const endpoint = endpointAt(portOf(servers[0] as Server));
      const send = (headers: Readonly<Record<string, string>>, metadata: Record<string, string> = {}, size = 10) =>
        uploadByTusJs(randomBytes(size), { endpoint, headers, fileName: 'x.bin', metadata }).then(
          () => 'done',
          (error: unknown) => statusOf(error),
        );
      await world.database.prisma.space.update({ where: { id: await space.spaceId() }, data: { quotaBytes: 100 } });
      expect(await send(key.headers, {}, 101)).toBe(413);
      expect(await send({ ...key.headers, 'x-secret-key': 'wrong' })).toBe(401);
      expect(await send(key.headers, { filename: '../x' })).toBe(400);
      expect(await send(key.headers)).toBe('done');
    });
  });
}
