import { createHash } from 'node:crypto';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer, request, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { onDisk } from './disk-errors.ts';
import { createDiskObjectStore, type DiskObjectStore } from './disk-object-store.ts';
import { MultipartNotFoundError, StoreFullError, StoreUnavailableError } from './errors.ts';
import { createSignedObjectHandler, type StoredByUrl } from './signed-object-handler.ts';
import { UrlSigner } from './signed-urls.ts';

const contentType = 'text/plain';
const urls = new UrlSigner(Buffer.alloc(32, 1), { now: () => new Date() });
let directory: string;
let store: DiskObjectStore;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'pockity-disk-'));
  store = await createDiskObjectStore({ directory, urls });
});
afterAll(() => rm(directory, { recursive: true }));
afterEach(async () => expect(await store.countTemporary()).toBe(0));

describe('what a killed process leaves', () => {
  it('is found by the key, and only by it', async () => {
    const { uploadId } = await store.createMultipart('a/b', { contentType });
    const [name = ''] = await readdir(join(directory, '.tmp'));
    const hash = name.slice(0, name.indexOf('.'));
    await writeFile(join(directory, '.tmp', `${hash}.0123`), 'half');
    await writeFile(join(directory, '.tmp', name, '1.0123'), 'half');
    await store.discardTemporary(['a/c']);
    expect(await store.countTemporary()).toBe(2);
    expect(await store.listParts('a/b', uploadId)).toEqual([]);
    await store.discardTemporary(['a/b']);
  });

  it('a put whose temporary file was discarded under it fails, and brings nothing back', async () => {
    const source = new PassThrough();
    const put = store.put('d/a', source, { contentType });
    put.catch(() => {});
    source.write('x');
    await expect.poll(() => store.countTemporary(), { interval: 2 }).toBe(1);
    await store.discardTemporary(['d/a']);
    source.end();
    await expect(put).rejects.toThrow(StoreUnavailableError);
    expect(await store.head('d/a')).toBeNull();
  });
});

it('takes no upload id that could be a path', async () => {
  for (const uploadId of ['', '..', '../../x', 'x'.repeat(32), `${'0'.repeat(32)}/..`]) {
    await expect(store.listParts('a', uploadId)).rejects.toThrow(MultipartNotFoundError);
    await expect(store.abortMultipart('a', uploadId)).rejects.toThrow(MultipartNotFoundError);
  }
});

it('names what the system refuses', async () => {
  const failing = (code: string) => onDisk(() => Promise.reject(Object.assign(new Error(code), { code })));
  await expect(failing('ENOSPC')).rejects.toThrow(StoreFullError);
  await expect(failing('EDQUOT')).rejects.toThrow(StoreFullError);
  await expect(failing('EIO')).rejects.toThrow(StoreUnavailableError);
  await expect(onDisk(() => Promise.reject(new TypeError('bug')))).rejects.toThrow(TypeError);
});

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return `http://127.0.0.1:${address && typeof address === 'object' ? address.port : 0}`;
}

