import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type ClaimedKey, signUpAndGetKey } from '../support/client-accounts.ts';
import type { Answer } from '../support/client-api.ts';
import { eventually } from '../support/client-eventually.ts';
import {
  BOUNDARY,
  FORM_END,
  FORM_TYPE,
  type FormPart,
  formOf,
  openSocket,
  parseAnswer,
  partHead,
  readAll,
  StreamedUpload,
  uploadHead,
} from '../support/client-raw.ts';
import { expectClean, readBooks } from '../support/server-aftermath.ts';
import { useService } from '../support/server-fixture.ts';

const MIB = 1024 * 1024;
const service = useService();
let key: ClaimedKey;
beforeAll(async () => {
  key = await signUpAndGetKey(service, { bytes: 100 * MIB });
  await key.client.upload('there before.txt', 'stays');
});

/** What every kind of bad input has in common: nothing lost, nothing held, nothing half-written. */
afterEach(async () => {
  const { usage } = await eventually('no reservation is left within seconds', async () => {
    const now = await key.client.usage();
    return now.usage.bytesReserved === 0 && now;
  });
  expect(usage).toMatchObject({ bytesUsed: 5, objects: 1 });
  const { reservedObjects, uploads } = await readBooks(service.place, key);
  expect({ reservedObjects, uploads }).toEqual({ reservedObjects: 0, uploads: 0 });
  expect(await service.place.temporaries()).toEqual([]);
});

/** The objects of failed uploads are removed by a job of every 10 seconds: looked at once, after all of them. */
afterAll(async () => {
  expect(await expectClean(service.place, key)).toMatchObject({ files: 1, usedBytes: 5 });
  expect((await key.client.bytes('there before.txt')).toString()).toBe('stays');
});

function send(body: RequestInit['body'], { type = FORM_TYPE, fileName }: { type?: string; fileName?: string } = {}) {
  return key.client.request('POST', '/storage/upload', {
    body,
    query: { fileName },
    headers: { 'content-type': type },
  });
}

function expectFault(answer: Answer<unknown>, path: string): void {
  expect(answer.outcome).toBe('400 VALIDATION_FAILED');
  expect(answer.error).toMatchObject({ httpStatusCode: 400, requestId: answer.headers.get('x-request-id') });
  expect(answer.error.details).toEqual([{ path, message: expect.stringMatching(/\w{2}/) }]);
}

const FILE: FormPart = { name: 'file', fileName: 'a.txt', type: 'text/plain', content: 'content' };

describe('a form', () => {
  test.each<[string, string, FormPart[]]>([
    ['with no part at all', 'file', []],
    ['with only a text field', 'body', [{ name: 'tags', content: 'a' }]],
    ['with the file in another field', 'upload', [{ ...FILE, name: 'upload' }]],
    ['with two files', 'file', [FILE, { ...FILE, fileName: 'b.txt' }]],
    ['with two files in two fields', 'file', [FILE, { ...FILE, name: 'file2' }]],
    ['with a field before the file', 'body', [{ name: 'note', content: 'x' }, FILE]],
    ['with a field behind the file', 'body', [FILE, { name: 'note', content: 'x' }]],
    ['whose part has no file name', 'body', [{ name: 'file', content: 'x' }]],
  ])('%s is refused by the name of %s', async (_what, path, parts) => {
    expectFault(await send(formOf(parts)), path);
  });

  test.each([1, 100_000, 3 * MIB])(
    'with a field behind a file of %i bytes leaves nothing of the file',
    async (size) => {
      expectFault(
        await send(
          formOf([
            { ...FILE, content: randomBytes(size) },
            { name: 'late', content: 'x' },
          ]),
        ),
        'body',
      );
    },
  );

  test.each([
    ['cut before its end', formOf([FILE]).subarray(0, -FORM_END.length)],
    ['cut in the head of its part', Buffer.from(`--${BOUNDARY}\r\nContent-Dispo`)],
    ['with another delimiter than announced', Buffer.from(formOf([FILE]).toString().replaceAll(BOUNDARY, 'other'))],
    ['that is none', Buffer.from('just some text')],
    ['whose part has no head', Buffer.from(`--${BOUNDARY}\r\n\r\nx${FORM_END.toString()}`)],
    ['whose part has a control character in its head', formOf([{ ...FILE, fileName: 'a\u0007b' }])],
    ['of nothing', Buffer.alloc(0)],
  ])('%s is refused', async (_what, body) => {
    const answer = await send(new Uint8Array(body));
    expect(answer.outcome).toBe('400 VALIDATION_FAILED');
  });

  test.each([
    'multipart/form-data',
    'multipart/form-data; boundary=',
    'multipart/mixed; boundary=x',
    'application/json',
    'text/plain',
  ])('sent as %s is refused', async (type) => {
    expect((await send(formOf([FILE]), { type })).outcome).toBe('400 VALIDATION_FAILED');
  });

  test('without any body is refused', async () => {
    expectFault(await key.client.request('POST', '/storage/upload'), 'file');
  });
});

