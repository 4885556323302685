import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { PassThrough, Readable } from 'node:stream';
import { afterEach, describe, expect, it } from 'vitest';
import { LengthMismatchError, StoreFullError, StoreUnavailableError } from './errors.ts';
import { createS3ObjectStore, type S3ObjectStore } from './s3-object-store.ts';

type Checksums = 'when_supported' | 'when_required';

const IDLE_TIMEOUT_MS = 150;
const cleanups: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

/** A store whose server answers as the test says: what a real one cannot be made to do. */
async function storeOn(
  handler: RequestListener,
  checksums: Checksums = 'when_required',
  publicEndpoint?: string,
): Promise<S3ObjectStore> {
  const server = createServer(handler).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (!address || typeof address === 'string') throw new Error('no port');
  const store = connect(`http://127.0.0.1:${address.port}`, checksums, publicEndpoint);
  cleanups.push(async () => {
    server.close();
    server.closeAllConnections();
  });
  return store;
}

function connect(
  endpoint: string,
  checksums: Checksums = 'when_required',
  publicEndpoint: string | undefined = undefined,
): S3ObjectStore {
  const store = createS3ObjectStore({
    bucket: 'b',
    region: 'us-east-1',
    endpoint,
    publicEndpoint,
    forcePathStyle: true,
    checksums,
    credentials: { accessKeyId: 'a', secretAccessKey: 's' },
    clock: { now: () => new Date() },
    idleTimeoutMs: IDLE_TIMEOUT_MS,
  });
  cleanups.push(() => store.close());
  return store;
}

function refuse(status: number, code: string): RequestListener {
  return (req, res) => {
    req.resume();
    res.writeHead(status, { 'content-type': 'application/xml' });
    res.end(
      req.method === 'HEAD' ? '' : `<?xml version="1.0"?><Error><Code>${code}</Code><Message>m</Message></Error>`,
    );
  };
}

const contentType = 'text/plain';

describe('a store that refuses', () => {
  for (const [status, code, type] of [
    [500, 'InternalError', StoreUnavailableError],
    [503, 'SlowDown', StoreUnavailableError],
    [403, 'AccessDenied', StoreUnavailableError],
    [404, 'NoSuchBucket', StoreUnavailableError],
    [411, 'MissingContentLength', StoreUnavailableError],
    [507, 'XMinioStorageFull', StoreFullError],
    [403, 'QuotaExceeded', StoreFullError],
  ] as const) {
    it(`is ${type.name} for ${status} ${code}, before the body is sent`, async () => {
      const store = await storeOn(refuse(status, code));
      const body = new PassThrough();
      body.write('begun');
      await expect(store.put('k', body, { contentType, sizeBytes: 10_000_000 })).rejects.toThrow(type);
      expect(body.destroyed).toBe(false);
      await expect(store.put('k', Buffer.from('x'), { contentType })).rejects.toThrow(type);
      if (status >= 500) await expect(store.ping()).rejects.toThrow(StoreUnavailableError);
    });
  }

  it('is tried again with a buffered part', async () => {
    let requests = 0;
    const bodies: string[] = [];
    const store = await storeOn(async (req, res) => {
      requests += 1;
      if (requests === 1) return refuse(503, 'SlowDown')(req, res);
      bodies.push(Buffer.concat(await req.toArray()).toString());
      res.setHeader('etag', '"e"').end();
    });
    const body = new PassThrough();
    body.end('unknown length');
    expect(await store.put('k', body, { contentType })).toEqual({ key: 'k', sizeBytes: 14, etag: 'e' });
    expect(bodies).toEqual(['unknown length']);
  });
});

it('tells the SHA-256 of an object where the store keeps it of the whole', async () => {
  const sha256 = 'ab'.repeat(32);
  const base64 = Buffer.from(sha256, 'hex').toString('base64');
  for (const [kept, expected] of [
    [base64, sha256],
    [`${base64}-2`, null],
    [null, null],
  ] as const) {
    const store = await storeOn((req, res) => {
      expect(req.headers['x-amz-checksum-mode']).toBe('ENABLED');
      if (kept !== null) res.setHeader('x-amz-checksum-sha256', kept);
      res.writeHead(200, { etag: '"e"', 'content-length': '1' }).end();
    });
    expect(await store.head('k')).toMatchObject({ sizeBytes: 1, sha256: expected });
  }
});

describe('presigned URLs', () => {
  const options = { expiresInSeconds: 60, sizeBytes: 1, contentType, publicOrigin: 'http://not-used.test' };

  it('point at the public endpoint where there is one', async () => {
    const own = await connect('http://own.test').presignPut('k', options);
    expect(own.url).toMatch(/^http:\/\/own\.test\/b\/k\?/);
    const shown = await connect('http://own.test', 'when_supported', 'https://public.test').presignPut('k', options);
    expect(shown.url).toMatch(/^https:\/\/public\.test\/b\/k\?/);
  });

  it('sign every header that the client must send', async () => {
    const strict = { ...options, sha256: 'ab'.repeat(32), createOnly: true };
    const { url, headers } = await connect('http://own.test').presignPut('k', strict);
    const signed = new URL(url).searchParams.get('X-Amz-SignedHeaders')?.split(';');
    expect(signed).toEqual(['host', ...Object.keys(headers)].sort());
    expect(Object.keys(headers)).toEqual(expect.arrayContaining(['x-amz-checksum-sha256', 'if-none-match']));
    const part = await connect('http://own.test').presignPart('k', { ...strict, uploadId: 'u', partNumber: 1 });
    expect(Object.keys(part.headers)).toEqual(['content-length', 'x-amz-checksum-sha256']);
  });

  it('are tried by the endpoint of this process, which may not reach the public one', async () => {
    const store = await storeOn(refuse(403, 'AccessDenied'));
    await expect(store.probe()).rejects.toThrow(StoreUnavailableError);
    const accepting: RequestListener = async (req, res) => {
      await req.toArray();
      res.setHeader('etag', '"e"').end();
    };
    const beside = await storeOn(accepting, 'when_required', 'http://127.0.0.1:1');
    expect(await beside.probe()).toEqual({ conditionalPut: false, signedChecksum: false, refusesUnsigned: false });
  });
});

