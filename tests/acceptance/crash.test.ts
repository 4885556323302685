import { createHash, randomBytes } from 'node:crypto';
import { request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { type ClaimedKey, signUpAndGetKey } from '../support/client-accounts.ts';
import { eventually } from '../support/client-eventually.ts';
import { StreamedUpload } from '../support/client-raw.ts';
import { expectClean, hastenJobs, readBooks } from '../support/server-aftermath.ts';
import { useService } from '../support/server-fixture.ts';

const MIB = 1024 * 1024;
const UPLOADS = 30;
const service = useService();

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Sends a file in pieces, the slow ones so slowly that they are still at it when the service dies. */
async function sendSlowly(key: ClaimedKey, fileName: string, content: Buffer, pauseMs: number): Promise<boolean> {
  const upload = new StreamedUpload(key.client, { fileName, sizeBytes: content.length });
  const piece = Math.ceil(content.length / 16);
  for (let at = 0; at < content.length; at += piece) {
    if (!(await upload.send(content.subarray(at, at + piece)))) return false;
    await delay(pauseMs);
  }
  return (await upload.finish()).status === 201;
}

test('kill -9 during uploads loses nothing that was acknowledged and keeps nothing that was not', async () => {
  const key = await signUpAndGetKey(service);
  const contents = new Map(
    Array.from({ length: UPLOADS }, (_, i) => [`crash/${i}.bin`, randomBytes(2 * MIB + i * 100_001)]),
  );
  const acknowledged: string[] = [];
  const sending = [...contents].map(async ([name, content], i) => {
    const sent = await sendSlowly(key, name, content, i % 3 === 0 ? 400 : (i % 5) * 4).catch(() => false);
    if (sent) acknowledged.push(name);
  });
  await eventually('some uploads are done', () => acknowledged.length >= UPLOADS / 3, { withinMs: 30_000, everyMs: 1 });
  await service.server.kill9();
  await Promise.all(sending);
  expect(acknowledged.length).toBeLessThan(UPLOADS);
  // What the test is about must be there: uploads that were cut, with room held and bytes on the disk.
  const left = await readBooks(service.place, key);
  expect(left.uploads).toBeGreaterThan(0);
  expect(left.reservedBytes).toBeGreaterThan(0);
  expect((await service.place.temporaries()).length).toBeGreaterThan(0);
  expect(await service.place.postgresPid()).not.toBeNull();

  const revived = await service.place.start();
  const client = key.client.at(revived.baseUrl);
  const { files } = await client.listAll();
  const listed = files.map(({ fileName }) => fileName);
  expect(listed).toEqual(expect.arrayContaining(acknowledged));
  for (const file of files) {
    // A file whose answer was lost on the way may be there, but only whole.
    const content = contents.get(file.fileName) ?? Buffer.alloc(0);
    expect([file.fileName, file.size, file.checksumSha256]).toEqual([file.fileName, content.length, sha256(content)]);
    expect((await client.bytes(file.fileName)).equals(content)).toBe(true);
  }
  const stored = files.reduce((sum, { size }) => sum + size, 0);
  expect((await client.usage()).usage).toMatchObject({ bytesUsed: stored, objects: files.length });

  // The leases of the dead end by themselves within a minute (sixty-seconds.test.ts); here they are made to end now.
  await hastenJobs(service.place);
  const books = await expectClean(service.place, key, 60_000);
  expect(books).toMatchObject({ files: files.length, usedBytes: stored });
  const again = await client.upload('crash/0.bin', 'sent again');
  expect(again.status).toBe(201);
});

test('kill -9 of the service and its database together loses nothing either', async () => {
  const place = service.place;
  const server = await place.start();
  const key = await signUpAndGetKey({ place, baseUrl: server.baseUrl });
  const contents = new Map(Array.from({ length: 20 }, (_, i) => [`power/${i}.bin`, randomBytes(100_000 + i)]));
  const acknowledged: string[] = [];
  const sending = [...contents].map(async ([name, content]) => {
    const sent = await key.client.upload(name, content).then(
      ({ status }) => status === 201,
      () => false,
    );
    if (sent) acknowledged.push(name);
  });
  await eventually('some uploads are done', () => acknowledged.length >= 5, { everyMs: 1 });
  const postgres = await place.postgresPid();
  await Promise.all(place.servers.filter(({ exited }) => !exited).map((one) => one.kill9()));
  if (postgres !== null) process.kill(postgres, 'SIGKILL');
  await Promise.all(sending);

  const client = key.client.at((await place.start()).baseUrl);
  const { files } = await client.listAll();
  expect(files.map(({ fileName }) => fileName)).toEqual(expect.arrayContaining(acknowledged));
  for (const { fileName } of files) {
    expect((await client.bytes(fileName)).equals(contents.get(fileName) ?? Buffer.alloc(0))).toBe(true);
  }
  await hastenJobs(place);
  await expectClean(place, key, 60_000);
});

test('kill -9 during a signed PUT keeps nothing of it beside the file that it became', async () => {
  const { place } = service;
  const server = await place.start();
  const key = await signUpAndGetKey({ place, baseUrl: server.baseUrl });
  const content = randomBytes(2 * MIB);
  const { data } = await key.client.post<{ uploadId: string; url: string; headers: Record<string, string> }>(
    '/uploads/presign',
    { fileName: 'cut.bin', size: content.length, contentType: 'application/octet-stream' },
  );
  const half = request(data.url, { method: 'PUT', headers: data.headers }).on('error', () => {});
  half.write(content.subarray(0, MIB));
  await eventually('a half temporary file', async () => (await place.temporaries()).length > 0, { everyMs: 5 });
  await Promise.all(place.servers.filter(({ exited }) => !exited).map((one) => one.kill9()));
  half.destroy();

  const { baseUrl } = await place.start();
  const client = key.client.at(baseUrl);
  const { pathname, search } = new URL(data.url);
  const { 'content-length': _, ...headers } = data.headers;
  const sent = await fetch(new URL(pathname + search, baseUrl), { method: 'PUT', headers, body: content });
  expect(sent.status).toBe(200);
  expect((await client.post('/uploads/complete', { uploadId: data.uploadId })).status).toBe(200);
  expect(await place.temporaries()).toHaveLength(1);
  // The sweep comes a day after the end of the URL, and once in ten minutes: both are made to be now.
  await place.query(`UPDATE upload_sessions SET expires_at = now() - interval '2 days'`);
  await place.query(`DELETE FROM pgboss.job WHERE name = 'upload.session.purge'`);
  await place.start();
  await expectClean(place, key, 60_000);
  expect((await client.bytes('cut.bin')).equals(content)).toBe(true);
});
