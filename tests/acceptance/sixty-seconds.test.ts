import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import { type ClaimedKey, signUpAndGetKey } from '../support/client-accounts.ts';
import { eventually } from '../support/client-eventually.ts';
import { StreamedUpload } from '../support/client-raw.ts';
import { readBooks } from '../support/server-aftermath.ts';
import { useService } from '../support/server-fixture.ts';

const MIB = 1024 * 1024;
const service = useService();

async function startUpload(key: ClaimedKey): Promise<StreamedUpload> {
  const upload = new StreamedUpload(key.client, { fileName: 'never.bin', sizeBytes: 10 * MIB });
  await upload.send(randomBytes(2 * MIB));
  await eventually(
    'the upload holds room',
    async () => (await readBooks(service.place, key)).reservedBytes === 10 * MIB,
  );
  return upload;
}

/** By the real clock: nothing is hastened here. */
async function expectReleasedWithin60s(key: ClaimedKey): Promise<void> {
  await eventually(
    'nothing is held any more',
    async () => {
      const { reservedBytes, reservedObjects, uploads } = await readBooks(service.place, key);
      return reservedBytes + reservedObjects + uploads === 0;
    },
    { withinMs: 60_000, everyMs: 250 },
  );
}

describe.concurrent('time runs out', () => {
  test('for the reservation of a client that falls silent: it is cut off, and nothing is left of its file', async ({
    expect,
  }) => {
    const key = await signUpAndGetKey(service);
    const upload = await startUpload(key);
    await expectReleasedWithin60s(key);
    await expect(upload.answer).rejects.toThrow();
    expect((await key.client.list()).data.files).toEqual([]);
  });

  test('for that of a process that was killed, as seen by another one', async () => {
    const second = await service.place.start();
    const key = await signUpAndGetKey({ place: service.place, baseUrl: second.baseUrl });
    const upload = await startUpload(key);
    await second.kill9();
    await expectReleasedWithin60s(key);
    upload.hangUp();
  });

  test('but not for one in use: a slow upload that keeps moving keeps its room and ends well', async ({ expect }) => {
    const key = await signUpAndGetKey(service);
    const upload = await startUpload(key);
    const startedAt = performance.now();
    await eventually(
      'a minute and more has passed',
      async () => {
        await upload.send(randomBytes(50_000));
        return performance.now() - startedAt > 62_000;
      },
      { withinMs: 90_000, everyMs: 1000 },
    );
    expect((await readBooks(service.place, key)).reservedBytes).toBe(10 * MIB);
    await upload.send(new Uint8Array(10 * MIB - upload.sentBytes));
    expect((await upload.finish()).status).toBe(201);
  });

  test('for a JSON body that drips in: it is refused after half a minute, although it never falls silent', async ({
    expect,
  }) => {
    const { owner } = await signUpAndGetKey(service);
    const { hostname, port } = new URL(service.baseUrl);
    const socket = connect(Number(port), hostname);
    socket.write(
      `PUT /api/users/profile HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${owner.token}\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{`,
    );
    const drip = setInterval(() => socket.write(' '), 1000);
    const startedAt = performance.now();
    const [answer] = await once(socket, 'data');
    clearInterval(drip);
    socket.destroy();
    expect(String(answer)).toMatch(/^HTTP\/1\.1 400 /);
    expect(String(answer)).toContain('30 seconds');
    expect(performance.now() - startedAt).toBeGreaterThan(29_000);
    expect(performance.now() - startedAt).toBeLessThan(45_000);
  });
});

test('afterwards nothing is reserved at all', async () => {
  expect(await service.place.query('SELECT id FROM uploads')).toEqual([]);
  expect(await service.place.query('SELECT id FROM spaces WHERE reserved_bytes <> 0 OR reserved_objects <> 0')).toEqual(
    [],
  );
});
