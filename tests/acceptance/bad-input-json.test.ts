import { beforeAll, describe, expect, test } from 'vitest';
import { type Account, loginAdmin, requestKey, signUp } from '../support/client-accounts.ts';
import { type Answer, ApiClient } from '../support/client-api.ts';
import { openSocket, parseAnswer, readAll } from '../support/client-raw.ts';
import { useService } from '../support/server-fixture.ts';

const service = useService();
let ada: Account;
beforeAll(async () => {
  ada = await signUp(service);
});

const REGISTRATION = { email: 'someone@example.com', password: 'long enough' };
const WISH = { keyName: 'key', requestedStorageGB: 1, requestedObjects: 10, reason: 'a good reason' };

function pathsOf(answer: Answer<unknown>): string[] {
  expect(answer.outcome).toBe('400 VALIDATION_FAILED');
  return (answer.error.details as { path: string; message: string }[]).map(({ path, message }) => {
    expect(message).toMatch(/\w{2}/);
    return path;
  });
}

describe('registering', () => {
  test.each<[string, unknown, string[]]>([
    ['nothing', {}, ['email', 'password']],
    ['no password', { email: REGISTRATION.email }, ['password']],
    ['an e-mail address that is none', { ...REGISTRATION, email: 'nobody' }, ['email']],
    ['a number for a password', { ...REGISTRATION, password: 12_345_678 }, ['password']],
    ['a short password', { ...REGISTRATION, password: 'seven77' }, ['password']],
    ['a password of 73 bytes', { ...REGISTRATION, password: `${'ü'.repeat(36)}x` }, ['password']],
    ['a password with NUL', { ...REGISTRATION, password: 'nul\0nul\0nul' }, ['password']],
    ['a further field', { ...REGISTRATION, role: 'ADMIN' }, ['role']],
    ['two further fields', { ...REGISTRATION, a: 1, b: 2 }, ['a', 'b']],
    ['null for a name', { ...REGISTRATION, name: null }, ['name']],
    ['a name with a line end', { ...REGISTRATION, name: 'a\r\nBcc: b' }, ['name']],
    ['a list', [REGISTRATION], ['']],
    ['text', 'text', ['']],
    ['null', null, ['']],
  ])('with %s is refused by the names of the faulty fields', async (_what, body, paths) => {
    const answer = await new ApiClient(service.baseUrl).post('/auth/register', body);
    const found = pathsOf(answer).sort();
    if (typeof body === 'object' && body !== null && !Array.isArray(body)) expect(found).toEqual(paths);
  });

  test('with 72 bytes of password is fine, and only those 72 log in', async () => {
    const anyone = new ApiClient(service.baseUrl);
    const login = { email: 'long@example.com', password: 'ü'.repeat(36) };
    expect((await anyone.post('/auth/register', login)).status).toBe(201);
    expect((await anyone.post('/auth/login', login)).status).toBe(200);
    const longer = await anyone.post('/auth/login', { ...login, password: `${login.password}x` });
    expect(longer.outcome).toBe('401 INVALID_CREDENTIALS');
  });

  test('an address twice, in whatever case, is a conflict', async () => {
    const answer = await new ApiClient(service.baseUrl).post('/auth/register', {
      ...REGISTRATION,
      email: ada.email.toUpperCase(),
    });
    expect(answer.outcome).toBe('409 EMAIL_TAKEN');
  });
});