describe('a store that is gone or stuck', () => {
  it('is unavailable when nobody listens', async () => {
    // A free port would soon be somebody else's; this one (tcpmux) is nobody's.
    const store = connect('http://127.0.0.1:1');
    await expect(store.probe()).rejects.toThrow(StoreUnavailableError);
    await expect(store.ping()).rejects.toThrow(StoreUnavailableError);
    await expect(store.head('k')).rejects.toThrow(StoreUnavailableError);
    await expect(store.put('k', new PassThrough().end('x'), { contentType, sizeBytes: 1 })).rejects.toThrow(
      StoreUnavailableError,
    );
  });

  it('is unavailable when it never answers', async () => {
    const store = await storeOn((req) => void req.resume());
    await expect(store.put('k', new PassThrough().end('x'), { contentType, sizeBytes: 1 })).rejects.toThrow(
      StoreUnavailableError,
    );
    await expect(store.get('k')).rejects.toThrow(StoreUnavailableError);
  });

  it('gives way to an abort while it does not read', async () => {
    const store = await storeOn(() => {});
    const controller = new AbortController();
    const body = new PassThrough();
    body.write(Buffer.alloc(100_000), () => setImmediate(() => controller.abort(new Error('enough'))));
    const put = store.put('k', body, { contentType, sizeBytes: 1e9, signal: controller.signal });
    await expect(put).rejects.toThrow('enough');
  });

  for (const [what, behave] of [
    ['cut', (end: () => void) => setImmediate(end)],
    ['stuck', () => {}],
  ] as const) {
    it(`fails the stream of a body that is ${what}`, async () => {
      const store = await storeOn((_req, res) => {
        res.writeHead(200, { 'content-length': '1000', etag: '"e"' });
        res.write('some');
        behave(() => res.destroy());
      });
      const { head, body } = await store.get('k');
      expect(head.sizeBytes).toBe(1000);
      await expect(body.toArray()).rejects.toThrow();
    });
  }

  it('waits for a reader who pauses', async () => {
    const store = await storeOn((_req, res) => void res.setHeader('etag', '"e"').end(Buffer.alloc(5_000_000)));
    const { body } = await store.get('k');
    await once(body, 'readable');
    // The one place that has to let real time pass: the socket's own idle timer is what must not strike.
    await new Promise((resolve) => setTimeout(resolve, 3 * IDLE_TIMEOUT_MS));
    expect((await body.toArray()).reduce((sum, chunk: Buffer) => sum + chunk.length, 0)).toBe(5_000_000);
  });
});

for (const checksums of ['when_supported', 'when_required'] as const) {
  describe(`a streamed put, checksums ${checksums}`, () => {
    const accept: RequestListener = async (req, res) => {
      const received = await req.toArray().catch(() => null);
      if (received) res.setHeader('etag', '"e"').end();
    };

    it('sends what it was given', async () => {
      const bodies: string[] = [];
      const store = await storeOn(async (req, res) => {
        bodies.push(Buffer.concat(await req.toArray()).toString());
        res.setHeader('etag', '"e"').end();
      }, checksums);
      await store.put('k', Readable.from(['he', 'llo']), { contentType, sizeBytes: 5 });
      expect(bodies).toEqual([
        checksums === 'when_required' ? 'hello' : expect.stringContaining('x-amz-checksum-crc32'),
      ]);
    });

    it('fails for a wrong length, a failing source and an abort, and harms nothing else', async () => {
      const store = await storeOn(accept, checksums);
      const put = (body: Readable, sizeBytes?: number, signal?: AbortSignal) =>
        store.put('k', body, { contentType, sizeBytes, signal });
      await expect(put(Readable.from(['shor']), 5)).rejects.toThrow(LengthMismatchError);
      await expect(put(Readable.from(['longer']), 5)).rejects.toThrow(LengthMismatchError);
      const failing = async function* () {
        yield 'some';
        throw new Error('cut');
      };
      await expect(put(Readable.from(failing()), 50)).rejects.toThrow('cut');
      await expect(put(Readable.from(failing()))).rejects.toThrow('cut');
      const controller = new AbortController();
      const slow = new PassThrough();
      slow.write('some', () => setImmediate(() => controller.abort(new Error('enough'))));
      await expect(put(slow, 50, controller.signal)).rejects.toThrow('enough');
      expect(await put(Readable.from(['fine']), 4)).toMatchObject({ etag: 'e' });
    });
  });
}
