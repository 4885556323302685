import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Account, type ClaimedKey, createKey, signUp } from '../support/client-accounts.ts';
import type { Answer, UsageView } from '../support/client-api.ts';
import { pump, StreamedUpload } from '../support/client-raw.ts';
import { expectClean } from '../support/server-aftermath.ts';
import { useService } from '../support/server-fixture.ts';
import type { ServerProcess } from '../support/server-process.ts';

const MIB = 1024 * 1024;
const service = useService();
let owner: Account;
let second: ServerProcess;
const keys: ClaimedKey[] = [];

beforeAll(async () => {
  second = await service.place.start();
  owner = await signUp(service);
});

/** Looked at once, after all: the job that removes objects runs every 10 seconds. */
afterAll(async () => {
  for (const key of keys) await expectClean(service.place, key);
});

async function keyWith(quota: { bytes: number; objects?: number }): Promise<ClaimedKey> {
  const key = await createKey(service, owner, quota);
  keys.push(key);
  return key;
}

function countOutcomes(answers: readonly Answer<unknown>[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { outcome } of answers) counts[outcome] = (counts[outcome] ?? 0) + 1;
  return counts;
}

async function uploadChunked(key: ClaimedKey, fileName: string, sizeBytes: number): Promise<Answer<unknown>> {
  return pump(new StreamedUpload(key.client, { fileName, sizeBytes, chunked: true }), sizeBytes, randomBytes(MIB));
}

describe('200 uploads of 1 MiB at once against a quota of 50 MiB, over two processes', () => {
  test('are admitted exactly 50 times, and ledger, rows and bytes on disk agree', async () => {
    const key = await keyWith({ bytes: 50 * MIB });
    const clients = [key.client, key.client.at(second.baseUrl)];
    const content = randomBytes(MIB);
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, i) => (clients[i % 2] ?? key.client).upload(`file-${i}.bin`, content)),
    );
    expect(countOutcomes(answers)).toEqual({ '201': 50, '413 QUOTA_EXCEEDED': 150 });
    for (const answer of answers) {
      if (answer.status !== 413) continue;
      const details = answer.error.details as { used: number; reserved: number };
      expect(details).toMatchObject({ limit: 'bytes', quota: 50 * MIB, requested: MIB });
      // At no instant was more given out than there is, and nobody was refused who would have fitted.
      expect(details.used + details.reserved).toBe(50 * MIB);
    }
    expect(await key.client.usage()).toMatchObject({
      usage: { bytesUsed: 50 * MIB, objects: 50, bytesReserved: 0 },
      quota: { canUpload: false, quotaExceeded: true },
    });
    const { files } = await key.client.listAll();
    const admitted = answers.flatMap((answer, i) => (answer.status === 201 ? [`file-${i}.bin`] : []));
    expect(files.map(({ fileName }) => fileName).sort()).toEqual(admitted.sort());

    expect(await expectClean(service.place, key)).toMatchObject({ usedBytes: 50 * MIB, files: 50 });
    const objects = await service.place.objects(`apikeys/${key.accessKeyId}/`);
    expect(objects.map(({ sizeBytes }) => sizeBytes)).toEqual(Array(50).fill(MIB));
  });

  test('chunked, so that no length is known before, never pass the quota either', async () => {
    const key = await keyWith({ bytes: 10 * MIB });
    const other = { ...key, client: key.client.at(second.baseUrl) };
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, i) => uploadChunked(i % 2 === 0 ? key : other, `chunked-${i}`, MIB + i)),
    );
    const counts = countOutcomes(answers);
    expect(Object.keys(counts).sort()).toEqual(['201', '413 QUOTA_EXCEEDED']);
    const { usage } = await key.client.usage();
    expect(usage.objects).toBe(counts['201']);
    expect(usage.bytesUsed).toBeLessThanOrEqual(10 * MIB);
    expect(usage.bytesReserved).toBe(0);
  });

  test('against a quota of 10 objects are admitted exactly 10 times', async () => {
    const key = await keyWith({ bytes: 1000 * MIB, objects: 10 });
    const clients = [key.client, key.client.at(second.baseUrl)];
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, i) => (clients[i % 2] ?? key.client).upload(`file-${i}`, 'x')),
    );
    expect(countOutcomes(answers)).toEqual({ '201': 10, '413 QUOTA_EXCEEDED': 50 });
    const refused = answers.find(({ status }) => status === 413);
    expect(refused?.error.details).toMatchObject({ limit: 'objects', quota: 10, requested: 1 });
  });
});

describe.each([
  ['a small form', 50_000],
  ['a streamed form', 3 * MIB + 12_345],
])('%s', (_what, size) => {
  test('that fits to the byte is taken, and one byte more is not', async () => {
    const key = await keyWith({ bytes: size });
    const refused = await key.client.upload('over', new Uint8Array(size + 1));
    expect(refused.outcome).toBe('413 QUOTA_EXCEEDED');
    expect(refused.error.details).toEqual({ limit: 'bytes', quota: size, used: 0, reserved: 0, requested: size + 1 });
    expect(refused.headers.get('x-quota-bytes-remaining')).toBe(String(size));
    const taken = await key.client.upload('exact', new Uint8Array(size));
    expect(taken.status).toBe(201);
    expect(taken.headers.get('x-quota-bytes-remaining')).toBe('0');
    expect((await key.client.upload('one more byte', 'x')).outcome).toBe('413 QUOTA_EXCEEDED');
    expect((await key.client.upload('nothing', '')).status).toBe(201);
  });

  test('of unknown length that fits to the byte is taken, and one byte more is not', async () => {
    const key = await keyWith({ bytes: size });
    const refused = await uploadChunked(key, 'over', size + 1);
    expect(refused.outcome).toBe('413 QUOTA_EXCEEDED');
    expect(refused.error.details).toMatchObject({ limit: 'bytes', quota: size, used: 0 });
    const taken = await uploadChunked(key, 'exact', size);
    expect(taken.status).toBe(201);
    expect((taken.data as { usage: UsageView }).usage).toMatchObject({ bytesUsed: size, bytesReserved: 0 });
  });

  test('that replaces a file counts the difference', async () => {
    const key = await keyWith({ bytes: size, objects: 1 });
    const half = Math.floor(size / 2);
    expect((await key.client.upload('it', new Uint8Array(half))).status).toBe(201);
    const over = await key.client.upload('it', new Uint8Array(size + 1));
    expect(over.outcome).toBe('413 QUOTA_EXCEEDED');
    expect(over.error.details).toMatchObject({ used: half, requested: size + 1 - half });
    expect((await key.client.upload('it', new Uint8Array(size))).status).toBe(201);
    expect((await uploadChunked(key, 'it', size)).status).toBe(201);
    const shrunk = await key.client.upload('it', new Uint8Array(10));
    expect(shrunk.data.usage).toMatchObject({ bytesUsed: 10, objects: 1, bytesReserved: 0 });
    expect((await key.client.upload('other', 'x')).error.details).toMatchObject({
      limit: 'objects',
      quota: 1,
      used: 1,
    });
    expect((await key.client.upload('it', 'x', { conflict: 'keepBoth' })).error.details).toMatchObject({
      limit: 'objects',
    });
  });
});

test('room is free again at once after deleting', async () => {
  const key = await keyWith({ bytes: MIB });
  const full = new Uint8Array(MIB);
  for (let i = 0; i < 3; i += 1) {
    expect((await key.client.upload(`round-${i}`, full)).status).toBe(201);
    expect((await key.client.upload('more', 'x')).outcome).toBe('413 QUOTA_EXCEEDED');
    await key.client.delete(`round-${i}`);
  }
});
