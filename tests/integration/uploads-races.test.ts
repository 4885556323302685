import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { StoreUnavailableError } from '../../src/platform/object-store/errors.ts';
import type { ObjectStore, StoreCapabilities } from '../../src/platform/object-store/object-store.ts';
import { DirectActor, type DirectSite, MIB, put, type Reply, startDirectSite } from '../support/direct-uploads.ts';
import { S3_SERVER_HINT } from '../support/s3-server.ts';
import type { Person } from '../support/world.ts';

const CONTENT = Buffer.from('the content that is raced for');
const SHA256 = createHash('sha256').update(CONTENT).digest('hex');
const CAREFUL: StoreCapabilities = { conditionalPut: false, signedChecksum: false, refusesUnsigned: false };

type Step = 'head' | 'copy' | 'get' | 'createMultipart' | 'completeMultipart' | 'listParts';
type When = 'before' | 'after';

/** The process dies here as far as the request can tell: once, before or after the store has done it. */
let dies: { readonly step: Step; readonly when: When } | null = null;
/** What happens to the space just before the store does a step; once. */
let meanwhile: { readonly step: Step; readonly work: () => Promise<unknown> } | null = null;
let capabilities: StoreCapabilities | null = null;

function closeUnread(answer: unknown): void {
  if (typeof answer === 'object' && answer && 'body' in answer) (answer.body as Readable).destroy();
}

function wrapStore(store: ObjectStore): ObjectStore {
  const steps: Step[] = ['head', 'copy', 'get', 'createMultipart', 'completeMultipart', 'listParts'];
  const wrapped = { ...store, probe: async () => capabilities ?? store.probe() };
  for (const step of steps) {
    const real = store[step] as (...args: unknown[]) => Promise<unknown>;
    Object.assign(wrapped, {
      [step]: async (...args: unknown[]) => {
        if (meanwhile?.step === step) {
          const { work } = meanwhile;
          meanwhile = null;
          await work();
        }
        if (dies?.step !== step) return real(...args);
        const { when } = dies;
        dies = null;
        if (when === 'after') closeUnread(await real(...args));
        throw new StoreUnavailableError('the process died here');
      },
    });
  }
  return wrapped;
}

const sites: Record<string, DirectSite | null> = {};
for (const kind of ['disk', 's3'] as const) {
  for (const isStaged of [false, true]) {
    capabilities = isStaged ? CAREFUL : null;
    sites[`${kind}, ${isStaged ? 'by a copy of what was staged' : 'in its place'}`] = await startDirectSite(
      kind,
      {},
      { wrapStore },
    );
  }
}
capabilities = null;
afterAll(() => Promise.all(Object.values(sites).map((site) => site?.stop())));

function codes(replies: readonly Reply[]): string[] {
  return replies.map(({ status, body }) => (status < 300 ? String(status) : body.error.code)).sort();
}