describe('a file name', () => {
  const bad: [string, string][] = [
    ['..', 'a segment ..'],
    ['../up.txt', 'a way up'],
    ['a/../../b.txt', 'a way up in the middle'],
    ['a/./b', 'a segment .'],
    ['/rooted', 'a leading /'],
    ['folder/', 'a trailing /'],
    ['a//b', 'an empty segment'],
    ['nul\0.txt', 'NUL'],
    ['line\nend', 'a line end'],
    ['bell\u0007', 'a control character'],
    ['del\u007f', 'DEL'],
    ['c1\u0085', 'a C1 control character'],
    ['x'.repeat(1025), '1025 bytes'],
    ['ü'.repeat(513), '1026 bytes in 513 characters'],
    ['', 'nothing in it'],
  ];
  test.each(bad.map(([name, what]) => [what, name]))('with %s is refused', async (_what, fileName) => {
    expectFault(await send(formOf([FILE]), { fileName }), 'fileName');
  });

  test.each([
    ['a way up', '../../etc/passwd'],
    ['only dots', '..'],
    ['a control character', 'a\u0085b'],
    ['1025 bytes', 'x'.repeat(1025)],
  ])('in the form is held to the same: %s', async (_what, fileName) => {
    expectFault(await send(formOf([{ ...FILE, fileName }])), 'fileName');
  });

  test('that is no UTF-8 is refused', async () => {
    const socket = await openSocket(service.baseUrl);
    const body = formOf([FILE]);
    const head = uploadHead(key.client, 'NAME', { 'content-length': body.length, connection: 'close' });
    socket.write(head.replace('NAME', 'a%ff%feb'));
    socket.write(body);
    const answer = parseAnswer(await readAll(socket));
    expect(answer?.outcome).toBe('400 VALIDATION_FAILED');
  });

  test('of 1024 bytes is good', async () => {
    const name = 'x'.repeat(1024);
    expect((await send(formOf([FILE]), { fileName: name })).status).toBe(201);
    expect((await key.client.delete(name)).status).toBe(200);
  });

  test('is told together with every other faulty parameter', async () => {
    const answer = await key.client.request('POST', '/storage/upload', {
      query: { fileName: '../x', conflict: 'perhaps', tags: 'x'.repeat(129) },
      body: formOf([FILE]),
      headers: { 'content-type': FORM_TYPE },
    });
    expect(answer.outcome).toBe('400 VALIDATION_FAILED');
    const paths = (answer.error.details as { path: string }[]).map(({ path }) => path.split('.')[0]);
    expect(paths.sort()).toEqual(['conflict', 'fileName', 'tags']);
  });
});

