import { createHash, randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { BodyCuttingProxy } from '../support/body-cutting-proxy.ts';
import { signUpAndGetKey } from '../support/client-accounts.ts';
import { eventually } from '../support/client-eventually.ts';
import { expectClean, hastenJobs } from '../support/server-aftermath.ts';
import { useService } from '../support/server-fixture.ts';
import { TUS } from '../support/tus-actor.ts';
import { uploadByTusJs } from '../support/tus-js.ts';
import { TusSender } from '../support/tus-sender.ts';

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

test('an upload by tus keeps what was acknowledged when a process that was asleep wakes', {
  timeout: 180_000,
}, async () => {
  const { place } = service;
  const running = place.servers.filter(({ exited }) => !exited);
  const [one, two] = [running[0] ?? (await place.start()), running[1] ?? (await place.start())];
  const key = await signUpAndGetKey({ place, baseUrl: two.baseUrl });
  const { credentials } = key.client;
  for (let round = 0; round < 3; round += 1) {
    const content = randomBytes(48 * MIB);
    const name = `asleep-${round}.bin`;
    const created = await fetch(`${two.baseUrl}/api/uploads/tus`, {
      method: 'POST',
      headers: {
        ...credentials,
        ...TUS,
        'Upload-Length': String(content.length),
        'Upload-Metadata': `filename ${Buffer.from(name).toString('base64')}`,
      },
    });
    const path = new URL(created.headers.get('location') ?? '').pathname;
    const offset = async () => {
      const reply = await fetch(two.baseUrl + path, { method: 'HEAD', headers: { ...credentials, ...TUS } });
      expect(reply.status).toBe(200);
      return Number(reply.headers.get('upload-offset'));
    };
    const patch = (from: number, to: number) =>
      new TusSender('PATCH', two.baseUrl + path, {
        ...credentials,
        'Upload-Offset': String(from),
        'Content-Length': String(to - from),
      }).end(content.subarray(from, to));
    const first = new TusSender('PATCH', one.baseUrl + path, {
      ...credentials,
      'Upload-Offset': '0',
      'Content-Length': String(content.length),
    });
    // Other bytes than the client means in the end: what is stale shows.
    const stale = Buffer.concat([content.subarray(0, 8 * MIB), Buffer.alloc(39 * MIB)]);
    void (async () => {
      for (let at = 0; at < stale.length; at += MIB / 4) await first.write(stale.subarray(at, at + MIB / 4));
    })().catch(() => undefined);
    await delay(30 + 25 * round);
    process.kill(one.pid, 'SIGSTOP');
    let acknowledged: number;
    let start: number;
    try {
      start = await offset();
      const reply = await patch(start, start + MIB);
      expect(reply.status).toBe(204);
      acknowledged = Number(reply.headers['upload-offset']);
      expect(acknowledged).toBe(start + MIB);
    } finally {
      process.kill(one.pid, 'SIGCONT');
    }
    await first.answer.catch(() => undefined);
    expect(await offset()).toBe(acknowledged);
    expect((await patch(acknowledged, content.length)).status).toBe(204);
    const expected = Buffer.concat([stale.subarray(0, start), content.subarray(start)]);
    expect((await key.client.bytes(name)).equals(expected)).toBe(true);
    expect((await key.client.metadata(name)).data.file.checksumSha256 ?? sha256(expected)).toBe(sha256(expected));
  }
});