describe('the handler of signed URLs', () => {
  const server = createServer((req, res) => void createSignedObjectHandler({ store, urls })(req, res));
  let publicOrigin = '';
  beforeAll(async () => {
    publicOrigin = await listen(server);
  });
  afterAll(() => void server.close().closeAllConnections());

  const signPut = (sizeBytes: number) =>
    store.presignPut('h/a', { expiresInSeconds: 60, sizeBytes, contentType, publicOrigin });

  it('answers refusals with the usual body', async () => {
    const response = await fetch(`${publicOrigin}/objects/h/a?expires=9999999999&signature=x`);
    expect(response.status).toBe(403);
    expect(response.headers.get('x-content-type-options')).toBe('nosniff');
    expect(await response.json()).toEqual({
      success: false,
      message: 'The request is not the one that the URL was signed for',
      error: {
        code: 'SignatureDoesNotMatch',
        details: null,
        httpStatusCode: 403,
        requestId: response.headers.get('x-request-id'),
      },
    });
    const deleted = await fetch(`${publicOrigin}/objects/h/a`, { method: 'DELETE' });
    expect([deleted.status, deleted.headers.get('allow')]).toEqual([405, 'GET, HEAD, PUT']);
  });

  it('tells of what it has stored before it answers', async () => {
    const stored: StoredByUrl[] = [];
    const told = createServer(
      (req, res) =>
        void createSignedObjectHandler({ store, urls }, { onStored: async (one) => stored.push(one) > 0 })(req, res),
    );
    const origin = await listen(told);
    const put = async (signed: { url: string; headers: object }) =>
      fetch(signed.url.replace(publicOrigin, origin), {
        method: 'PUT',
        body: 'hello',
        headers: { 'content-type': contentType },
      });
    expect((await put(await signPut(5))).status).toBe(200);
    expect(stored).toEqual([{ key: 'h/a', sha256: createHash('sha256').update('hello').digest('hex') }]);
    const { uploadId } = await store.createMultipart('h/a', { contentType });
    const part = { uploadId, partNumber: 1, sizeBytes: 5, expiresInSeconds: 60, publicOrigin };
    expect((await put(await store.presignPart('h/a', part))).status).toBe(200);
    expect((await put(await signPut(4))).status).toBe(403);
    expect(stored.slice(1)).toEqual([{ key: 'h/a', sha256: null }]);
    await store.discardTemporary(['h/a']);
    await store.deleteMany(['h/a']);
    told.close().closeAllConnections();
  });

  it('asks before it receives, and says when nobody waits any more', async () => {
    const asked: string[] = [];
    const gate = { mayStore: true, onStored: true };
    const hooks = {
      mayStore: async (key: string) => asked.push(key) > 0 && gate.mayStore,
      onStored: async () => gate.onStored,
    };
    const guarded = createServer((req, res) => void createSignedObjectHandler({ store, urls }, hooks)(req, res));
    const origin = await listen(guarded);
    const put = async () => {
      const { url } = await signPut(5);
      const headers = { 'content-type': contentType };
      return fetch(url.replace(publicOrigin, origin), { method: 'PUT', body: 'hello', headers });
    };
    gate.mayStore = false;
    const refused = await put();
    expect(refused.status).toBe(404);
    expect(await refused.json()).toMatchObject({ error: { code: 'NoSuchUpload' } });
    expect(await store.head('h/a')).toBeNull();
    gate.mayStore = true;
    gate.onStored = false;
    expect((await put()).status).toBe(404);
    gate.onStored = true;
    expect((await put()).status).toBe(200);
    expect(asked).toEqual(['h/a', 'h/a', 'h/a']);
    await store.discardTemporary(['h/a']);
    await store.deleteMany(['h/a']);
    guarded.close().closeAllConnections();
  });

  it.each([
    [503, new Error('Connection terminated unexpectedly'), '1'],
    [500, new Error('something else'), null],
  ])('answers %i when nobody could be told, and keeps the object', async (status, failure, retryAfter) => {
    const errors: unknown[] = [];
    const options = { onError: (error: unknown) => void errors.push(error), onStored: () => Promise.reject(failure) };
    const failing = createServer((req, res) => void createSignedObjectHandler({ store, urls }, options)(req, res));
    const origin = await listen(failing);
    const { url, headers } = await signPut(5);
    const response = await fetch(url.replace(publicOrigin, origin), {
      method: 'PUT',
      body: 'hello',
      headers: { 'content-type': headers['content-type'] ?? '' },
    });
    expect([response.status, response.headers.get('retry-after')]).toEqual([status, retryAfter]);
    expect(errors).toEqual([failure]);
    expect((await store.head('h/a'))?.sizeBytes).toBe(5);
    await store.deleteMany(['h/a']);
    failing.close().closeAllConnections();
  });

  it('answers HEAD and GET of an empty object, ranges and all', async () => {
    const { etag } = await store.put('h/empty', Buffer.alloc(0), { contentType });
    const options = { expiresInSeconds: 60, contentType: 'text/html', publicOrigin };
    const { url } = await store.presignGet('h/empty', options);
    for (const method of ['GET', 'HEAD']) {
      const response = await fetch(url, { method, headers: { range: 'bytes=0-' } });
      expect(response.status).toBe(200);
      expect(Object.fromEntries(response.headers)).toMatchObject({
        'content-length': '0',
        'content-type': 'text/html',
        'content-security-policy': "sandbox; default-src 'none'",
        etag: `"${etag}"`,
        'accept-ranges': 'bytes',
      });
    }
  });

  it('refuses a body without a length and cuts the connection of a sender who goes on', async () => {
    const signed = await signPut(5);
    const req = request(signed.url, { method: 'PUT', headers: { 'content-type': contentType } });
    const closed = new Promise((resolve) => req.once('close', resolve));
    const status = new Promise((resolve) => req.once('response', (res) => resolve(res.resume().statusCode)));
    let cut = false;
    req.on('error', () => {});
    req.once('close', () => {
      cut = true;
    });
    const block = Buffer.alloc(64 * 1024);
    const sendOn = (): void => {
      if (!cut) req.write(block, () => setImmediate(sendOn));
    };
    sendOn();
    expect(await status).toBe(403);
    await closed;
    expect(await store.head('h/a')).toBeNull();
  });

  it('keeps the connection of a sender whose small body was refused', async () => {
    const signed = await signPut(5);
    const response = await fetch(signed.url, {
      method: 'PUT',
      body: 'longer',
      headers: { 'content-type': contentType },
    });
    expect([response.status, response.headers.get('connection')]).toEqual([403, 'keep-alive']);
    await response.text();
  });

  it('finds the whole path where Express has taken the mount off', async () => {
    await store.put('h/mounted', Buffer.from('x'), { contentType });
    const options = { expiresInSeconds: 60, contentType, publicOrigin };
    const { url } = await store.presignGet('h/mounted', options);
    const mounted = createServer((req, res) => {
      const originalUrl = req.url;
      req.url = '/h/mounted';
      void createSignedObjectHandler({ store, urls })(Object.assign(req, { originalUrl }), res);
    });
    const response = await fetch(url.replace(publicOrigin, await listen(mounted)));
    expect(await response.text()).toBe('x');
    mounted.close().closeAllConnections();
  });
});
