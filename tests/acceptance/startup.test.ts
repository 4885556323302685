import { readdir, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ApiClient } from '../support/client-api.ts';
import { eventually } from '../support/client-eventually.ts';
import { useService } from '../support/server-fixture.ts';
import type { ServerProcess } from '../support/server-process.ts';

const service = useService({ start: false });

/** The end of a service that cannot start: its exit code and all that it wrote. */
async function failureOf(env: Readonly<Record<string, string>>): Promise<{ code: number | null; lines: string[] }> {
  const server = service.place.spawn(env);
  const code = await server.exitCode();
  return { code, lines: (await server.log()).trimEnd().split('\n') };
}

async function adminLogins(server: ServerProcess, password: string): Promise<string> {
  const anyone = new ApiClient(server.baseUrl);
  return (await anyone.post('/auth/login', { email: service.place.adminEmail, password })).outcome;
}

function printedPassword(log: string): string | null {
  return /^ +Admin .* password: (\S+) /m.exec(log)?.[1] ?? null;
}

describe('a faulty configuration', () => {
  test('for production lacks secrets: one line for each, code 1, and nothing is touched', async () => {
    const { code, lines } = await failureOf({ NODE_ENV: 'production' });
    expect(code).toBe(1);
    expect(lines).toEqual([
      expect.stringMatching(/^pockity: JWT_SECRET: .*required/),
      expect.stringMatching(/^pockity: ENCRYPTION_KEY: .*required/),
    ]);
    expect(await readdir(service.place.directory)).toEqual(['server-0.log']);
  });

  test('has one line for each of its faults, all at once', async () => {
    const { code, lines } = await failureOf({
      PORT: 'eighty',
      DATABASE_URL: 'mysql://localhost/x',
      ENCRYPTION_KEY: 'short',
      JWT_SECRET: 'short',
      LOG_LEVEL: 'loud',
      SMTP_URL: 'not a url',
    });
    expect(code).toBe(1);
    const names = lines.map((line) => /^pockity: (\w+): \S/.exec(line)?.[1]);
    expect(names.sort()).toEqual(['DATABASE_URL', 'ENCRYPTION_KEY', 'JWT_SECRET', 'LOG_LEVEL', 'PORT', 'SMTP_URL']);
    expect(lines.join('\n')).not.toContain('    at ');
  });

  test.each([
    [{ S3_ENDPOINT: 'http://localhost:1' }, 'S3_BUCKET_NAME'],
    [{ AWS_ACCESS_KEY_ID: 'only' }, 'AWS_SECRET_ACCESS_KEY'],
    [{ TRUST_PROXY: 'true' }, 'TRUST_PROXY'],
    [{ ADMIN_PASSWORD: 'short' }, 'ADMIN_PASSWORD'],
  ])('such as %j is named: %s', async (env, name) => {
    const { code, lines } = await failureOf(env);
    expect(code).toBe(1);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(new RegExp(`^pockity: .*${name}`));
  });

  test('with a database that is not there ends with one line', async () => {
    const { code, lines } = await failureOf({ DATABASE_URL: 'postgresql://nobody:secretword@127.0.0.1:1/none' });
    expect(code).toBe(1);
    const told = lines.filter((line) => line.startsWith('pockity: '));
    expect(told).toHaveLength(1);
    expect(lines.join('\n')).not.toContain('secretword');
  });
});

test('two processes started at once on an empty DATA_DIR are both ready and make one admin', async () => {
  const { place } = service;
  const servers = [place.spawn({ ADMIN_PASSWORD: '' }), place.spawn({ ADMIN_PASSWORD: '' })];
  await Promise.all(servers.map((server) => server.ready()));
  expect(await place.query(`SELECT email FROM users WHERE role = 'ADMIN'`)).toEqual([{ email: place.adminEmail }]);
  const logs = await Promise.all(servers.map((server) => server.log()));
  const printed = logs.map(printedPassword).filter((password) => password !== null);
  expect(printed).toHaveLength(1);
  for (const server of servers) {
    expect(await adminLogins(server, printed[0] ?? '')).toBe('200');
    expect(await adminLogins(server, 'something else')).toBe('401 INVALID_CREDENTIALS');
  }
  const { mode } = await stat(join(place.dataDirectory, 'secrets.json'));
  expect(mode & 0o777).toBe(0o600);
  for (const server of servers) expect(await server.stop()).toBe(0);
  expect(await place.postgresPid()).toBeNull();
});

