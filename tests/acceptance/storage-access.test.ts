import { beforeAll, describe, expect, test } from 'vitest';
import { type ClaimedKey, createKey, signUpAndGetKey } from '../support/client-accounts.ts';
import { Answer, ApiClient, pathOf } from '../support/client-api.ts';
import { useService } from '../support/server-fixture.ts';

const service = useService();
let key: ClaimedKey;
beforeAll(async () => {
  key = await signUpAndGetKey(service);
});

async function answerOf(response: Response): Promise<Answer<unknown>> {
  return new Answer(response.status, response.headers, await response.text());
}

describe('two spaces', () => {
  test('of two keys hold the same names apart', async () => {
    const other = await createKey(service, key.owner);
    await key.client.upload('same.txt', 'mine');
    await other.client.upload('same.txt', 'the other’s');
    await other.client.upload('only/there.txt', 'x');
    expect((await key.client.bytes('same.txt')).toString()).toBe('mine');
    expect((await other.client.bytes('same.txt')).toString()).toBe('the other’s');
    expect((await key.client.listAll()).files.map(({ fileName }) => fileName)).toEqual(['same.txt']);
    expect((await key.client.metadata('only/there.txt')).outcome).toBe('404 FILE_NOT_FOUND');
    expect((await key.client.delete('only/there.txt')).outcome).toBe('404 FILE_NOT_FOUND');
    expect((await key.client.bulkDelete({ prefix: 'only/' })).data.deleted).toEqual([]);
    expect((await other.client.usage()).usage).toMatchObject({ objects: 2 });
    await key.client.delete('same.txt');
    expect((await other.client.bytes('same.txt')).toString()).toBe('the other’s');
  });

  test('are told apart by the whole access key id, not by its beginning', async () => {
    const other = await createKey(service, key.owner);
    // No two ids are given out of which one begins the other: the database is made to hold such a pair.
    const longer = `${other.accessKeyId}0`;
    await service.place.query('UPDATE api_keys SET access_key_id = $1 WHERE access_key_id = $2', [
      longer,
      key.accessKeyId,
    ]);
    await service.place.query('UPDATE spaces SET prefix = $1 WHERE prefix = $2', [
      `apikeys/${longer}/`,
      `apikeys/${key.accessKeyId}/`,
    ]);
    key = {
      ...key,
      accessKeyId: longer,
      client: new ApiClient(service.baseUrl, { ...key.client.credentials, 'x-access-key-id': longer }),
    };
    await key.client.upload('long.txt', 'long');
    await other.client.upload('short.txt', 'short');
    expect((await other.client.listAll()).files.map(({ fileName }) => fileName)).toEqual(['short.txt']);
    expect((await key.client.listAll()).files.map(({ fileName }) => fileName)).toEqual(['long.txt']);
    for (const name of ['0/long.txt', '../long.txt', `../${longer}/long.txt`]) {
      expect((await other.client.metadata(name)).outcome).toBe('404 FILE_NOT_FOUND');
    }
    expect((await other.client.bulkDelete({ prefix: 's' })).data.deleted).toHaveLength(1);
    expect((await key.client.bytes('long.txt')).toString()).toBe('long');
    await key.client.delete('long.txt');
  });

  test('are a user’s drive and that user’s keys', async () => {
    const drive = key.owner.client;
    await drive.upload('drive.txt', 'in the drive');
    await key.client.upload('pocket.txt', 'in the pocket');
    expect((await drive.listAll()).files.map(({ fileName }) => fileName)).toEqual(['drive.txt']);
    expect((await key.client.listAll()).files.map(({ fileName }) => fileName)).toEqual(['pocket.txt']);
    expect((await key.client.metadata('drive.txt')).outcome).toBe('404 FILE_NOT_FOUND');
    expect((await drive.usage()).quota).toMatchObject({ maxBytes: 5 * 1024 ** 3, maxObjects: 10_000 });
    expect((await drive.usage()).usage).toMatchObject({ objects: 1, bytesUsed: 12 });
    const prefixes = (await service.place.objects()).map(({ key: object }) => object.split('/').slice(0, 2).join('/'));
    expect(prefixes).toContain(`users/${key.owner.user.id}`);
    expect(prefixes).toContain(`apikeys/${key.accessKeyId}`);
  });
});

