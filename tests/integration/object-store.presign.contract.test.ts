import { randomUUID } from 'node:crypto';
import { request } from 'node:http';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import type { PresignedRequest } from '../../src/platform/object-store/object-store.ts';
import { digest, generate, openDiskStore, openS3Store, type StoreUnderTest } from '../support/object-stores.ts';
import { S3_SERVER_HINT } from '../support/s3-server.ts';

const MIB = 1024 * 1024;
const expiresInSeconds = 60;

const s3 = await openS3Store();
describe('presigned URLs of the disk store', () => contract(openDiskStore));
describe.skipIf(!s3)(`presigned URLs of the S3 store (${S3_SERVER_HINT})`, () =>
  contract(async () => {
    if (!s3) throw new Error('skipped');
    return s3;
  }),
);

function send(signed: PresignedRequest, body?: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}) {
  const { 'content-length': _, ...signedHeaders } = signed.headers;
  return fetch(signed.url, {
    method: signed.method,
    headers: { ...signedHeaders, ...headers },
    ...(body === undefined ? {} : { body }),
  });
}

/** Sends the head and a beginning of the body of a signed PUT, then cuts the connection. */
async function sendCut(signed: PresignedRequest, sentBytes: number): Promise<void> {
  const req = request(signed.url, { method: 'PUT', headers: signed.headers });
  const closed = new Promise((resolve) => req.once('close', resolve));
  req.on('error', () => {});
  await new Promise<void>((resolve) => req.write(Buffer.alloc(sentBytes), () => resolve()));
  req.destroy();
  await closed;
}

