import { statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type ClaimedKey, signUpAndGetKey } from '../support/client-accounts.ts';
import { pump, StreamedUpload } from '../support/client-raw.ts';
import { useService } from '../support/server-fixture.ts';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
const ALLOWED_BYTES = 150 * MIB;
/** For many at once: what all bodies together may hold (64 MiB) comes on top. */
const ALLOWED_FOR_MANY_BYTES = ALLOWED_BYTES + 64 * MIB;
const SAMPLE_MS = 50;
/** All that lies on the disk at once, and some room for others. */
const NEEDED_BYTES = 5 * GIB;

const service = useService();
const block = new Uint8Array(MIB).fill(7);
let key: ClaimedKey;
let idleBytes = 0;

beforeAll(async () => {
  key = await signUpAndGetKey(service, { bytes: 10 * GIB });
  if (process.platform !== 'linux') return;
  // What is loaded and compiled at first use belongs to the idle process.
  await pump(new StreamedUpload(key.client, { fileName: 'warm', sizeBytes: MIB }), MIB, block);
  await key.client.bytes('warm');
  await key.client.delete('warm');
  idleBytes = service.server.rssBytes();
});

beforeEach(async ({ skip }) => {
  skip(process.platform !== 'linux', 'reads resident memory from /proc: Linux only');
  const { bavail, bsize } = await statfs(tmpdir());
  skip(bavail * bsize < NEEDED_BYTES, `needs ${NEEDED_BYTES / GIB} GiB free in ${tmpdir()}`);
});

/** Does the work and answers how far the service's memory rose above idle at its highest, and the speed. */
async function watchMemory(what: string, sizeBytes: number, work: () => Promise<void>): Promise<number> {
  let highestBytes = 0;
  let samples = 0;
  const timer = setInterval(() => {
    highestBytes = Math.max(highestBytes, service.server.rssBytes());
    samples += 1;
  }, SAMPLE_MS);
  const startedAt = performance.now();
  try {
    await work();
  } finally {
    clearInterval(timer);
  }
  const seconds = (performance.now() - startedAt) / 1000;
  const risenBytes = highestBytes - idleBytes;
  process.stdout.write(
    `${what}: ${Math.round(sizeBytes / MIB / seconds)} MiB/s, ${Math.round(risenBytes / MIB)} MiB above idle (${Math.round(idleBytes / MIB)} MiB), ${samples} samples\n`,
  );
  expect(samples).toBeGreaterThan(5);
  return risenBytes;
}

describe('memory stays within 150 MiB of idle', () => {
  test.each([
    ['2 GiB of announced length', 2 * GIB, false],
    ['512 MiB of unknown length', GIB / 2, true],
  ])('while %s come in', async (what, sizeBytes, chunked) => {
    const fileName = `${sizeBytes}.bin`;
    const risenBytes = await watchMemory(`upload of ${what}`, sizeBytes, async () => {
      const answer = await pump(new StreamedUpload(key.client, { fileName, sizeBytes, chunked }), sizeBytes, block);
      expect(answer.status).toBe(201);
      expect(answer.data).toMatchObject({ file: { size: sizeBytes } });
    });
    expect(risenBytes).toBeLessThan(ALLOWED_BYTES);
  });

  test.each([
    ['through the API', () => key.client.content(`${2 * GIB}.bin`)],
    ['by its link', async () => fetch((await key.client.link(`${2 * GIB}.bin`)).data.downloadUrl)],
  ])('while 2 GiB go out %s', async (how, open) => {
    const risenBytes = await watchMemory(`download of 2 GiB ${how}`, 2 * GIB, async () => {
      let received = 0;
      for await (const chunk of (await open()).body ?? []) received += chunk.length;
      expect(received).toBe(2 * GIB);
    });
    expect(risenBytes).toBeLessThan(ALLOWED_BYTES);
  });

  test('while a client reads 2 GiB slower than they could go out', async () => {
    const risenBytes = await watchMemory('slow download', 0, async () => {
      const reader = (await key.client.content(`${2 * GIB}.bin`)).body?.getReader();
      for (let i = 0; i < 40; i += 1) {
        await reader?.read();
        await delay(SAMPLE_MS);
      }
      await reader?.cancel();
    });
    expect(risenBytes).toBeLessThan(ALLOWED_BYTES);
  });

  test('(and a bounded sum of buffers) while 50 clients send at once', async () => {
    const sizeBytes = 20 * MIB;
    const risenBytes = await watchMemory('50 uploads of 20 MiB, half of unknown length', 50 * sizeBytes, async () => {
      const answers = await Promise.all(
        Array.from({ length: 50 }, (_, i) =>
          pump(
            new StreamedUpload(key.client, { fileName: `many-${i}.bin`, sizeBytes, chunked: i % 2 === 0 }),
            sizeBytes,
            block,
          ),
        ),
      );
      expect(answers.map(({ status }) => status)).toEqual(Array(50).fill(201));
    });
    expect(risenBytes).toBeLessThan(ALLOWED_FOR_MANY_BYTES);
  });
});
