import { request } from 'node:http';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type ClaimedKey, signUpAndGetKey } from '../support/client-accounts.ts';
import { ApiClient } from '../support/client-api.ts';
import {
  FORM_TYPE,
  openSocket,
  parseAnswer,
  partHead,
  pump,
  readAll,
  readAnswer,
  StreamedUpload,
  uploadHead,
  write,
} from '../support/client-raw.ts';
import { useService } from '../support/server-fixture.ts';

const MIB = 1024 * 1024;
const HUGE = 200 * MIB;
const block = new Uint8Array(MIB);
const service = useService();
let key: ClaimedKey;
beforeAll(async () => {
  key = await signUpAndGetKey(service, { bytes: MIB });
});

afterEach(async () => {
  await expect.poll(async () => (await key.client.usage()).usage).toMatchObject({ bytesUsed: 0, bytesReserved: 0 });
  expect(await service.place.temporaries()).toEqual([]);
});

describe('an upload of 200 MiB against a quota of 1 MiB', () => {
  test.each([
    ['with its length announced', false],
    ['chunked', true],
  ])('%s is refused while the client is still sending, and the client can read why', async (_what, chunked) => {
    const upload = new StreamedUpload(key.client, { fileName: 'huge.bin', sizeBytes: HUGE, chunked });
    const answer = await pump(upload, HUGE, block);
    expect(upload.sentBytes).toBeLessThan(HUGE / 2);
    expect(answer.outcome).toBe('413 QUOTA_EXCEEDED');
    expect(answer.error.details).toMatchObject({ limit: 'bytes', quota: MIB });
    expect(answer.headers.get('connection')).toBe('close');
    upload.hangUp();
  });

  test('lets a client that first sends all of it read the answer afterwards', async () => {
    const socket = await openSocket(service.baseUrl);
    await write(socket, uploadHead(key.client, 'huge.bin', { 'content-length': HUGE }));
    await write(socket, partHead({ name: 'file', fileName: 'huge.bin' }));
    for (let sent = 0; sent < HUGE; sent += block.length) expect(await write(socket, block)).toBe(true);
    expect(parseAnswer(await readAll(socket))?.outcome).toBe('413 QUOTA_EXCEEDED');
  });

  test('by fetch, which reads the answer only as it comes, is told the reason', async () => {
    const answer = await key.client.upload('huge.bin', new Uint8Array(64 * MIB));
    expect(answer.outcome).toBe('413 QUOTA_EXCEEDED');
  });

  test('that asks first (Expect: 100-continue) gets the reason too', async () => {
    const upload = new StreamedUpload(key.client, {
      fileName: 'huge.bin',
      sizeBytes: HUGE,
      headers: { expect: '100-continue' },
    });
    upload.request.flushHeaders();
    const told = await Promise.race([
      new Promise((resolve) => upload.request.once('continue', () => resolve('continue'))),
      upload.answer.then(({ outcome }) => outcome),
    ]);
    expect(['continue', '413 QUOTA_EXCEEDED']).toContain(told);
    expect((await pump(upload, HUGE, block)).outcome).toBe('413 QUOTA_EXCEEDED');
    expect(upload.sentBytes).toBeLessThan(HUGE / 2);
    upload.hangUp();
  });
});

describe('a client that asks first (Expect: 100-continue)', () => {
  test.each<[string, string, Record<string, string>, string]>([
    ['a wrong secret', '/storage/upload', { 'x-secret-key': 'wrong' }, '401 INVALID_CREDENTIALS'],
    ['a faulty query', '/storage/upload?conflict=perhaps', {}, '400 VALIDATION_FAILED'],
    ['an unknown path', '/storage/uploads', {}, '404 ROUTE_NOT_FOUND'],
    ['a wrong method', '/storage/usage', {}, '405 METHOD_NOT_ALLOWED'],
  ])('and has %s is refused before it has sent anything', async (_what, path, headers, outcome) => {
    let continued = false;
    const sent = request(`${service.baseUrl}/api${path}`, {
      method: 'POST',
      agent: false,
      headers: {
        ...key.client.credentials,
        ...headers,
        'content-type': FORM_TYPE,
        'content-length': HUGE,
        expect: '100-continue',
      },
    });
    sent.once('continue', () => {
      continued = true;
    });
    sent.flushHeaders();
    const answer = await readAnswer(sent);
    expect(answer.outcome).toBe(outcome);
    expect(continued).toBe(false);
    sent.destroy();
  });

  test('and may send is told to, and its file is taken', async () => {
    const upload = new StreamedUpload(key.client, {
      fileName: 'asked.bin',
      sizeBytes: 1000,
      headers: { expect: '100-continue' },
    });
    upload.request.flushHeaders();
    await new Promise((resolve) => upload.request.once('continue', resolve));
    await upload.send(block.subarray(0, 1000));
    expect((await upload.finish()).status).toBe(201);
    await key.client.delete('asked.bin');
  });
});

test('a refused client that goes on for ever is cut off within seconds', async () => {
  const socket = await openSocket(service.baseUrl);
  const nobody = new ApiClient(service.baseUrl);
  socket.write(uploadHead(nobody, 'endless.bin', { 'transfer-encoding': 'chunked' }));
  const chunk = `400\r\n${'x'.repeat(1024)}\r\n`;
  const timer = setInterval(() => socket.write(chunk), 20);
  const startedAt = performance.now();
  try {
    expect(await readAll(socket, 20_000)).toMatch(/^HTTP\/1\.1 401 /);
  } finally {
    clearInterval(timer);
  }
  expect(performance.now() - startedAt).toBeLessThan(15_000);
});