describe('a body that lies about its length', () => {
  test.each([10, 100_000, 2 * MIB])('by announcing more than its %i bytes and ending is told so', async (size) => {
    const socket = await openSocket(service.baseUrl);
    const body = formOf([{ ...FILE, content: randomBytes(size) }]);
    socket.write(uploadHead(key.client, 'short.bin', { 'content-length': body.length + 5000 }));
    socket.write(body.subarray(0, body.length - FORM_END.length));
    socket.end();
    const answer = parseAnswer(await readAll(socket));
    expect(answer?.outcome).toBe('400 VALIDATION_FAILED');
    expect((await key.client.metadata('short.bin')).outcome).toBe('404 FILE_NOT_FOUND');
  });

  test('by a whole form and a longer Content-Length is not taken in', async () => {
    const socket = await openSocket(service.baseUrl);
    const body = formOf([FILE]);
    socket.write(uploadHead(key.client, 'whole.bin', { 'content-length': body.length + 100 }));
    socket.end(body);
    expect(parseAnswer(await readAll(socket))?.outcome).toBe('400 VALIDATION_FAILED');
    expect((await key.client.metadata('whole.bin')).outcome).toBe('404 FILE_NOT_FOUND');
  });

  test('by announcing less than it sends is cut where it said', async () => {
    const socket = await openSocket(service.baseUrl);
    const body = formOf([{ ...FILE, content: 'x'.repeat(1000) }]);
    socket.write(uploadHead(key.client, 'long.bin', { 'content-length': body.length - 500, connection: 'close' }));
    socket.write(body);
    const answer = parseAnswer(await readAll(socket));
    expect(answer?.outcome).toBe('400 VALIDATION_FAILED');
  });

  test('by two lengths at once is no request', async () => {
    const socket = await openSocket(service.baseUrl);
    const body = formOf([FILE]);
    const head = uploadHead(key.client, 'two.bin', { 'content-length': body.length, 'transfer-encoding': 'chunked' });
    socket.write(head);
    socket.end(body);
    expect(parseAnswer(await readAll(socket))?.outcome).toBe('400 VALIDATION_FAILED');
  });

  test('by broken chunks is no request', async () => {
    const socket = await openSocket(service.baseUrl);
    socket.write(uploadHead(key.client, 'chunks.bin', { 'transfer-encoding': 'chunked' }));
    const head = partHead(FILE);
    socket.write(`${head.length.toString(16)}\r\n${head.toString()}\r\n`);
    socket.end('nonsense\r\n');
    expect(parseAnswer(await readAll(socket))?.outcome).toBe('400 VALIDATION_FAILED');
  });
});

describe('a client that hangs up', () => {
  test.each([0, 1000, 100_000, 5 * MIB])('after %i bytes of its file leaves nothing', async (size) => {
    const upload = new StreamedUpload(key.client, { fileName: 'cut.bin', sizeBytes: 10 * MIB });
    for (let sent = 0; sent < size; sent = upload.sentBytes) {
      await upload.send(randomBytes(Math.min(MIB, size - sent)));
    }
    if (size >= 100_000) {
      await eventually('the upload holds room', async () => (await key.client.usage()).usage.bytesReserved > 0);
    }
    upload.hangUp();
    expect(await outcomeOf(upload)).toBe('no answer');
  });

  test('in a chunked upload, with a reset, leaves nothing', async () => {
    const upload = new StreamedUpload(key.client, { fileName: 'reset.bin', sizeBytes: 0, chunked: true });
    for (let i = 0; i < 3; i += 1) await upload.send(randomBytes(MIB));
    await eventually('the upload holds room', async () => (await key.client.usage()).usage.bytesReserved > 0);
    upload.request.socket?.resetAndDestroy();
    expect(await outcomeOf(upload)).toBe('no answer');
  });

  test('many at once leave nothing', async () => {
    const uploads = Array.from(
      { length: 40 },
      (_, i) => new StreamedUpload(key.client, { fileName: `cut/${i}`, sizeBytes: 2 * MIB, chunked: i % 2 === 0 }),
    );
    await Promise.all(uploads.map((upload, i) => upload.send(randomBytes(50_000 * (1 + (i % 30))))));
    await eventually('some hold room', async () => (await key.client.usage()).usage.bytesReserved > 0);
    for (const upload of uploads) upload.hangUp();
    const outcomes = await Promise.all(uploads.map(outcomeOf));
    expect(new Set(outcomes)).toEqual(new Set(['no answer']));
  });

  test('while it downloads leaves the service well', async () => {
    await key.client.upload('large.bin', randomBytes(20 * MIB));
    const reader = (await key.client.content('large.bin')).body?.getReader();
    expect((await reader?.read())?.value?.length).toBeGreaterThan(0);
    await reader?.cancel();
    await key.client.delete('large.bin');
    expect((await fetch(`${service.baseUrl}/readyz`)).status).toBe(200);
  });
});

function outcomeOf({ answer }: StreamedUpload): Promise<string> {
  return answer.then(
    ({ outcome }) => outcome,
    () => 'no answer',
  );
}
