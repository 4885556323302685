import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DiskObjectStore } from '../../src/platform/object-store/disk-object-store.ts';
import { DirectActor, type DirectSite, MIB, put, startDirectSite } from '../support/direct-uploads.ts';
import { S3_SERVER_HINT } from '../support/s3-server.ts';
import type { Person } from '../support/world.ts';

const SIZE = 12 * MIB;
const CONTENT = Buffer.alloc(SIZE, 'the content of a large file, in parts; ');
const SHA256 = createHash('sha256').update(CONTENT).digest('hex');

const sites = { disk: await startDirectSite('disk'), s3: await startDirectSite('s3') };
afterAll(() => Promise.all([sites.disk?.stop(), sites.s3?.stop()]));

for (const [kind, site] of Object.entries(sites)) {
  describe.skipIf(site === null)(`an upload in parts, ${kind}${site ? '' : ` (${S3_SERVER_HINT})`}`, () => {
    const direct = site as DirectSite;
    let owner: Person;
    let me: DirectActor;
    const unfinished = () => (direct.store as DiskObjectStore).countTemporary();

    beforeAll(async () => {
      owner = await direct.world.person();
      me = new DirectActor(direct, await direct.world.key(owner));
    });

    async function opened(fields: object = {}): Promise<string> {
      const { status, body } = await me.openMultipart(SIZE, fields);
      if (status !== 201) throw new Error(JSON.stringify(body));
      return body.data.uploadId;
    }

    it('becomes a file, once all of them are there', async () => {
      const before = await me.audit();
      const open = await me.openMultipart(SIZE, { fileName: 'large.txt', checksumSha256: SHA256, tags: ['a'] });
      expect(open.status).toBe(201);
      expect(open.body.data).toMatchObject({ partSize: 5 * MIB, partCount: 3 });
      const { uploadId } = open.body.data;
      expect((await me.audit()).reservedBytes - before.reservedBytes).toBe(SIZE);
      const signed = await me.call('POST', `/uploads/multipart/${uploadId}/parts`, { partNumbers: [3, 1, 2] });
      expect(signed.body.data.parts.map(({ size }: { size: number }) => size)).toEqual([2 * MIB, 5 * MIB, 5 * MIB]);

      const third = await me.sendParts(uploadId, CONTENT, [3]);
      const shown = await me.call('GET', `/uploads/${uploadId}`);
      expect(shown.body.data.upload).toMatchObject({ state: 'OPEN', bytesReceived: 2 * MIB, partCount: 3 });
      const rest = await me.sendParts(uploadId, CONTENT, [1, 2]);
      const listed = await me.call('GET', `/uploads/multipart/${uploadId}/parts`);
      expect(listed.body.data.parts.map(({ size }: { size: number }) => size)).toEqual([5 * MIB, 5 * MIB, 2 * MIB]);

      const done = await me.completeParts(uploadId, [...third, ...rest]);
      expect(done.status).toBe(200);
      expect(done.body.data.file).toMatchObject({
        fileName: 'large.txt',
        size: SIZE,
        checksumSha256: SHA256,
        tags: ['a'],
      });
      expect((await me.content('large.txt')).equals(CONTENT)).toBe(true);
      const again = await me.completeParts(uploadId, [{ partNumber: 1, etag: 'anything' }]);
      expect(again.body.data.file).toEqual(done.body.data.file);
      expect((await me.complete(uploadId)).body.data.file).toEqual(done.body.data.file);
      for (const part of signed.body.data.parts) {
        expect((await put(part, CONTENT.subarray(0, part.size))).status).toBe(404);
      }
      expect(await me.audit()).toMatchObject({ reservedBytes: 0, faults: [] });
      expect(await unfinished()).toBe(0);
    });

    it('says which parts are wrong, and stays open', async () => {
      const uploadId = await opened({ fileName: 'faulty.txt' });
      const [first, second] = await me.sendParts(uploadId, CONTENT, [1, 2]);
      const incomplete = await me.completeParts(uploadId, [{ partNumber: 1, etag: 'wrong' }]);
      expect(incomplete).toMatchObject({
        status: 409,
        body: {
          error: {
            code: 'UPLOAD_INCOMPLETE',
            details: {
              parts: [
                { partNumber: 1, reason: 'another etag' },
                { partNumber: 2, reason: 'not named' },
                { partNumber: 3, reason: 'not uploaded' },
              ],
            },
          },
        },
      });
      const [third] = await me.sendParts(uploadId, CONTENT, [3]);
      const beyond = await me.completeParts(uploadId, [first, second, third, { partNumber: 4, etag: 'x' }] as object[]);
      expect(beyond.body.error.details.parts).toEqual([{ partNumber: 4, reason: 'no part of this upload' }]);
      const twice = await me.completeParts(uploadId, [first, first] as object[]);
      expect(twice.body.error.code).toBe('VALIDATION_FAILED');
      // Sent again, a part replaces the one before.
      const [again] = await me.sendParts(uploadId, Buffer.alloc(SIZE, 'x'), [1]);
      expect((await me.completeParts(uploadId, [first, second, third] as object[])).body.error.details.parts).toEqual([
        { partNumber: 1, reason: 'another etag' },
      ]);
      expect((await me.completeParts(uploadId, [again, second, third] as object[])).status).toBe(200);
    });

    it('takes parts of exactly their length only', async () => {
      const uploadId = await opened();
      const { body } = await me.call('POST', `/uploads/multipart/${uploadId}/parts`, { partNumbers: [1] });
      const [part] = body.data.parts;
      expect((await put(part, CONTENT.subarray(0, 100))).status).toBe(403);
      expect((await put(part, CONTENT.subarray(0, 5 * MIB + 1))).status).toBe(403);
      for (const partNumbers of [[4], [1, 10_001], [0], [1, 1], []]) {
        const refused = await me.call('POST', `/uploads/multipart/${uploadId}/parts`, { partNumbers });
        expect(refused.body.error.code).toBe('VALIDATION_FAILED');
      }
      await me.call('DELETE', `/uploads/${uploadId}`);
    });

    it('is removed with its parts, aborted or abandoned', async () => {
      await me.sweep();
      const before = await me.stored();
      const aborted = await opened();
      await me.sendParts(aborted, CONTENT, [1]);
      const abandoned = await opened();
      await me.sendParts(abandoned, CONTENT, [1, 2]);
      expect(await unfinished()).toBeGreaterThan(0);
      expect((await me.call('DELETE', `/uploads/${aborted}`)).status).toBe(200);
      await me.age(abandoned, 24 * 3600 + 1);
      await me.sweep();
      expect(await unfinished()).toBe(0);
      expect(await me.stored()).toEqual(before);
      for (const id of [aborted, abandoned]) {
        for (const [method, path, body] of [
          ['POST', 'parts', { partNumbers: [1] }],
          ['GET', 'parts', undefined],
          ['POST', 'complete', { parts: [{ partNumber: 1, etag: 'x' }] }],
        ] as const) {
          const reply = await me.call(method, `/uploads/multipart/${id}/${path}`, body);
          expect(reply.body.error.code).toBe('CONFLICT');
        }
      }
      expect(await me.audit()).toMatchObject({ reservedBytes: 0, faults: [] });
    });

    it('lasts longer while parts are asked for, but not for ever', async () => {
      const uploadId = await opened();
      await me.age(uploadId, 23 * 3600);
      await me.call('POST', `/uploads/multipart/${uploadId}/parts`, { partNumbers: [1] });
      expect((await me.session(uploadId)).expiresAt.getTime()).toBeGreaterThan(Date.now() + 23 * 3600_000);
      await me.age(uploadId, 23 * 3600);
      for (let day = 2; day <= 6; day += 1) {
        await me.call('POST', `/uploads/multipart/${uploadId}/parts`, { partNumbers: [1] });
        await me.age(uploadId, 23 * 3600);
      }
      const late = await me.call('POST', `/uploads/multipart/${uploadId}/parts`, {
        partNumbers: [1],
        expiresIn: 86_400,
      });
      const { expiresAt, createdAt } = await me.session(uploadId);
      expect(expiresAt.getTime()).toBeLessThanOrEqual(createdAt.getTime() + 7 * 24 * 3600_000);
      expect(Date.parse(late.body.data.parts[0].expiresAt)).toBeLessThanOrEqual(expiresAt.getTime() + 1000);
      await me.call('DELETE', `/uploads/${uploadId}`);
    });

    it('is open twenty times in a space at the most', async () => {
      const crowd = new DirectActor(direct, await direct.world.key(owner));
      const replies = await Promise.all(
        Array.from({ length: 30 }, (_, i) => crowd.openMultipart(1, { fileName: `${i}` })),
      );
      expect(replies.filter(({ status }) => status === 201)).toHaveLength(20);
      const refused = replies.filter(({ status }) => status !== 201).map(({ body }) => body.error.code);
      expect(new Set(refused)).toEqual(new Set(['CONFLICT']));
      const { uploadId } = replies.find(({ status }) => status === 201)?.body.data ?? {};
      await crowd.call('DELETE', `/uploads/${uploadId}`);
      expect((await crowd.openMultipart(1)).status).toBe(201);
      expect((await crowd.audit()).faults).toEqual([]);
    });

    it('refuses what cannot be: part sizes, promises, other kinds, strangers', async () => {
      for (const fields of [{ partSize: 5 * MIB - 1 }, { partSize: 5 * 1024 * MIB + 1 }, { size: 0 }]) {
        expect((await me.openMultipart(SIZE, fields)).body.error.code).toBe('VALIDATION_FAILED');
      }
      const tiny = await me.openMultipart(1024 ** 4, { partSize: 5 * MIB });
      expect(tiny.body.error).toMatchObject({ code: 'VALIDATION_FAILED', details: [{ path: 'partSize' }] });
      const promised = await me.openMultipart(6 * 1024 ** 3, { partSize: 1024 * MIB, checksumSha256: SHA256 });
      expect(promised.body.error).toMatchObject({ details: [{ path: 'checksumSha256' }] });

      const { body } = await me.presign(1);
      const single = body.data.uploadId;
      const uploadId = await opened();
      expect((await me.complete(uploadId)).body.error.code).toBe('CONFLICT');
      expect((await me.completeParts(single, [{ partNumber: 1, etag: 'x' }])).body.error.code).toBe('CONFLICT');
      const signing = { partNumbers: [1] };
      expect((await me.call('POST', `/uploads/multipart/${single}/parts`, signing)).body.error.code).toBe('CONFLICT');
      const stranger = new DirectActor(direct, owner);
      expect((await stranger.call('POST', `/uploads/multipart/${uploadId}/parts`, signing)).status).toBe(404);
      expect((await stranger.completeParts(uploadId, [{ partNumber: 1, etag: 'x' }])).status).toBe(404);
      for (const id of [single, uploadId]) await me.call('DELETE', `/uploads/${id}`);
    });

    it('of another content than promised ends', async () => {
      const uploadId = await opened({ fileName: 'promise.txt', checksumSha256: SHA256 });
      const parts = await me.sendParts(uploadId, Buffer.alloc(SIZE, 'y'), [1, 2, 3]);
      const refused = await me.completeParts(uploadId, parts);
      expect(refused.body.error).toMatchObject({ code: 'UPLOAD_INCOMPLETE', details: { announced: SHA256 } });
      expect((await me.completeParts(uploadId, parts)).body.error.code).toBe('CONFLICT');
      await me.sweep();
      expect(await me.audit()).toMatchObject({ reservedBytes: 0, faults: [] });
    });

    it('of more than 32 MiB gets its SHA-256 later, by a job that the answer names', { timeout: 60_000 }, async () => {
      const content = Buffer.alloc(33 * MIB, 'z');
      const open = await me.openMultipart(content.length, { fileName: 'huge.txt', partSize: 16 * MIB });
      const { uploadId } = open.body.data;
      const parts = await me.sendParts(uploadId, content, [1, 2, 3], 16 * MIB);
      const done = await me.completeParts(uploadId, parts);
      expect(done.body.data.file).toMatchObject({ checksumSha256: null, status: 'READY', etag: uploadId });
      expect(done.body.data.job).toMatchObject({ name: 'content.check', state: 'waiting' });
      const again = await me.completeParts(uploadId, parts);
      expect(again.body.data.job).toMatchObject({ id: done.body.data.job.id, name: 'content.check' });
      expect((await me.content('huge.txt')).equals(content)).toBe(true);
    });
  });
}
