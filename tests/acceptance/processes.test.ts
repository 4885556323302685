import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { createKey, signUpAndGetKey } from '../support/client-accounts.ts';
import { ApiClient } from '../support/client-api.ts';
import { eventually } from '../support/client-eventually.ts';
import { StreamedUpload } from '../support/client-raw.ts';
import { useService } from '../support/server-fixture.ts';

const MIB = 1024 * 1024;
const service = useService();

describe('a second process on the same DATA_DIR', () => {
  test('joins the running database and leaves it running when it stops', async () => {
    const postgres = await service.place.postgresPid();
    const second = await service.place.start();
    expect(await service.place.postgresPid()).toBe(postgres);
    const key = await signUpAndGetKey(service);
    const there = key.client.at(second.baseUrl);
    await key.client.upload('shared.txt', 'from the first');
    expect((await there.bytes('shared.txt')).toString()).toBe('from the first');
    await there.upload('shared.txt', 'from the second');
    expect((await key.client.bytes('shared.txt')).toString()).toBe('from the second');
    const link = await key.client.link('shared.txt');
    const elsewhere = link.data.downloadUrl.replace(service.baseUrl, second.baseUrl);
    expect(await (await fetch(elsewhere)).text()).toBe('from the second');

    expect(await second.stop()).toBe(0);
    expect(await service.place.postgresPid()).toBe(postgres);
    expect((await key.client.bytes('shared.txt')).toString()).toBe('from the second');
    expect((await fetch(`${service.baseUrl}/readyz`)).status).toBe(200);
  });

  test('goes on when the one that started the database is killed or stops', async () => {
    const { place } = service;
    const starter = await place.start();
    const second = await place.start();
    const key = await signUpAndGetKey({ place, baseUrl: second.baseUrl });
    await starter.kill9();
    expect((await key.client.upload('a.txt', 'a')).status).toBe(201);
    await second.stop();
    expect((await fetch(`${service.baseUrl}/readyz`)).status).toBe(200);
  });

  test('refuses a revoked key, an ended session and an old password’s session at once', async () => {
    const second = await service.place.start();
    const key = await signUpAndGetKey(service);
    const keyThere = key.client.at(second.baseUrl);
    const ownerThere = key.owner.client.at(second.baseUrl);
    // Both processes know the secret by heart before it is revoked.
    for (const client of [key.client, keyThere, key.client, keyThere]) expect((await client.list()).status).toBe(200);
    await ownerThere.request('DELETE', `/apiKeys/${key.apiKeyId}`);
    for (const client of [key.client, keyThere]) expect((await client.list()).outcome).toBe('401 KEY_REVOKED');

    expect((await ownerThere.get('/users/profile')).status).toBe(200);
    await key.owner.client.post('/auth/logout');
    expect((await ownerThere.get('/users/profile')).outcome).toBe('401 UNAUTHENTICATED');
    const refreshed = await new ApiClient(second.baseUrl).post('/auth/refresh', {
      refreshToken: key.owner.refreshToken,
    });
    expect(refreshed.status).toBe(401);
    await second.stop();
  });

  test('gives out a secret, a review and a code only once between them', async () => {
    const second = await service.place.start();
    const key = await signUpAndGetKey(service);
    const another = await createKey(service, key.owner);
    const claims = await Promise.all(
      [key.owner.client, key.owner.client.at(second.baseUrl)].map((client) =>
        client.post(`/apiKeys/${another.apiKeyId}/claim`),
      ),
    );
    expect(claims.map(({ outcome }) => outcome)).toEqual(['409 ALREADY_CLAIMED', '409 ALREADY_CLAIMED']);
    const anyone = [new ApiClient(service.baseUrl), new ApiClient(second.baseUrl)];
    const email = `race-${randomBytes(4).toString('hex')}@example.com`;
    const registrations = await Promise.all(
      anyone.map((client) => client.post('/auth/register', { email, password: 'long enough' })),
    );
    expect(registrations.map(({ outcome }) => outcome).sort()).toEqual(['201', '409 EMAIL_TAKEN']);
    await second.stop();
  });
});

describe('SIGTERM', () => {
  test('lets an upload and a download under way finish, takes nothing new, and ends with code 0', async () => {
    const server = await service.place.start();
    const key = await signUpAndGetKey({ place: service.place, baseUrl: server.baseUrl });
    const content = randomBytes(6 * MIB);
    await key.client.upload('download.bin', content);
    const upload = new StreamedUpload(key.client, { fileName: 'slow.bin', sizeBytes: content.length });
    await upload.send(content.subarray(0, 3 * MIB));
    await eventually('the upload holds room', async () => (await key.client.usage()).usage.bytesReserved > 0);
    const download = await key.client.content('download.bin');
    const reader = download.body?.getReader();
    const first = await reader?.read();

    const stopped = server.stop('SIGTERM');
    await eventually('nothing new is taken', async () => {
      const answer = await fetch(`${server.baseUrl}/readyz`, { headers: { connection: 'close' } }).catch(() => null);
      return answer === null || answer.status === 503;
    });
    expect(server.exited).toBe(false);
    const received = [Buffer.from(first?.value ?? [])];
    for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
      received.push(Buffer.from(part.value));
    }
    expect(Buffer.concat(received).equals(content)).toBe(true);
    await upload.send(content.subarray(3 * MIB));
    expect((await upload.finish()).status).toBe(201);
    expect(await stopped).toBe(0);
    expect((await key.client.at(service.baseUrl).bytes('slow.bin')).equals(content)).toBe(true);
  });

  // Known gap: the log's last flush tries a closed pipe for ever. Turn into `test` when it is mended.
  test('ends a process whose log nobody reads any more', async () => {
    const server = await service.place.start({}, { log: 'pipe' });
    server.closeLog();
    // Something is to be written when it stops.
    await fetch(`${server.baseUrl}/health`);
    const code = await Promise.race([server.stop().catch(() => 'killed'), delay(8000, 'still running')]);
    await server.kill9();
    expect(code).toBe(0);
  });

  test('to the last process stops the database with it', async () => {
    const { place } = service;
    const postgres = await place.postgresPid();
    expect(postgres).not.toBeNull();
    const running = place.servers.filter(({ exited }) => !exited);
    for (const server of running) expect(await server.stop()).toBe(0);
    expect(await place.postgresPid()).toBeNull();
    if (process.platform === 'linux') expect(await place.databaseProcesses()).toEqual([]);
    const again = await place.start();
    expect((await fetch(`${again.baseUrl}/readyz`)).status).toBe(200);
    expect(await again.stop('SIGINT')).toBe(0);
    expect(await place.postgresPid()).toBeNull();
  });
});