describe('credentials', () => {
  test('of both kinds in one request are refused as ambiguous, good or not', async () => {
    const both = { ...key.client.credentials, ...key.owner.client.credentials };
    for (const credentials of [
      both,
      { ...both, 'x-secret-key': 'wrong' },
      { 'x-access-key-id': 'x', authorization: 'Bearer y' },
    ]) {
      const client = new ApiClient(service.baseUrl, credentials);
      expect((await client.list()).outcome).toBe('400 AMBIGUOUS_CREDENTIALS');
      expect((await client.upload('both.txt', 'x')).outcome).toBe('400 AMBIGUOUS_CREDENTIALS');
    }
  });

  test('are asked for before anything else is looked at', async () => {
    const nobody = new ApiClient(service.baseUrl);
    for (const [method, path] of [
      ['POST', '/storage/upload?conflict=nonsense'],
      ['GET', '/storage/files?limit=nonsense'],
      ['GET', '/storage/files/a'],
      ['GET', '/storage/files/a/content'],
      ['GET', '/storage/files/a/metadata'],
      ['DELETE', '/storage/files/a'],
      ['POST', '/storage/files/bulk-delete'],
      ['GET', '/storage/usage'],
    ] as const) {
      const answer = await nobody.request(method, path);
      expect([path, answer.outcome]).toEqual([path, '401 UNAUTHENTICATED']);
      expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer/);
    }
  });

  test('of a user do for /users and not for a key’s routes, and the other way round', async () => {
    expect((await key.client.get('/users/profile')).outcome).toBe('401 UNAUTHENTICATED');
    expect((await key.client.get('/apiKeys')).outcome).toBe('401 UNAUTHENTICATED');
    const forged = key.owner.token.replace(/\.[^.]+$/, '.AAAA');
    const outcome = async (authorization: string) =>
      (await new ApiClient(service.baseUrl, { authorization }).list()).outcome;
    expect(await outcome(`Bearer ${forged}`)).toBe('401 UNAUTHENTICATED');
    expect(await outcome('Basic dXNlcjpwYXNz')).toBe('401 UNAUTHENTICATED');
    expect(await outcome('Bearer')).toBe('401 UNAUTHENTICATED');
    const [head = '', claims = ''] = key.owner.token.split('.');
    const none = Buffer.from('{"alg":"none","typ":"JWT"}').toString('base64url');
    expect(await outcome(`Bearer ${none}.${claims}.`)).toBe('401 UNAUTHENTICATED');
    expect(head).not.toBe(none);
  });
});

test('each permission opens its own routes, and a refusal names the one that is missing', async () => {
  const wishes = ['read', 'write', 'delete', 'list'] as const;
  const clients = await Promise.all(
    wishes.map((permission) => createKey(service, key.owner, { permissions: [permission] })),
  );
  for (const [i, { client }] of clients.entries()) {
    const calls = {
      write: () => client.upload('p.txt', 'x'),
      list: () => client.list(),
      read: () => client.metadata('p.txt'),
      delete: () => client.bulkDelete({ fileNames: ['p.txt'] }),
    };
    for (const permission of wishes) {
      const answer = await calls[permission]();
      if (permission === wishes[i]) {
        expect(answer.outcome).not.toMatch(/^403/);
      } else {
        expect(answer.outcome).toBe('403 PERMISSION_MISSING');
        expect(answer.error.details).toMatchObject({ permission });
      }
    }
    expect((await client.content('p.txt')).status).toBe(wishes[i] === 'read' ? 404 : 403);
    expect((await client.link('p.txt')).status).toBe(wishes[i] === 'read' ? 404 : 403);
    expect((await client.get('/storage/usage')).outcome).toBe('200');
  }
});

