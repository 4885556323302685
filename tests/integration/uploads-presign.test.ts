import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newId } from '../../src/platform/crypto/random.ts';
import type { ObjectStore } from '../../src/platform/object-store/object-store.ts';
import { DirectActor, type DirectSite, put, startDirectSite } from '../support/direct-uploads.ts';
import { S3_SERVER_HINT } from '../support/s3-server.ts';
import type { Person } from '../support/world.ts';

const run = promisify(execFile);
const CONTENT = Buffer.from('the content of a file that comes directly');
const SHA256 = createHash('sha256').update(CONTENT).digest('hex');

/** Whether PUTs come through the service: on disk, and on S3 servers that take headers which nobody signed. */
function urlsAreOurs({ site, store }: DirectSite): boolean {
  return store.kind === 'disk' || !site.accounts.composition.probed.capabilities.refusesUnsigned;
}

/** As on AWS, whose habit is taken on trust here: clients PUT into the store itself. */
const wrapStore = (store: ObjectStore): ObjectStore => ({
  ...store,
  probe: async () => ({ ...(await store.probe()), refusesUnsigned: true }),
});
const sites = {
  disk: await startDirectSite('disk'),
  s3: await startDirectSite('s3'),
  's3 by its own URLs': await startDirectSite('s3', {}, { wrapStore }),
};
afterAll(() => Promise.all(Object.values(sites).map((site) => site?.stop())));