for (const [title, site] of Object.entries(sites)) {
  describe.skipIf(site === null)(`races, ${title}${site ? '' : ` (${S3_SERVER_HINT})`}`, () => {
    const direct = site as DirectSite;
    let owner: Person;
    let me: DirectActor;
    let there: string;

    beforeAll(async () => {
      owner = await direct.world.person();
      there = (await direct.startAnother()).origin;
    });
    beforeEach(async () => {
      dies = null;
      meanwhile = null;
      me = new DirectActor(direct, await direct.world.key(owner));
    });

    /** That nothing is held, nothing lies about, and what is a file has its bytes. */
    async function expectSettled(files: number): Promise<void> {
      await me.sweep();
      const audit = await me.audit();
      expect(audit).toMatchObject({ usedObjects: files, reservedBytes: 0, reservedObjects: 0, uploads: 0, faults: [] });
      expect(await me.stored()).toHaveLength(files);
      expect(await temporaries()).toBe(0);
    }

    function temporaries(): Promise<number> {
      return (direct.store as ObjectStore & { countTemporary(): Promise<number> }).countTemporary();
    }

    it('of completions end in one file, in one process and in two', async () => {
      for (const origins of [[direct.origin], [direct.origin, there]]) {
        const { uploadId } = await me.sent(CONTENT, { fileName: `${origins.length}.txt` });
        const replies = await Promise.all(
          Array.from({ length: 8 }, (_, i) => me.at(origins[i % origins.length] ?? '').complete(uploadId)),
        );
        expect(codes(replies)).toEqual(Array(8).fill('200'));
        expect(new Set(replies.map(({ body }) => body.data.file.id)).size).toBe(1);
      }
      await expectSettled(2);
    });

    it('of completions of parts end in one file, in two processes', async () => {
      const content = Buffer.alloc(6 * MIB, 'p');
      const { body } = await me.openMultipart(content.length);
      const parts = await me.sendParts(body.data.uploadId, content, [1, 2]);
      const replies = await Promise.all(
        [direct.origin, there, direct.origin, there].map((origin) =>
          me.at(origin).completeParts(body.data.uploadId, parts),
        ),
      );
      const again = await me.completeParts(body.data.uploadId, parts);
      expect(codes([...replies, again])).toEqual(Array(5).fill('200'));
      await expectSettled(1);
      expect((await me.content('a.bin')).equals(content)).toBe(true);
    });

    it('of completions with the right parts and with wrong ones end each by its own', async () => {
      const content = Buffer.alloc(6 * MIB, 'w');
      for (const isWrongFirst of [true, false, true, false]) {
        const { body } = await me.openMultipart(content.length, { conflict: 'replace' });
        const { uploadId } = body.data;
        const parts = await me.sendParts(uploadId, content, [1, 2]);
        const wrong = parts.map(({ partNumber }) => ({ partNumber, etag: '0'.repeat(32) }));
        const asked = isWrongFirst ? [wrong, parts, wrong, parts] : [parts, wrong, parts, wrong];
        const replies = await Promise.all(asked.map((named) => me.completeParts(uploadId, named)));
        for (const [index, { status, body: reply }] of replies.entries()) {
          // Once there is a file, that is the answer, whatever parts are named.
          if (asked[index] === wrong && status !== 200) expect(reply.error.code).toBe('UPLOAD_INCOMPLETE');
          else expect(status).toBe(200);
        }
      }
      await expectSettled(1);
    });

    it('of completion and abortion have one winner', async () => {
      let files = 0;
      for (let round = 0; round < 6; round += 1) {
        const { uploadId } = await me.sent(CONTENT, { fileName: `${round}.txt` });
        const [done, aborted] = await Promise.all([
          me.complete(uploadId),
          me.at(there).call('DELETE', `/uploads/${uploadId}`),
        ]);
        expect([done.status, aborted.status].sort()).toEqual([200, 409]);
        if (done.status === 200) files += 1;
      }
      await expectSettled(files);
    });

    it('of an abortion under a completion have one winner, whatever step it is at', async () => {
      for (const step of title.includes('staged') ? (['head', 'copy', 'get'] as const) : (['head', 'get'] as const)) {
        const { uploadId } = await me.sent(CONTENT, { fileName: 'x.txt' });
        meanwhile = { step, work: () => me.at(there).call('DELETE', `/uploads/${uploadId}`) };
        expect((await me.complete(uploadId)).body.error.code).toBe('CONFLICT');
      }
      await expectSettled(0);
    });

    it('of an expiry under a completion cannot be: it holds what it is at', async () => {
      const { uploadId } = await me.sent(CONTENT, { fileName: 'late.txt', expiresIn: 60 });
      // One second before its end.
      await me.age(uploadId, 659);
      meanwhile = {
        step: 'get',
        work: async () => {
          await direct.world.database.prisma.$executeRaw`SELECT pg_sleep(1.2)`;
          await direct.site.accounts.composition.ledger.expireOverdue();
        },
      };
      expect((await me.complete(uploadId)).status).toBe(200);
      await expectSettled(1);
    });

    it('of a PUT and an abortion leave nothing', async () => {
      const ids: string[] = [];
      for (let round = 0; round < 5; round += 1) {
        const { body } = await me.presign(CONTENT.length, { fileName: `${round}.txt` });
        ids.push(body.data.uploadId);
        await Promise.all([put(body.data, CONTENT), me.call('DELETE', `/uploads/${body.data.uploadId}`), me.sweep()]);
      }
      for (const id of ids) await me.age(id, 2 * 24 * 3600);
      await direct.site.accounts.composition.uploads.purge(new AbortController().signal);
      await expectSettled(0);
    });

    it('of forty for the room of ten have exactly ten winners, in two processes', async () => {
      const spaceId = await me.spaceId();
      await direct.world.database.prisma.space.update({ where: { id: spaceId }, data: { quotaObjects: 10n } });
      const replies = await Promise.all(
        Array.from({ length: 40 }, (_, i) => me.at(i % 2 ? there : direct.origin).presign(5, { fileName: `${i}` })),
      );
      expect(codes(replies)).toEqual([...Array(10).fill('201'), ...Array(30).fill('QUOTA_EXCEEDED')]);
      expect(await me.audit()).toMatchObject({ reservedObjects: 10, faults: [] });
      for (const { body } of replies.filter(({ status }) => status === 201)) {
        await me.call('DELETE', `/uploads/${body.data.uploadId}`);
      }
      await expectSettled(0);
    });

    it.each([
      ['head', 'before'],
      ['get', 'before'],
      ['get', 'after'],
      ['copy', 'before'],
      ['copy', 'after'],
    ] as const)('a completion that died at %s (%s) can be repeated', async (step, when) => {
      if (step === 'copy' && !title.includes('staged')) return;
      const { uploadId } = await me.sent(CONTENT, { fileName: 'died.txt', checksumSha256: SHA256 });
      dies = { step, when };
      const died = await me.complete(uploadId);
      // On the disk store the SHA-256 is known, and still the first bytes are looked at.
      expect(died.body.error.code).toBe('DEPENDENCY_UNAVAILABLE');
      expect((await me.audit()).reservedBytes).toBe(CONTENT.length);
      const done = await me.complete(uploadId);
      expect(done.body.data.file.checksumSha256).toBe(SHA256);
      expect(await me.content('died.txt')).toEqual(CONTENT);
      // A copy of the try that died goes when its intent is due, which the sweep here is before its time.
      await expectSettled(1);
    });

    it.each([
      ['listParts', 'before'],
      ['completeMultipart', 'before'],
      ['completeMultipart', 'after'],
      ['get', 'before'],
    ] as const)('a completion of parts that died at %s (%s) can be repeated', async (step, when) => {
      const content = Buffer.alloc(6 * MIB, 'q');
      const { body } = await me.openMultipart(content.length);
      const parts = await me.sendParts(body.data.uploadId, content, [1, 2]);
      dies = { step, when };
      const died = await me.completeParts(body.data.uploadId, parts);
      if (step === 'completeMultipart' && when === 'after') {
        // Only its answer was lost: the object is there.
        expect(died.status).toBe(200);
        return;
      }
      expect(died.body.error.code).toBe('DEPENDENCY_UNAVAILABLE');
      expect((await me.call('GET', `/uploads/${body.data.uploadId}`)).body.data.upload).toMatchObject({
        state: 'OPEN',
        bytesReceived: content.length,
      });
      expect((await me.completeParts(body.data.uploadId, parts)).status).toBe(200);
      expect((await me.content('a.bin')).equals(content)).toBe(true);
      await expectSettled(1);
    });

    it('what was cut short under a key that a file names goes with its session, and the file stays', async () => {
      const { uploadId } = await me.sent(CONTENT, { fileName: 'cut.txt' });
      const { objectKey } = await me.session(uploadId);
      // As a PUT leaves it whose process was killed; on S3 as an upload that is open.
      await direct.store.createMultipart(objectKey, { contentType: 'text/plain' });
      expect((await me.complete(uploadId)).status).toBe(200);
      await me.sweep();
      // A staged object's key is of no file, and its tombstone has seen to it.
      expect(await temporaries()).toBe(title.includes('staged') ? 0 : 1);
      await me.age(uploadId, 2 * 24 * 3600);
      await direct.site.accounts.composition.uploads.purge(new AbortController().signal);
      await expectSettled(1);
      expect(await me.content('cut.txt')).toEqual(CONTENT);
    });

    it('a completion of parts that was killed while it removed them is finished by the next', async () => {
      if (direct.store.kind !== 'disk') return;
      const content = Buffer.alloc(6 * MIB, 'k');
      const { body } = await me.openMultipart(content.length);
      const parts = await me.sendParts(body.data.uploadId, content, [1, 2]);
      dies = { step: 'get', when: 'before' };
      expect((await me.completeParts(body.data.uploadId, parts)).status).toBe(503);
      const { objectKey, storeUploadId } = await me.session(body.data.uploadId);
      const hash = createHash('sha256').update(objectKey).digest('hex');
      const ended = join(direct.dataDirectory, `objects/.tmp/${hash}.${storeUploadId}.ended`);
      await mkdir(ended);
      await writeFile(join(ended, '1'), 'part');
      expect((await me.completeParts(body.data.uploadId, parts)).status).toBe(200);
      await expectSettled(1);
    });

    it.each(['before', 'after'] as const)('opening parts that died (%s) leaves nothing', async (when) => {
      dies = { step: 'createMultipart', when };
      expect((await me.openMultipart(100)).body.error.code).toBe('DEPENDENCY_UNAVAILABLE');
      expect(await me.audit()).toMatchObject({ reservedBytes: 0, faults: [] });
      await expectSettled(0);
    });

    it('opening parts that was given up meanwhile leaves nothing', async () => {
      let aborted = '';
      meanwhile = {
        step: 'createMultipart',
        work: async () => {
          const open = await me.call('GET', '/uploads?state=OPEN');
          aborted = open.body.data.uploads[0].id;
          expect((await me.call('POST', `/uploads/multipart/${aborted}/parts`, { partNumbers: [1] })).status).toBe(409);
          await me.call('DELETE', `/uploads/${aborted}`);
        },
      };
      expect((await me.openMultipart(100)).body.error.code).toBe('CONFLICT');
      await expectSettled(0);
    });

    it('parts that the store has given up by itself end the upload', async () => {
      const { body } = await me.openMultipart(100);
      const { objectKey, storeUploadId } = await me.session(body.data.uploadId);
      await direct.store.abortMultipart(objectKey, String(storeUploadId));
      expect((await me.call('GET', `/uploads/multipart/${body.data.uploadId}/parts`)).body.error.code).toBe('CONFLICT');
      expect((await me.completeParts(body.data.uploadId, [{ partNumber: 1, etag: 'x' }])).body.error.code).toBe(
        'CONFLICT',
      );
      await expectSettled(0);
    });

    it('of a second PUT under a completion change nothing that was verified', async () => {
      const { uploadId, ...signed } = await me.sent(CONTENT, { fileName: 'overtaken.txt', checksumSha256: SHA256 });
      const other = Buffer.from(CONTENT).reverse();
      meanwhile = { step: 'get', work: () => put(signed, other) };
      const done = await me.complete(uploadId);
      expect(done.status).toBe(200);
      expect(await me.content('overtaken.txt')).toEqual(CONTENT);
      for (let i = 0; i < 20; i += 1) await put(signed, other);
      await me.sweep();
      await put(signed, other);
      expect(await me.content('overtaken.txt')).toEqual(CONTENT);
      await me.age(uploadId, 2 * 24 * 3600);
      await direct.site.accounts.composition.uploads.purge(new AbortController().signal);
      await expectSettled(1);
      expect(await me.content('overtaken.txt')).toEqual(CONTENT);
    });

    it('of a key that is revoked under a completion make no file', async () => {
      const key = await direct.world.key(owner);
      me = new DirectActor(direct, key);
      const { uploadId } = await me.sent(CONTENT);
      meanwhile = {
        step: 'get',
        work: () =>
          direct.world.database.prisma.apiKey.update({ where: { id: key.apiKeyId }, data: { revokedAt: new Date() } }),
      };
      expect((await me.complete(uploadId)).body.error.code).toBe('KEY_REVOKED');
      await me.age(uploadId, 2 * 24 * 3600);
      await expectSettled(0);
    });
  });
}
