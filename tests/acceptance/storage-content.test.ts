import { createHash, randomBytes } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import { type ClaimedKey, signUpAndGetKey } from '../support/client-accounts.ts';
import { Answer, type FileView } from '../support/client-api.ts';
import { HEADS } from '../support/content-heads.ts';
import { useService } from '../support/server-fixture.ts';

const service = useService();
const content = randomBytes(300_000);
let key: ClaimedKey;
let file: FileView;
let etag: string;

beforeAll(async () => {
  key = await signUpAndGetKey(service);
  file = (await key.client.upload('file.bin', content)).data.file;
  etag = (await key.client.content('file.bin', {}, 'HEAD')).headers.get('etag') ?? '';
});

async function bytesOf(response: Response): Promise<Buffer> {
  return Buffer.from(await response.arrayBuffer());
}

describe('content', () => {
  test('comes whole, with its type, length and validators', async () => {
    const response = await key.client.content('file.bin');
    expect(response.status).toBe(200);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'accept-ranges': 'bytes',
      'content-length': '300000',
      'content-type': 'application/octet-stream',
      etag: `"${file.etag}"`,
      'last-modified': new Date(file.lastModified).toUTCString(),
      'x-content-type-options': 'nosniff',
    });
    expect(response.headers.get('content-disposition')).toBe('attachment; filename=file.bin');
    expect((await bytesOf(response)).equals(content)).toBe(true);
  });

  test.each([
    ['bytes=0-0', 0, 0],
    ['bytes=0-99', 0, 99],
    ['bytes=100000-199999', 100_000, 199_999],
    ['bytes=299999-', 299_999, 299_999],
    ['bytes=-1', 299_999, 299_999],
    ['bytes=-400000', 0, 299_999],
    ['bytes=299000-999999999', 299_000, 299_999],
    ['BYTES=5-9', 5, 9],
  ])('in the range %s is 206 with exactly those bytes', async (range, start, end) => {
    const response = await key.client.content('file.bin', { range });
    expect(response.status).toBe(206);
    expect(response.headers.get('content-range')).toBe(`bytes ${start}-${end}/300000`);
    expect(response.headers.get('content-length')).toBe(String(end - start + 1));
    expect((await bytesOf(response)).equals(content.subarray(start, end + 1))).toBe(true);
  });

  test.each(['bytes=300000-', 'bytes=300000-300001', 'bytes=-0'])('in the range %s is 416', async (range) => {
    const response = await key.client.content('file.bin', { range });
    expect(response.headers.get('content-range')).toBe('bytes */300000');
    const answer = new Answer(response.status, response.headers, await response.text());
    expect(answer.outcome).toBe('416 RANGE_NOT_SATISFIABLE');
  });

  test.each(['bytes=a-b', 'lines=1-2', 'bytes=0-1,5-6', 'bytes'])(
    'in the range %s, which means nothing here, comes whole',
    async (range) => {
      const response = await key.client.content('file.bin', { range });
      expect(response.status).toBe(200);
      expect((await bytesOf(response)).length).toBe(300_000);
    },
  );

  test('goes on with If-Range only where it is still the same', async () => {
    const range = 'bytes=0-9';
    const status = async (ifRange: string) => {
      const response = await key.client.content('file.bin', { range, 'if-range': ifRange });
      await response.arrayBuffer();
      return response.status;
    };
    expect(await status(etag)).toBe(206);
    expect(await status('"another"')).toBe(200);
    expect(await status(`W/${etag}`)).toBe(200);
    // A date could be that of two contents.
    expect(await status(new Date(file.lastModified).toUTCString())).toBe(200);
    expect(await status(new Date(0).toUTCString())).toBe(200);
  });

  test('is not sent again to who has it', async () => {
    for (const headers of [
      { 'if-none-match': etag },
      { 'if-none-match': `"other", W/${etag}` },
      { 'if-none-match': '*' },
      { 'if-modified-since': new Date(file.lastModified).toUTCString() },
    ]) {
      const response = await key.client.content('file.bin', headers);
      expect(response.status).toBe(304);
      expect(response.headers.get('etag')).toBe(etag);
      expect((await bytesOf(response)).length).toBe(0);
    }
    const changed = await key.client.content('file.bin', { 'if-none-match': '"other"' });
    expect(changed.status).toBe(200);
    await changed.arrayBuffer();
  });

  test('is refused with 412 where If-Match or If-Unmodified-Since does not hold', async () => {
    for (const headers of [{ 'if-match': '"other"' }, { 'if-unmodified-since': new Date(0).toUTCString() }]) {
      const response = await key.client.content('file.bin', headers);
      const answer = new Answer(response.status, response.headers, await response.text());
      expect(answer.outcome).toBe('412 PRECONDITION_FAILED');
    }
    const holds = await key.client.content('file.bin', { 'if-match': etag });
    expect(holds.status).toBe(200);
    await holds.arrayBuffer();
  });

  test('answers HEAD with the same headers and no body', async () => {
    const head = await key.client.content('file.bin', {}, 'HEAD');
    const get = await key.client.content('file.bin');
    await get.arrayBuffer();
    // fetch closes the connection after a HEAD, which shows in the answer.
    const apart = ['date', 'x-request-id', 'connection', 'keep-alive'];
    const kept = (response: Response) =>
      Object.fromEntries([...response.headers].filter(([name]) => !apart.includes(name)));
    expect(head.status).toBe(200);
    expect(kept(head)).toEqual(kept(get));
    expect((await bytesOf(head)).length).toBe(0);
    expect((await key.client.content('none.bin', {}, 'HEAD')).status).toBe(404);
  });

  test('of no bytes is 200 with or without a range', async () => {
    await key.client.upload('empty.bin', '');
    for (const headers of [{}, { range: 'bytes=0-9' }] as Record<string, string>[]) {
      const response = await key.client.content('empty.bin', headers);
      expect(response.status).toBe(200);
      expect(response.headers.get('content-length')).toBe('0');
      expect((await bytesOf(response)).length).toBe(0);
    }
  });

  test('that a browser would run is never shown in this origin', async () => {
    for (const [name, type] of [
      ['page.html', 'text/html'],
      ['vector.svg', 'image/svg+xml'],
    ] as const) {
      await key.client.upload(name, '<script>alert(1)</script>', { type });
      const link = await key.client.link(name, { disposition: 'inline' });
      for (const response of [await key.client.content(name), await fetch(link.data.downloadUrl)]) {
        expect(response.headers.get('content-disposition')).toMatch(/^attachment/);
        expect(response.headers.get('content-security-policy')).toContain('sandbox');
        expect(response.headers.get('x-content-type-options')).toBe('nosniff');
        await response.arrayBuffer();
      }
    }
  });

  test('is whole, old or new, while it is replaced again and again', async () => {
    const versions = [randomBytes(2_000_000), randomBytes(1_000_000)];
    const hashes = new Set(versions.map((bytes) => createHash('sha256').update(bytes).digest('hex')));
    await key.client.upload('hot.bin', versions[0] ?? content);
    let replacing = true;
    const writer = (async () => {
      for (let i = 0; i < 12; i += 1)
        expect((await key.client.upload('hot.bin', versions[i % 2] ?? content)).status).toBe(201);
      replacing = false;
    })();
    let reads = 0;
    for (; replacing; reads += 1) {
      const bytes = await key.client.bytes('hot.bin');
      expect(hashes).toContain(createHash('sha256').update(bytes).digest('hex'));
    }
    await writer;
    expect(reads).toBeGreaterThan(3);
  });
});