describe('asking for a key', () => {
  test.each<[string, unknown, string[]]>([
    ['nothing', {}, ['keyName', 'reason', 'requestedObjects', 'requestedStorageGB']],
    ['0 GB', { ...WISH, requestedStorageGB: 0 }, ['requestedStorageGB']],
    ['1001 GB', { ...WISH, requestedStorageGB: 1001 }, ['requestedStorageGB']],
    ['GB as text', { ...WISH, requestedStorageGB: '5' }, ['requestedStorageGB']],
    ['half an object', { ...WISH, requestedObjects: 1.5 }, ['requestedObjects']],
    ['no objects', { ...WISH, requestedObjects: 0 }, ['requestedObjects']],
    ['a million and one objects', { ...WISH, requestedObjects: 1_000_001 }, ['requestedObjects']],
    ['a short reason', { ...WISH, reason: 'short' }, ['reason']],
    ['an endless reason', { ...WISH, reason: 'x'.repeat(501) }, ['reason']],
    ['an unknown permission', { ...WISH, permissions: ['read', 'admin'] }, ['permissions.1']],
    ['an end that is no time', { ...WISH, expiresAt: 'tomorrow' }, ['expiresAt']],
    ['a further field', { ...WISH, approved: true }, ['approved']],
  ])('with %s is refused by the names of the faulty fields', async (_what, body, paths) => {
    expect(pathsOf(await ada.client.post('/apiKeys/request/create', body)).sort()).toEqual(paths);
  });

  test('with a review that is none changes nothing', async () => {
    const request = await requestKey(ada);
    const admin = await loginAdmin(service);
    const path = `/apiKeys/request/admin/review/${request.id}`;
    for (const json of [
      {},
      { approved: 'yes' },
      { approved: true, grantedStorageGB: -1 },
      { approved: false, grantedObjects: 5 },
    ]) {
      expect(pathsOf(await admin.request('PATCH', path, { json }))).not.toEqual([]);
    }
    const unknown = await admin.request('PATCH', '/apiKeys/request/admin/review/no-id', { json: { approved: true } });
    expect(unknown.outcome).toBe('404 REQUEST_NOT_FOUND');
    const seen = await ada.client.get<{ request: { status: string } }>(`/apiKeys/request/${request.id}`);
    expect(seen.data.request.status).toBe('PENDING');
  });
});

describe('a body', () => {
  const send = (body: RequestInit['body'], headers: Record<string, string> = {}) =>
    ada.client.request('POST', '/apiKeys/request/create', {
      body,
      headers: { 'content-type': 'application/json', ...headers },
    });

  test.each(['{', '{"keyName": }', '{"keyName": "a",}', "{'a': 1}", '\0', '{"a":1}{"b":2}', '"\\ud800'])(
    'of broken JSON (%j) is told so',
    async (text) => {
      expect(pathsOf(await send(text))).toEqual(['body']);
    },
  );

  test('of another type than JSON is not read as one', async () => {
    const json = JSON.stringify(WISH);
    expect(pathsOf(await send(json, { 'content-type': 'text/plain' }))).not.toEqual([]);
    expect(pathsOf(await send(json, { 'content-type': 'application/json; charset=nonsense' }))).toEqual(['body']);
    expect(pathsOf(await send(json, { 'content-encoding': 'nonsense' }))).toEqual(['body']);
  });

  test('of more than 100 KiB is refused, announced or not', async () => {
    const large = JSON.stringify({ ...WISH, reason: 'x'.repeat(200_000) });
    expect((await send(large)).outcome).toBe('413 BODY_TOO_LARGE');
    expect((await send(new Blob([large]).stream())).outcome).toBe('413 BODY_TOO_LARGE');
  });

  test('that would poison prototypes is only a further field', async () => {
    const text = `{"__proto__": {"admin": true}, ${JSON.stringify(WISH).slice(1)}`;
    const answer = await send(text);
    expect([201, 400]).toContain(answer.status);
    expect(({} as Record<string, unknown>)['admin']).toBeUndefined();
  });

  test('shorter than announced is told so', async () => {
    const socket = await openSocket(service.baseUrl);
    const { authorization = '' } = ada.client.credentials;
    socket.write(
      `POST /api/apiKeys/request/create HTTP/1.1\r\nhost: x\r\nauthorization: ${authorization}\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n`,
    );
    socket.end('{"keyName": "cut');
    const answer = parseAnswer(await readAll(socket));
    expect(answer?.outcome).toBe('400 VALIDATION_FAILED');
  });
});

describe('what is no HTTP', () => {
  test.each([
    ['nonsense', 'nonsense\r\n\r\n'],
    ['a header without a colon', 'GET /health HTTP/1.1\r\nhost: x\r\nnonsense\r\n\r\n'],
    ['20 KB of headers', `GET /health HTTP/1.1\r\nhost: x\r\nx-long: ${'x'.repeat(20_000)}\r\n\r\n`],
  ])('%s is answered in the API’s form', async (_what, text) => {
    const socket = await openSocket(service.baseUrl);
    socket.end(text);
    const answer = parseAnswer(await readAll(socket));
    expect(answer?.status).toBeGreaterThanOrEqual(400);
    expect(answer?.error).toMatchObject({ code: expect.any(String), httpStatusCode: answer?.status });
    expect(answer?.headers.get('x-request-id')).toBeTruthy();
  });

  test('does not disturb the service', async () => {
    expect((await fetch(`${service.baseUrl}/health`)).status).toBe(200);
  });
});