describe('every storage response', () => {
  test('tells what is left of the quota, refusals too', async () => {
    await key.client.upload('headers.txt', 'x');
    const responses: [string, Response][] = [
      ['list', await key.client.fetch('GET', '/storage/files')],
      ['metadata', await key.client.fetch('GET', `${pathOf('headers.txt')}/metadata`)],
      ['link', await key.client.fetch('GET', pathOf('headers.txt'))],
      ['content', await key.client.content('headers.txt')],
      ['head', await key.client.content('headers.txt', {}, 'HEAD')],
      ['304', await key.client.content('headers.txt', { 'if-none-match': '*' })],
      ['416', await key.client.content('headers.txt', { range: 'bytes=9-' })],
      ['usage', await key.client.fetch('GET', '/storage/usage')],
      ['404', await key.client.fetch('GET', pathOf('none'))],
      ['400', await key.client.fetch('GET', '/storage/files?limit=0')],
      ['400 upload', await key.client.fetch('POST', '/storage/upload')],
    ];
    for (const [what, response] of responses) {
      await response.arrayBuffer();
      const [bytes, objects] = ['bytes', 'objects'].map((name) => response.headers.get(`x-quota-${name}-remaining`));
      expect(`${what} ${bytes} ${objects}`).toMatch(/^[\w ]+ \d+ \d+$/);
    }
  });

  // Known gap: authorizing throws before the space is known to the router. Turn into `test` when it is mended.
  test('tells it to a key that lacks the permission, too', async () => {
    const reader = await createKey(service, key.owner, { permissions: ['read'] });
    const response = await reader.client.fetch('GET', '/storage/files');
    await response.arrayBuffer();
    expect(response.headers.get('x-quota-bytes-remaining')).toMatch(/^\d+$/);
  });

  test('tells it as it is after the change', async () => {
    const own = await createKey(service, key.owner, { bytes: 1000, objects: 10 });
    const left = ({ headers }: { headers: Headers }) => [
      headers.get('x-quota-bytes-remaining'),
      headers.get('x-quota-objects-remaining'),
    ];
    expect(left(await own.client.upload('a', 'x'.repeat(300)))).toEqual(['700', '9']);
    expect(left(await own.client.upload('b', 'x'.repeat(100)))).toEqual(['600', '8']);
    expect(left(await own.client.upload('c', 'x'.repeat(601)))).toEqual(['600', '8']);
    expect(left(await own.client.delete('a'))).toEqual(['900', '9']);
    expect(left(await own.client.bulkDelete({ fileNames: ['b', 'none'] }))).toEqual(['1000', '10']);
  });
});

describe('the edges of the API', () => {
  test('a known path with another method is 405 with Allow', async () => {
    const allowed = async (method: string, path: string) => {
      const answer = await answerOf(await key.client.fetch(method, path));
      expect(answer.outcome).toBe('405 METHOD_NOT_ALLOWED');
      return answer.headers.get('allow');
    };
    expect(await allowed('GET', '/storage/upload')).toBe('POST');
    expect(await allowed('PUT', '/storage/files/a.txt')).toBe('DELETE, GET, HEAD, PATCH');
    expect(await allowed('DELETE', '/storage/usage')).toBe('GET, HEAD');
    expect(await allowed('PATCH', '/auth/login')).toBe('POST');
  });

  test('an unknown path is 404 in the envelope, and /api/v1 is /api', async () => {
    for (const path of ['/nothing', '/storage', '/storage/files/a/b/c']) {
      const answer = await answerOf(await key.client.fetch('GET', path));
      expect(answer.outcome).toBe('404 ROUTE_NOT_FOUND');
      expect(answer.body.message).toBeTruthy();
    }
    expect((await answerOf(await fetch(`${service.baseUrl}/nothing`))).outcome).toBe('404 ROUTE_NOT_FOUND');
    expect((await key.client.get('/v1/storage/usage')).status).toBe(200);
  });

  test('a well-formed request id is kept, any other replaced, and errors repeat it', async () => {
    const idOf = async (given: string) => {
      const answer = await key.client.request('GET', pathOf('none'), { headers: { 'x-request-id': given } });
      expect(answer.error.requestId).toBe(answer.headers.get('x-request-id'));
      return answer.error.requestId;
    };
    for (const good of ['a', 'My.request_id-42', 'x'.repeat(64)]) expect(await idOf(good)).toBe(good);
    for (const bad of ['', 'x'.repeat(65), 'with space', 'semi;colon', '{"json":1}']) {
      const id = await idOf(bad);
      expect(id).not.toBe(bad);
      expect(id).toMatch(/^[A-Za-z0-9._-]{1,64}$/);
    }
    const links = await fetch(`${service.baseUrl}/objects/none?signature=none`);
    expect(links.headers.get('x-request-id')).toBeTruthy();
    await links.arrayBuffer();
  });
});