test('the second start is ready within 5 seconds, prints no password and makes no second admin', async () => {
  const { place } = service;
  const startedAt = performance.now();
  const server = await place.start({ ADMIN_PASSWORD: 'another password' });
  expect(performance.now() - startedAt).toBeLessThan(5000);
  expect(printedPassword(await server.log())).toBeNull();
  expect(await adminLogins(server, 'another password')).toBe('401 INVALID_CREDENTIALS');
  expect(await place.query(`SELECT email FROM users WHERE role = 'ADMIN'`)).toHaveLength(1);
  await server.stop();
});

// Known gap: what fails after the database is open leaves it running. Turn into `test` when it is mended.
test('a taken port ends the start with one line and leaves no database running', async () => {
  const { place } = service;
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  const address = taken.address();
  const port = typeof address === 'object' && address ? String(address.port) : '';
  try {
    const { code, lines } = await failureOf({ PORT: port });
    expect(code).toBe(1);
    expect(lines.filter((line) => line.startsWith('pockity: '))).toEqual([expect.stringContaining(port)]);
    expect(await place.postgresPid()).toBeNull();
  } finally {
    taken.close();
  }
});

// Known gap: signals are heeded only once it listens. Turn into `test` when it is mended.
test('SIGTERM before it is ready ends the start and leaves no database running', async () => {
  const { place } = service;
  const server = place.spawn();
  const users = `SELECT 1 FROM pg_stat_activity WHERE application_name = 'pockity embedded'`;
  await eventually('it uses the database', async () => (await place.query(users)).length > 0, { everyMs: 5 });
  await server.stop();
  expect(await place.postgresPid()).toBeNull();
});

test('production starts with its secrets given, and tells nobody of them', async () => {
  const secrets = { JWT_SECRET: 'x'.repeat(48), ENCRYPTION_KEY: Buffer.alloc(32, 7).toString('base64') };
  const server = await service.place.start({ NODE_ENV: 'production', ...secrets });
  expect((await fetch(`${server.baseUrl}/health`)).status).toBe(200);
  const log = await server.log();
  for (const secret of Object.values(secrets)) expect(log).not.toContain(secret);
  expect(await server.stop()).toBe(0);
});

test('what anyone may ask is answered: root, health, liveness, readiness, OpenAPI, docs', async () => {
  const server = await service.place.start();
  const get = async (path: string) => {
    const response = await fetch(`${server.baseUrl}${path}`);
    expect([path, response.status]).toEqual([path, 200]);
    expect(response.headers.get('x-request-id')).toBeTruthy();
    return response.text();
  };
  for (const path of ['/health', '/api/open/health', '/livez']) {
    const { data } = JSON.parse(await get(path)) as { data: Record<string, unknown> };
    expect(data).toEqual({
      status: 'ok',
      timestamp: expect.stringMatching(/Z$/),
      version: expect.any(String),
      uptimeSeconds: expect.any(Number),
    });
  }
  expect(JSON.parse(await get('/'))).toMatchObject({ success: true, data: { name: 'Pockity' } });
  expect(JSON.parse(await get('/readyz'))).toMatchObject({ data: { database: 'ok', objectStore: 'ok' } });
  const openApi = JSON.parse(await get('/openapi.json')) as { openapi: string; paths: Record<string, unknown> };
  expect(openApi.openapi).toMatch(/^3\.1/);
  expect(Object.keys(openApi.paths)).toContain('/api/storage/upload');
  const page = await get('/docs');
  const scripts = [...page.matchAll(/<script src="([^"]+)"/g)].map(([, src]) => src ?? '');
  expect(scripts.length).toBeGreaterThan(0);
  for (const src of scripts) {
    expect(src).toMatch(/^\//);
    await get(src);
  }
  await server.stop();
});