function contract(open: () => Promise<StoreUnderTest>): void {
  const opened = open();
  let key = '';
  const fresh = async (): Promise<StoreUnderTest> => {
    key = `apikeys/${randomUUID()}/käse + 100%/"a"'~.txt`;
    return opened;
  };
  const signPut = async (sizeBytes: number, contentType = 'text/plain'): Promise<PresignedRequest> => {
    const { store, publicOrigin } = await opened;
    return store.presignPut(key, { expiresInSeconds, sizeBytes, contentType, publicOrigin });
  };
  const signGet = async (contentDisposition?: string): Promise<PresignedRequest> => {
    const { store, publicOrigin } = await opened;
    return store.presignGet(key, { expiresInSeconds, contentType: 'text/csv', contentDisposition, publicOrigin });
  };

  afterEach(async () => {
    (await opened).clock.shiftSeconds = 0;
  });
  afterAll(async () => (await opened).close(), 30_000);

  describe('PUT', () => {
    it('takes exactly the body that was signed', async () => {
      const { store } = await fresh();
      const signed = await signPut(5);
      expect(signed.headers).toEqual({ 'content-length': '5', 'content-type': 'text/plain' });
      expect(Math.abs(signed.expiresAt.getTime() - Date.now() - 60_000)).toBeLessThan(5_000);
      const response = await send(signed, 'hello');
      expect(response.status).toBe(200);
      expect(response.headers.get('etag')).toBe(`"${(await store.head(key))?.etag}"`);
      expect((await store.head(key))?.sizeBytes).toBe(5);
    });

    it('takes an empty body', async () => {
      const { store } = await fresh();
      expect((await send(await signPut(0), '')).status).toBe(200);
      expect((await store.head(key))?.sizeBytes).toBe(0);
    });

    it('refuses another length, another type, another key, a forged and an expired URL', async () => {
      const { store, clock } = await fresh();
      const signed = await signPut(5);
      const url = new URL(signed.url);
      const tampered = new URL(url);
      const [name, value] = [...url.searchParams].find(([param]) => /^(x-amz-)?signature$/i.test(param)) ?? ['', ''];
      tampered.searchParams.set(name, (value.startsWith('0') ? '1' : '0') + value.slice(1));
      const longer = new URL(url);
      longer.searchParams.set('X-Amz-Expires', '86400');
      longer.searchParams.set('expires', '99999999999');
      clock.shiftSeconds = -120;
      const expired = await signPut(5);
      clock.shiftSeconds = 0;
      expect((await send({ ...signed, method: 'PUT' }, 'hello!')).status).toBe(403);
      expect((await send(signed, 'hell')).status).toBe(403);
      expect((await send(signed, 'hello', { 'content-type': 'text/html' })).status).toBe(403);
      expect((await send({ ...signed, url: signed.url.replace('.txt?', '.tx?') }, 'hello')).status).toBe(403);
      expect((await send({ ...signed, url: tampered.href }, 'hello')).status).toBe(403);
      expect((await send({ ...signed, url: longer.href }, 'hello')).status).toBe(403);
      expect((await send(expired, 'hello')).status).toBe(403);
      expect((await send({ ...signed, method: 'GET' })).status).toBe(403);
      expect(await store.head(key)).toBeNull();
      expect(await store.countTemporary()).toBe(0);
    });

    it('leaves nothing of a body that is cut short', async () => {
      const { store } = await fresh();
      const sizeBytes = 2 * MIB;
      await sendCut(await signPut(sizeBytes), MIB);
      await expect.poll(() => store.countTemporary(), { interval: 5, timeout: 5_000 }).toBe(0);
      expect(await store.head(key)).toBeNull();
    });

    it('takes a part of an upload', async () => {
      const { store, publicOrigin } = await fresh();
      const { uploadId } = await store.createMultipart(key, { contentType: 'text/plain' });
      const options = { uploadId, partNumber: 2, sizeBytes: 4, expiresInSeconds, publicOrigin };
      const signed = await store.presignPart(key, options);
      expect((await send(signed, 'parts')).status).toBe(403);
      const other = signed.url.replace('partNumber=2', 'partNumber=3');
      expect((await send({ ...signed, url: other }, 'part')).status).toBe(403);
      const response = await send(signed, 'part');
      expect(response.status).toBe(200);
      const parts = await store.listParts(key, uploadId);
      expect(parts).toEqual([{ partNumber: 2, sizeBytes: 4, etag: response.headers.get('etag')?.replaceAll('"', '') }]);
      await store.abortMultipart(key, uploadId);
      expect((await send(signed, 'part')).status).toBe(404);
    });
  });

  describe('GET', () => {
    it('gives content, type and disposition as signed', async () => {
      const { store } = await fresh();
      await store.put(key, generate(3 * MIB), { contentType: 'text/plain' });
      const response = await send(await signGet(`attachment; filename="a b.csv"; filename*=UTF-8''%C3%A4.csv`));
      expect(response.status).toBe(200);
      expect(response.headers.get('content-type')).toBe('text/csv');
      expect(response.headers.get('content-disposition')).toBe(
        `attachment; filename="a b.csv"; filename*=UTF-8''%C3%A4.csv`,
      );
      expect(response.headers.get('content-length')).toBe(String(3 * MIB));
      expect(response.headers.get('etag')).toBe(`"${(await store.head(key))?.etag}"`);
      expect(Buffer.from(await response.arrayBuffer())).toEqual(Buffer.concat(await generate(3 * MIB).toArray()));
    });

    it('gives ranges', async () => {
      const { store } = await fresh();
      await store.put(key, Buffer.from('0123456789'), { contentType: 'text/plain' });
      const signed = await signGet();
      for (const [range, expected, contentRange] of [
        ['bytes=0-0', '0', 'bytes 0-0/10'],
        ['bytes=-1', '9', 'bytes 9-9/10'],
        ['bytes=3-', '3456789', 'bytes 3-9/10'],
        ['bytes=-100', '0123456789', 'bytes 0-9/10'],
      ] as const) {
        const response = await send(signed, undefined, { range });
        expect(response.status).toBe(206);
        expect(response.headers.get('content-range')).toBe(contentRange);
        expect(await response.text()).toBe(expected);
      }
      expect((await send(signed, undefined, { range: 'bytes=10-' })).status).toBe(416);
    });

    it('knows an unchanged copy', async () => {
      const { store } = await fresh();
      const { etag } = await store.put(key, Buffer.from('x'), { contentType: 'text/plain' });
      const signed = await signGet();
      expect((await send(signed, undefined, { 'if-none-match': `"${etag}"` })).status).toBe(304);
      expect((await send(signed, undefined, { 'if-match': '"other"' })).status).toBe(412);
    });

    it('refuses a missing object, another key, another disposition and an expired URL', async () => {
      const { store, clock } = await fresh();
      const signed = await signGet('attachment');
      expect((await send(signed)).status).toBe(404);
      await store.put(key, Buffer.from('x'), { contentType: 'text/plain' });
      expect((await send({ ...signed, url: signed.url.replace('.txt?', '.tx?') })).status).toBe(403);
      expect((await send({ ...signed, url: signed.url.replace('attachment', 'inline') })).status).toBe(403);
      clock.shiftSeconds = -120;
      const expired = await signGet();
      clock.shiftSeconds = 0;
      expect((await send(expired)).status).toBe(403);
    });

    it('streams a large object whole', async () => {
      const { store } = await fresh();
      await store.put(key, generate(40 * MIB), { contentType: 'text/plain' });
      const { body } = await store.get(key);
      const response = await send(await signGet());
      expect((await response.arrayBuffer()).byteLength).toBe((await digest(body)).sizeBytes);
    });
  });
}
