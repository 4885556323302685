import { createHash, randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { BodyCuttingProxy } from '../support/body-cutting-proxy.ts';
import { signUpAndGetKey } from '../support/client-accounts.ts';
import { eventually } from '../support/client-eventually.ts';
import { expectClean, hastenJobs } from '../support/server-aftermath.ts';
import { useService } from '../support/server-fixture.ts';
import { uploadByTusJs } from '../support/tus-js.ts';

const MIB = 1024 * 1024;
const service = useService();

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function portOf(baseUrl: string): number {
  return Number(new URL(baseUrl).port);
}

test('an upload by tus goes on after a kill -9 of the service, over and over', async () => {
  const key = await signUpAndGetKey(service);
  // More than is read at its completion: its SHA-256, which no process has seen whole, is a job's work.
  const content = randomBytes(40 * MIB);
  const proxy = await BodyCuttingProxy.start(portOf(service.baseUrl));
  let sentBytes = 0;
  const uploading = uploadByTusJs(content, {
    endpoint: `http://127.0.0.1:${proxy.port}/api/uploads/tus`,
    headers: key.client.credentials,
    fileName: 'killed.bin',
    // Pieces, so that the kills fall into different ones.
    chunkSize: 4 * MIB,
    retryDelays: Array.from({ length: 400 }, () => 100),
    onProgress: (sent) => {
      sentBytes = sent;
    },
  });
  for (const killedAt of [6 * MIB, 15 * MIB]) {
    await eventually(`${killedAt} bytes are sent`, () => sentBytes >= killedAt, { withinMs: 60_000, everyMs: 1 });
    const running = service.place.servers.filter(({ exited }) => !exited);
    await Promise.all(running.map((server) => server.kill9()));
    proxy.targetPort = portOf((await service.place.start()).baseUrl);
  }
  const { fileId, retries } = await uploading;
  const client = key.client.at(`http://127.0.0.1:${proxy.port}`);
  expect(retries).toBeGreaterThanOrEqual(2);
  expect(fileId).toBeDefined();
  const file = await eventually('its SHA-256 is known', async () => {
    const found = (await client.metadata('killed.bin')).data.file;
    return found.checksumSha256 === null ? null : found;
  });
  expect(file).toMatchObject({ id: fileId, size: content.length, checksumSha256: sha256(content) });
  expect((await client.bytes('killed.bin')).equals(content)).toBe(true);
  await hastenJobs(service.place);
  await expectClean(service.place, { ...key, client }, 60_000);
  await proxy.stop();
});

test('an upload by tus goes from process to process at every cut', async () => {
  const { place } = service;
  const running = place.servers.filter(({ exited }) => !exited);
  const [one, two] = [running[0] ?? (await place.start()), await place.start()];
  const key = await signUpAndGetKey({ place, baseUrl: one.baseUrl });
  const content = randomBytes(24 * MIB);
  const ports = [portOf(one.baseUrl), portOf(two.baseUrl)];
  const cuts = Array.from({ length: 10 }, (_, i) => 500_000 + i * 300_007);
  const proxy = await BodyCuttingProxy.start(ports[0] ?? 0, cuts);
  const switching = setInterval(() => {
    proxy.targetPort = ports[proxy.cuts % 2] ?? 0;
  }, 1);
  const { fileId } = await uploadByTusJs(content, {
    endpoint: `http://127.0.0.1:${proxy.port}/api/uploads/tus`,
    headers: key.client.credentials,
    fileName: 'moved.bin',
  });
  clearInterval(switching);
  expect(proxy.cuts).toBe(10);
  const { file } = (await key.client.metadata('moved.bin')).data;
  expect(file).toMatchObject({ id: fileId, size: content.length, checksumSha256: sha256(content) });
  expect((await key.client.bytes('moved.bin')).equals(content)).toBe(true);
  await proxy.stop();
});