for (const [kind, site] of Object.entries(sites)) {
  describe.skipIf(site === null)(`a signed PUT, ${kind}${site ? '' : ` (${S3_SERVER_HINT})`}`, () => {
    const direct = site as DirectSite;
    let owner: Person;
    let me: DirectActor;

    beforeAll(async () => {
      owner = await direct.world.person();
      me = new DirectActor(direct, await direct.world.key(owner));
    });

    it('becomes a file, once it is completed, and holds its room until then', async () => {
      const before = await me.audit();
      const { status, body, headers } = await me.presign(CONTENT.length, {
        fileName: 'notes/a.txt',
        checksumSha256: SHA256.toUpperCase(),
        tags: ['year=2026'],
      });
      expect(status).toBe(201);
      const { uploadId, method, expiresAt } = body.data;
      expect(method).toBe('PUT');
      expect(body.data.url.startsWith(`${direct.origin}/objects/`)).toBe(urlsAreOurs(direct));
      expect(Date.parse(expiresAt) - Date.now()).toBeGreaterThan(3590_000);
      const held = await me.audit();
      expect(held.reservedBytes - before.reservedBytes).toBe(CONTENT.length);
      expect(Number(headers.get('x-quota-bytes-remaining'))).toBe(2 ** 29 - held.usedBytes - held.reservedBytes);
      expect(held.faults).toEqual([]);

      const open = await me.call('GET', `/uploads/${uploadId}`);
      expect(open.body.data.upload).toMatchObject({ kind: 'presign', state: 'OPEN', bytesReceived: 0, fileId: null });
      expect((await me.complete(uploadId)).body.error).toMatchObject({ code: 'UPLOAD_INCOMPLETE' });

      expect((await put(body.data, CONTENT)).status).toBe(200);
      expect((await me.call('GET', `/uploads/${uploadId}`)).body.data.upload.bytesReceived).toBe(CONTENT.length);
      const done = await me.complete(uploadId);
      expect(done.status).toBe(200);
      expect(done.body.data.file).toMatchObject({
        fileName: 'notes/a.txt',
        size: CONTENT.length,
        contentType: 'text/plain',
        checksumSha256: SHA256,
        etag: SHA256,
        status: 'READY',
        tags: ['year=2026'],
      });
      expect(done.body.data.job).toBeNull();
      expect(await me.content('notes/a.txt')).toEqual(CONTENT);
      const after = await me.audit();
      expect(after).toMatchObject({ reservedBytes: before.reservedBytes, faults: [] });
      expect(after.usedBytes - before.usedBytes).toBe(CONTENT.length);

      const again = await me.complete(uploadId);
      expect(again).toMatchObject({ status: 200, body: { data: { file: { id: done.body.data.file.id } } } });
      const { body: shown } = await me.call('GET', `/uploads/${uploadId}`);
      expect(shown.data.upload).toMatchObject({ state: 'COMPLETED', fileId: done.body.data.file.id });
      expect((await me.audit()).usedBytes).toBe(after.usedBytes);
      const actions = await direct.site.accounts.auditOf(uploadId);
      expect(actions).toEqual(['upload.open']);
      expect(await direct.site.accounts.auditOf(done.body.data.file.id)).toContain('file.upload');
    });

    it('used 1,000 times more changes nothing that is served', { timeout: 120_000 }, async () => {
      const { uploadId, ...signed } = await me.sent(CONTENT, { fileName: 'once.txt' });
      expect((await me.complete(uploadId)).status).toBe(200);
      const other = Buffer.from(CONTENT).reverse();
      const statuses = new Set<number>();
      for (let round = 0; round < 50; round += 1) {
        for (const { status } of await Promise.all(Array.from({ length: 20 }, () => put(signed, other)))) {
          statuses.add(status);
        }
      }
      expect([...statuses]).toEqual([urlsAreOurs(direct) ? 404 : 412]);
      expect(await me.content('once.txt')).toEqual(CONTENT);
      expect((await me.complete(uploadId)).body.data.file.checksumSha256).toBe(SHA256);
      expect((await me.audit()).faults).toEqual([]);
    });

    it('takes nothing but what was signed', async () => {
      const { body } = await me.presign(CONTENT.length, { fileName: 'exact.txt', checksumSha256: SHA256 });
      const { url, headers, uploadId } = body.data;
      expect((await put({ url, headers }, Buffer.concat([CONTENT, CONTENT]))).status).toBe(403);
      expect((await put({ url, headers }, CONTENT.subarray(1))).status).toBe(403);
      expect((await put({ url, headers: { ...headers, 'content-type': 'text/html' } }, CONTENT)).status).toBe(403);
      expect(
        (
          await put(
            {
              url: url.replace(
                /(signature=)(.)/i,
                (_: string, name: string, digit: string) => name + (digit === '0' ? '1' : '0'),
              ),
              headers,
            },
            CONTENT,
          )
        ).status,
      ).toBe(403);
      const wrong = Buffer.from(CONTENT).reverse();
      const sent = await put({ url, headers }, wrong);
      if (urlsAreOurs(direct) || direct.site.accounts.composition.probed.capabilities.signedChecksum) {
        expect(sent.status).toBe(400);
        expect((await put({ url, headers }, CONTENT)).status).toBe(200);
        expect((await me.complete(uploadId)).status).toBe(200);
      } else {
        // Found when it is completed: what is there can't be replaced, so the upload ends.
        expect(sent.status).toBe(200);
        const refused = await me.complete(uploadId);
        expect(refused.body.error).toMatchObject({
          code: 'UPLOAD_INCOMPLETE',
          details: { what: 'checksumSha256', announced: SHA256 },
        });
        expect((await me.complete(uploadId)).body.error.code).toBe('CONFLICT');
        await me.sweep();
      }
      expect(await me.audit()).toMatchObject({ reservedBytes: 0, uploads: 0, faults: [] });
    });

    it('that is cut leaves nothing, and can be sent again', async () => {
      const { body } = await me.presign(CONTENT.length, { fileName: 'cut.txt' });
      const { url, headers, uploadId } = body.data;
      const { hostname, port, pathname, search } = new URL(url);
      const lines = Object.entries({ host: `${hostname}:${port}`, ...headers }).map(
        ([name, value]) => `${name}: ${value}`,
      );
      await new Promise<void>((resolve, reject) => {
        const socket = connect(Number(port), hostname, () => {
          socket.write(`PUT ${pathname}${search} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\nthe cont`, () => {
            socket.destroy();
            resolve();
          });
        });
        socket.on('error', reject);
      });
      expect((await me.complete(uploadId)).body.error.code).toBe('UPLOAD_INCOMPLETE');
      expect((await put({ url, headers }, CONTENT)).status).toBe(200);
      expect((await me.complete(uploadId)).status).toBe(200);
      expect(await me.content('cut.txt')).toEqual(CONTENT);
    });

    it('can be sent by curl', async () => {
      const { body } = await me.presign(CONTENT.length, { fileName: 'curl.txt' });
      const file = join(direct.site.accounts.dataDirectory, `curl-${kind}`);
      await writeFile(file, CONTENT);
      const { 'content-length': _, ...headers } = body.data.headers as Record<string, string>;
      const args = Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`]);
      const { stdout } = await run('curl', ['-sS', '-f', '-w', '%{http_code}', '-T', file, ...args, body.data.url]);
      expect(stdout).toBe('200');
      expect((await me.complete(body.data.uploadId)).status).toBe(200);
      expect(await me.content('curl.txt')).toEqual(CONTENT);
    });

    it('can be sent by the AWS SDK', async () => {
      const { body } = await me.presign(CONTENT.length, { fileName: 'sdk.txt' });
      const url = new URL(body.data.url);
      const client = new S3Client({ region: 'us-east-1' });
      const { requestHandler } = client.config;
      const { response } = await requestHandler.handle({
        method: 'PUT',
        protocol: url.protocol,
        hostname: url.hostname,
        port: Number(url.port),
        path: `${url.pathname}${url.search}`,
        headers: { ...body.data.headers, host: url.host },
        body: CONTENT,
      } as unknown as Parameters<typeof requestHandler.handle>[0]);
      client.destroy();
      expect(response.statusCode).toBe(200);
      expect((await me.complete(body.data.uploadId)).status).toBe(200);
      expect(await me.content('sdk.txt')).toEqual(CONTENT);
    });

    it('of an empty file is one too', async () => {
      const { uploadId } = await me.sent(Buffer.alloc(0), { fileName: 'empty.txt' });
      const done = await me.complete(uploadId);
      expect(done.body.data.file).toMatchObject({ size: 0, checksumSha256: createHash('sha256').digest('hex') });
    });

    it('used after its file is deleted leaves nothing for long', async () => {
      const { uploadId, ...signed } = await me.sent(CONTENT, { fileName: 'gone.txt' });
      await me.complete(uploadId);
      expect((await me.call('DELETE', '/storage/files/gone.txt?permanent=true')).status).toBe(200);
      await me.sweep();
      const before = await me.stored();
      const late = await put(signed, CONTENT);
      expect((await me.complete(uploadId)).body.error.code).toBe('FILE_NOT_FOUND');
      const { uploads } = direct.site.accounts.composition;
      const asked = new AbortController().signal;
      if (urlsAreOurs(direct)) {
        expect(late.status).toBe(404);
        expect(await me.stored()).toEqual(before);
      } else {
        expect(late.status).toBe(200);
        await uploads.purge(asked);
        expect((await me.stored()).length).toBe(before.length + 1);
      }
      await me.age(uploadId, 2 * 24 * 3600);
      await uploads.purge(asked);
      await me.sweep();
      expect(await me.stored()).toEqual(before);
      expect((await me.call('GET', `/uploads/${uploadId}`)).body.error.code).toBe('UPLOAD_NOT_FOUND');
      expect((await me.audit()).faults).toEqual([]);
    });

    it('is given up by its owner, whatever comes after', async () => {
      const { uploadId, ...signed } = await me.sent(CONTENT, { fileName: 'aborted.txt' });
      const aborted = await me.call('DELETE', `/uploads/${uploadId}`);
      expect(aborted).toMatchObject({ status: 200, body: { data: { upload: { state: 'ENDED' } } } });
      expect((await me.call('DELETE', `/uploads/${uploadId}`)).status).toBe(200);
      expect(await direct.site.accounts.auditOf(uploadId)).toEqual(['upload.open', 'upload.abort']);
      expect((await me.audit()).reservedBytes).toBe(0);
      const before = await me.stored();
      await me.sweep();
      expect((await me.stored()).length).toBe(before.length - 1);
      const late = await put(signed, CONTENT);
      if (urlsAreOurs(direct)) {
        expect(late.status).toBe(404);
        expect((await me.stored()).length).toBe(before.length - 1);
      }
      expect((await me.complete(uploadId)).body.error.code).toBe('CONFLICT');
      await me.age(uploadId, 2 * 24 * 3600);
      await direct.site.accounts.composition.uploads.purge(new AbortController().signal);
      await me.sweep();
      expect((await me.stored()).length).toBe(before.length - 1);
    });

    it('under way while its upload is given up leaves nothing', async () => {
      const before = await me.stored();
      const { body } = await me.presign(CONTENT.length, { fileName: 'under-way.txt' });
      const { url, headers, uploadId } = body.data;
      const req = request(url, { method: 'PUT', headers });
      const answered = once(req, 'response');
      await new Promise<void>((resolve) => req.write(CONTENT.subarray(0, 8), () => resolve()));
      await me.call('DELETE', `/uploads/${uploadId}`);
      await me.sweep();
      req.end(CONTENT.subarray(8));
      const [response] = (await answered) as [IncomingMessage];
      response.resume();
      if (urlsAreOurs(direct)) expect([404, 503]).toContain(response.statusCode);
      else await me.age(uploadId, 2 * 24 * 3600);
      await direct.site.accounts.composition.uploads.purge(new AbortController().signal);
      await me.sweep();
      expect(await me.stored()).toEqual(before);
      expect(await me.audit()).toMatchObject({ reservedBytes: 0, faults: [] });
    });

    // That AWS refuses such headers is not Ceph's to show.
    if (kind !== 's3 by its own URLs') {
      it('does what its body says and nothing that its headers say', async () => {
        const victim = new DirectActor(direct, await direct.world.key(owner));
        const secret = Buffer.from('nobody else may read this content');
        const { uploadId, ...signed } = await victim.sent(secret, { fileName: 'secret.txt' });
        const { objectKey: victimKey } = await victim.session(uploadId);
        expect((await victim.complete(uploadId)).status).toBe(200);
        const place = async (key: string): Promise<URL> => {
          const options = { expiresInSeconds: 60, contentType: 'text/plain', publicOrigin: direct.origin };
          return new URL((await direct.store.presignGet(key, options)).url);
        };
        const copying = async (key: string) => ({
          'x-amz-copy-source': decodeURIComponent((await place(key)).pathname),
          'x-amz-acl': 'public-read',
        });
        const expected = urlsAreOurs(direct) ? 200 : 403;
        const mine = Buffer.alloc(secret.length, 'm');

        const { body } = await me.presign(mine.length, { fileName: 'stolen.txt' });
        if (urlsAreOurs(direct)) expect(body.data.url).toMatch(new RegExp(`^${direct.origin}/objects/`));
        const { url, headers } = body.data;
        const stolen = await put({ url, headers: { ...headers, ...(await copying(victimKey)) } }, mine);
        expect(stolen.status).toBe(expected);
        if (expected === 403) await put(body.data, mine);
        expect((await me.complete(body.data.uploadId)).status).toBe(200);
        expect(await me.content('stolen.txt')).toEqual(mine);
        const { objectKey: myKey } = await me.session(body.data.uploadId);
        const bare = await place(myKey);
        bare.search = '';
        expect((await fetch(bare)).status).toBe(403);

        const opened = await me.openMultipart(mine.length, { fileName: 'parts.txt' });
        const id = opened.body.data.uploadId;
        const { body: signing } = await me.call('POST', `/uploads/multipart/${id}/parts`, { partNumbers: [1] });
        const [part] = signing.data.parts;
        const sent = await put({ url: part.url, headers: { ...part.headers, ...(await copying(victimKey)) } }, mine);
        expect(sent.status).toBe(expected);
        if (expected === 200) {
          const parts = [{ partNumber: 1, etag: String(sent.headers.get('etag')) }];
          expect((await me.completeParts(id, parts)).status).toBe(200);
          expect(await me.content('parts.txt')).toEqual(mine);
        }

        const over = { url: signed.url, headers: { ...signed.headers, ...(await copying(myKey)) } };
        expect([403, 404]).toContain((await put(over, secret)).status);
        expect(await victim.content('secret.txt')).toEqual(secret);
      });
    }

    it('that has expired gives its room back', async () => {
      const { uploadId } = await me.sent(CONTENT, { fileName: 'late.txt', expiresIn: 60 });
      const { expiresAt } = await me.session(uploadId);
      expect(expiresAt.getTime() - Date.now()).toBeGreaterThan(650_000);
      await me.age(uploadId, 661);
      await me.sweep();
      expect((await me.complete(uploadId)).body.error.code).toBe('CONFLICT');
      expect((await me.call('GET', `/uploads/${uploadId}`)).body.data.upload.state).toBe('ENDED');
      expect(await me.audit()).toMatchObject({ reservedBytes: 0, faults: [] });
    });

    it('by a drive’s owner works alike, and is nobody else’s', async () => {
      const person = new DirectActor(direct, owner);
      const { uploadId } = await person.sent(CONTENT, { fileName: 'folder/drive.txt' });
      for (const stranger of [me, new DirectActor(direct, await direct.world.person())]) {
        for (const path of [`/uploads/${uploadId}`, '/uploads/complete']) {
          const reply = path.endsWith('complete')
            ? await stranger.complete(uploadId)
            : await stranger.call('GET', path);
          expect(reply).toMatchObject({ status: 404, body: { error: { code: 'UPLOAD_NOT_FOUND' } } });
        }
        expect((await stranger.call('DELETE', `/uploads/${uploadId}`)).status).toBe(404);
      }
      expect((await person.complete(uploadId)).status).toBe(200);
      expect(await person.content('folder/drive.txt')).toEqual(CONTENT);
      const late = await person.call('DELETE', `/uploads/${uploadId}`);
      expect(late).toMatchObject({ status: 409, body: { error: { code: 'CONFLICT' } } });
      expect((await person.audit()).faults).toEqual([]);
    });

    it('is no file for whom the key was taken away meanwhile', async () => {
      const key = await direct.world.key(owner);
      const revoked = new DirectActor(direct, key);
      const { body } = await revoked.presign(CONTENT.length);
      await direct.world.database.prisma.apiKey.update({
        where: { id: key.apiKeyId },
        data: { revokedAt: new Date() },
      });
      expect((await put(body.data, CONTENT)).status).toBe(200);
      expect((await revoked.complete(body.data.uploadId)).body.error.code).toBe('KEY_REVOKED');
    });

    it('replaces, keeps both or fails as a form does', async () => {
      const first = await me.sent(CONTENT, { fileName: 'same.txt' });
      await me.complete(first.uploadId);
      expect((await me.presign(1, { fileName: 'same.txt', conflict: 'fail' })).body.error.code).toBe('FILE_EXISTS');
      const both = await me.sent(CONTENT, { fileName: 'same.txt', conflict: 'keepBoth' });
      expect((await me.complete(both.uploadId)).body.data.file.fileName).toBe('same (1).txt');
      const other = Buffer.from('another content');
      const replacing = await me.sent(other, { fileName: 'same.txt' });
      const done = await me.complete(replacing.uploadId);
      expect(done.body.data.file.checksumSha256).toBe(createHash('sha256').update(other).digest('hex'));
      // The upload before has become the same file, as it is now.
      expect((await me.complete(first.uploadId)).body.data.file).toEqual(done.body.data.file);
      const late = await me.sent(CONTENT, { fileName: 'raced.txt', conflict: 'fail' });
      const winner = await me.sent(CONTENT, { fileName: 'raced.txt', conflict: 'fail' });
      expect((await me.complete(winner.uploadId)).status).toBe(200);
      expect((await me.complete(late.uploadId)).body.error.code).toBe('FILE_EXISTS');
      expect((await me.complete(late.uploadId)).body.error.code).toBe('CONFLICT');
      expect((await me.audit()).faults).toEqual([]);
    });

    it('is listed, newest first, by state and page', async () => {
      const lister = new DirectActor(direct, await direct.world.key(owner));
      const ids: string[] = [];
      for (let i = 0; i < 5; i += 1) ids.push((await lister.presign(1, { fileName: `${i}` })).body.data.uploadId);
      await lister.call('DELETE', `/uploads/${ids[0]}`);
      ids.reverse();
      const page = await lister.call('GET', '/uploads?limit=3');
      expect(page.body.data.uploads.map(({ id }: { id: string }) => id)).toEqual(ids.slice(0, 3));
      const rest = await lister.call('GET', `/uploads?limit=3&cursor=${page.body.meta.nextCursor}`);
      expect(rest.body.data.uploads.map(({ id }: { id: string }) => id)).toEqual(ids.slice(3));
      expect(rest.body.meta.nextCursor).toBeNull();
      const open = await lister.call('GET', '/uploads?state=OPEN');
      expect(open.body.data.uploads.map(({ id }: { id: string }) => id)).toEqual(ids.slice(0, 4));
      expect((await lister.call('GET', '/uploads?state=LOST')).status).toBe(400);
    });

    it('is not there by an id that is none', async () => {
      for (const id of ['x', newId(), `${newId()}x`]) {
        expect((await me.call('GET', `/uploads/${id}`)).body.error.code).toBe('UPLOAD_NOT_FOUND');
        expect((await me.complete(id)).body.error.code).toBe('UPLOAD_NOT_FOUND');
      }
    });
  });
}