describe('a download link', () => {
  test('needs no credentials, knows ranges, and names the file', async () => {
    await key.client.upload('folder/naïve "file".txt', 'hello', { type: 'text/plain' });
    const { data } = await key.client.link('folder/naïve "file".txt');
    expect(data).toMatchObject({ fileName: 'folder/naïve "file".txt', expiresIn: 3600 });
    expect(new URL(data.downloadUrl).origin).toBe(service.baseUrl);
    const response = await fetch(data.downloadUrl);
    expect(response.headers.get('content-type')).toBe('text/plain');
    expect(response.headers.get('content-disposition')).toBe(
      `attachment; filename="na?ve \\"file\\".txt"; filename*=UTF-8''na%C3%AFve%20%22file%22.txt`,
    );
    expect(await response.text()).toBe('hello');
    const part = await fetch(data.downloadUrl, { headers: { range: 'bytes=1-2' } });
    expect([part.status, await part.text()]).toEqual([206, 'el']);
    const head = await fetch(data.downloadUrl, { method: 'HEAD' });
    expect([head.status, head.headers.get('content-length')]).toEqual([200, '5']);
  });

  test('is an attachment unless inline was asked for', async () => {
    await key.client.upload('shown.png', HEADS.png, { type: 'image/png' });
    const disposition = async (query: Record<string, string>) => {
      const response = await fetch((await key.client.link('shown.png', query)).data.downloadUrl);
      await response.arrayBuffer();
      return response.headers.get('content-disposition');
    };
    expect(await disposition({})).toMatch(/^attachment/);
    expect(await disposition({ disposition: 'attachment' })).toMatch(/^attachment/);
    expect(await disposition({ disposition: 'inline' })).toMatch(/^inline/);
  });

  test('lives from 60 seconds to 7 days', async () => {
    for (const expiresIn of [60, 604_800]) {
      expect((await key.client.link('file.bin', { expiresIn })).data.expiresIn).toBe(expiresIn);
    }
    for (const expiresIn of [59, 604_801, 0, -60, 90.5, 'long']) {
      const answer = await key.client.link('file.bin', { expiresIn });
      expect(answer.outcome).toBe('400 VALIDATION_FAILED');
      expect(answer.error.details).toEqual([{ path: 'expiresIn', message: expect.any(String) }]);
    }
    expect((await key.client.link('file.bin', { disposition: 'loud' })).outcome).toBe('400 VALIDATION_FAILED');
  });

  test('that somebody changed is refused, whatever was changed', async () => {
    await key.client.upload('secret.bin', 'secret');
    const mine = new URL((await key.client.link('file.bin')).data.downloadUrl);
    const other = new URL((await key.client.link('secret.bin')).data.downloadUrl);
    const changed: [string, (url: URL) => void][] = [
      ['another object', (url) => (url.pathname = other.pathname)],
      ['no signature', (url) => url.searchParams.delete('signature')],
      ['an empty signature', (url) => url.searchParams.set('signature', '')],
      ['a later expiry', (url) => url.searchParams.set('expires', String(Number(url.searchParams.get('expires')) + 1))],
      ['another type', (url) => url.searchParams.set('type', 'text/html')],
      ['another disposition', (url) => url.searchParams.set('disposition', 'inline')],
      ['a further parameter', (url) => url.searchParams.set('x', '1')],
      ['a traversal', (url) => (url.pathname = `${url.pathname}/%2e%2e/%2e%2e`)],
    ];
    for (const [what, change] of changed) {
      const url = new URL(mine);
      change(url);
      const response = await fetch(url);
      const answer = new Answer(response.status, response.headers, await response.text());
      expect([what, answer.status]).toEqual([what, 403]);
      expect(answer.text).not.toContain('secret');
    }
    expect((await fetch(mine, { method: 'PUT', body: 'overwritten' })).status).toBe(403);
    expect((await key.client.bytes('file.bin')).equals(content)).toBe(true);
  });

  test('ends with its file', async () => {
    await key.client.upload('going.txt', 'going');
    const { downloadUrl } = (await key.client.link('going.txt')).data;
    await key.client.delete('going.txt');
    await expect.poll(async () => (await fetch(downloadUrl)).status, { timeout: 30_000, interval: 100 }).toBe(404);
  });

  test('to nothing is not given', async () => {
    expect((await key.client.link('none.txt')).outcome).toBe('404 FILE_NOT_FOUND');
    expect((await key.client.link('../../etc/passwd')).outcome).toBe('404 FILE_NOT_FOUND');
    expect((await key.client.link('nul\0.txt')).outcome).toBe('404 FILE_NOT_FOUND');
  });
});
