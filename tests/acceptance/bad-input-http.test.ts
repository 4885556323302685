import { randomBytes } from 'node:crypto';
import { request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { beforeAll, describe, expect, test } from 'vitest';
import { type ClaimedKey, signUpAndGetKey } from '../support/client-accounts.ts';
import { ApiClient } from '../support/client-api.ts';
import { openSocket, parseAnswer, readAll, readAnswer } from '../support/client-raw.ts';
import { useService } from '../support/server-fixture.ts';

const service = useService();
let key: ClaimedKey;
beforeAll(async () => {
  key = await signUpAndGetKey(service);
  await key.client.upload('a.txt', 'a');
});

async function sendRaw(text: string, baseUrl = service.baseUrl) {
  const socket = await openSocket(baseUrl);
  socket.write(text);
  const answer = parseAnswer(await readAll(socket));
  if (!answer) throw new Error('no answer');
  return answer;
}

describe('a request for a link', () => {
  const linkBy = (host: string) =>
    readAnswer(
      request(`${service.baseUrl}/api/storage/files/a.txt`, {
        agent: false,
        headers: { ...key.client.credentials, host },
      }).end(),
    );

  test.each(['a b', '[', 'x@y:z', 'x@y', 'evil.com/x?', 'a#b', 'a:b', 'a:99999', '[::g]', '1.2.3.999', 'a\\b'])(
    'by the host %j is refused',
    async (host) => {
      const answer = await linkBy(host);
      expect(answer.outcome).toBe('400 VALIDATION_FAILED');
      expect(answer.error.details).toEqual([{ path: 'host', message: expect.any(String) }]);
    },
  );

  test.each(['example.com', 'my_host:8080', '127.0.0.1:3000', '[::1]:3000', 'xn--bcher-kva.example'])(
    'by the host %j points there',
    async (host) => {
      const { data } = await linkBy(host);
      expect((data as { downloadUrl: string }).downloadUrl).toMatch(`http://${host}/`);
    },
  );
});

test('a request for a link by no host at all is refused', async () => {
  const credentials = Object.entries(key.client.credentials).map(([name, value]) => `${name}: ${value}\r\n`);
  const answer = await sendRaw(
    `GET /api/storage/files/a.txt HTTP/1.1\r\nhost:\r\n${credentials.join('')}connection: close\r\n\r\n`,
  );
  expect(answer.outcome).toBe('400 VALIDATION_FAILED');
});

describe('what HTTP/1.1 forbids or we can’t meet', () => {
  test.each([
    ['no Host', 'GET /health HTTP/1.1\r\nconnection: close\r\n\r\n', 'host'],
    ['another expectation', 'GET /health HTTP/1.1\r\nhost: x\r\nexpect: foo\r\nconnection: close\r\n\r\n', 'expect'],
  ])('%s is refused in the API’s form', async (_what, text, path) => {
    const answer = await sendRaw(text);
    expect(answer.outcome).toBe('400 VALIDATION_FAILED');
    expect(answer.error.details).toEqual([{ path, message: expect.any(String) }]);
    expect(answer.error).toMatchObject({ requestId: answer.headers.get('x-request-id') });
  });

  test('HTTP/1.0 needs no Host', async () => {
    expect((await sendRaw('GET /health HTTP/1.0\r\n\r\n')).status).toBe(200);
  });
});

describe('a JSON body', () => {
  const login = (body: string, headers: Record<string, string>) =>
    new ApiClient(service.baseUrl).request('POST', '/auth/login', { body, headers });

  test.each(['gzip', 'deflate', 'br'])('that is not compressed by %s as it says is refused', async (encoding) => {
    const answer = await login('{"a":1}', { 'content-type': 'application/json', 'content-encoding': encoding });
    expect(answer.outcome).toBe('400 VALIDATION_FAILED');
    expect(answer.error.details).toEqual([{ path: 'body', message: expect.any(String) }]);
  });

  test('of another type is told the type', async () => {
    const answer = await login('{"a":1}', { 'content-type': 'text/plain' });
    expect(answer.error.details).toEqual([{ path: 'content-type', message: 'send application/json' }]);
  });

  test('is told every faulty field, those that depend on others too', async () => {
    const answer = await new ApiClient(service.baseUrl).post('/auth/login', { password: 1, more: true });
    const paths = (answer.error.details as { path: string }[]).map(({ path }) => path);
    expect(paths.sort()).toEqual(['email', 'more', 'password']);
  });
});

test('a code in a path with a wrong method stays out of the log', async () => {
  const answer = await new ApiClient(service.baseUrl).get('/otp/verify/654321');
  expect(answer.status).toBe(405);
  await expect.poll(() => service.server.log(), { timeout: 10_000 }).toContain(answer.error.requestId);
  expect(await service.server.log()).not.toContain('654321');
});

describe('SIGTERM', () => {
  test('is not held up by connections without a request', async () => {
    const server = await service.place.start();
    const silent = await openSocket(server.baseUrl);
    const half = await openSocket(server.baseUrl);
    half.write('GET /health HT');
    const used = await openSocket(server.baseUrl);
    used.write('GET /health HTTP/1.1\r\nhost: x\r\n\r\nGET /he');
    await delay(100);
    const startedAt = performance.now();
    expect(await server.stop()).toBe(0);
    expect(performance.now() - startedAt).toBeLessThan(10_000);
    for (const socket of [silent, half, used]) socket.destroy();
  });
});

describe('SIGTERM in production', () => {
  const production = useService({
    env: () => ({
      NODE_ENV: 'production',
      JWT_SECRET: randomBytes(48).toString('base64'),
      ENCRYPTION_KEY: randomBytes(32).toString('base64'),
    }),
  });

  test('lets a balancer that connects anew read that the service ends', async () => {
    const { server, baseUrl } = production;
    const stopped = server.stop();
    await delay(500);
    const answer = await sendRaw('GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n', baseUrl);
    expect(answer.outcome).toBe('503 DEPENDENCY_UNAVAILABLE');
    expect(answer.headers.get('connection')).toBe('close');
    expect(await stopped).toBe(0);
  });
});
