import pLimit from 'p-limit';
import { beforeAll, describe, expect, test } from 'vitest';
import { type ClaimedKey, createKey, signUpAndGetKey } from '../support/client-accounts.ts';
import type { ApiClient } from '../support/client-api.ts';
import { eventually } from '../support/client-eventually.ts';
import { useService } from '../support/server-fixture.ts';

const service = useService();
let key: ClaimedKey;
beforeAll(async () => {
  key = await signUpAndGetKey(service);
});

async function uploadMany(client: ApiClient, names: readonly string[]): Promise<void> {
  const limit = pLimit(32);
  const answers = await Promise.all(names.map((name) => limit(() => client.upload(name, 'x'))));
  expect(answers.filter(({ status }) => status !== 201)).toEqual([]);
}

describe('deleting a file', () => {
  test('frees its name and its bytes at once, and its object soon', async () => {
    const before = await key.client.usage();
    await key.client.upload('gone.txt', 'twelve bytes');
    const answer = await key.client.delete('gone.txt');
    expect(answer.data).toMatchObject({ fileName: 'gone.txt', sizeFreed: 12 });
    expect(Math.abs(Date.parse(answer.data.deletedAt) - Date.now())).toBeLessThan(60_000);
    expect((await key.client.usage()).usage).toMatchObject({
      bytesUsed: before.usage.bytesUsed,
      objects: before.usage.objects,
    });
    expect((await key.client.metadata('gone.txt')).outcome).toBe('404 FILE_NOT_FOUND');
    expect((await key.client.content('gone.txt')).status).toBe(404);
    expect((await key.client.delete('gone.txt')).outcome).toBe('404 FILE_NOT_FOUND');
    expect((await key.client.upload('gone.txt', 'again', { conflict: 'fail' })).status).toBe(201);
    await key.client.delete('gone.txt');
    await eventually(
      'no object is left of it',
      async () => (await service.place.objects(`apikeys/${key.accessKeyId}/`)).length === before.usage.objects,
      { withinMs: 30_000 },
    );
  });

  test('asked for ten times at once happens once', async () => {
    await key.client.upload('once.txt', 'once');
    const before = await key.client.usage();
    const answers = await Promise.all(Array.from({ length: 10 }, () => key.client.delete('once.txt')));
    expect(answers.map(({ outcome }) => outcome).sort()).toEqual(['200', ...Array(9).fill('404 FILE_NOT_FOUND')]);
    expect((await key.client.usage()).usage.bytesUsed).toBe(before.usage.bytesUsed - 4);
  });
});

describe('deleting many', () => {
  test('by name takes up to 1000 and tells what was not there', async () => {
    const names = Array.from({ length: 60 }, (_, i) => `bulk/ü ${i}.txt`);
    await uploadMany(key.client, names);
    const asked = [
      ...names,
      ...Array.from({ length: 937 }, (_, i) => `bulk/none-${i}`),
      '../up',
      'nul\0',
      names[0] ?? '',
    ];
    expect(asked).toHaveLength(1000);
    const { data, status } = await key.client.bulkDelete({ fileNames: asked });
    expect(status).toBe(200);
    expect(data.deleted.map(({ fileName }) => fileName).sort()).toEqual(names.toSorted());
    expect(data.failed).toHaveLength(939);
    expect(data.failed).toContainEqual({ fileName: '../up', reason: 'FILE_NOT_FOUND' });
    expect(data.summary).toEqual({ requested: 999, deleted: 60, failed: 939, sizeFreed: 60 });
    expect((await key.client.list({ prefix: 'bulk/' })).data.files).toEqual([]);
  });

  test('by prefix takes all below it and nothing beside it', async () => {
    await uploadMany(key.client, ['pre/a', 'pre/b/c', 'pre', 'pre-x', 'pre0', 'Pre/a', 'prf']);
    const { data } = await key.client.bulkDelete({ prefix: 'pre/' });
    expect(data.deleted.map(({ fileName }) => fileName).sort()).toEqual(['pre/a', 'pre/b/c']);
    expect(data.summary).toEqual({ requested: 2, deleted: 2, failed: 0, sizeFreed: 2 });
    const left = (await key.client.listAll()).files.map(({ fileName }) => fileName);
    expect(left).toEqual(expect.arrayContaining(['pre', 'pre-x', 'pre0', 'Pre/a', 'prf']));
    const nothing = await key.client.bulkDelete({ prefix: 'pre/' });
    expect(nothing.data.summary).toEqual({ requested: 0, deleted: 0, failed: 0, sizeFreed: 0 });
  });

  test('by a prefix with more than 1000 files becomes a job that finishes', async () => {
    const own = await createKey(service, key.owner);
    await uploadMany(
      own.client,
      Array.from({ length: 1001 }, (_, i) => `heap/${i}`),
    );
    await own.client.upload('heap-not.txt', 'stays');
    const answer = await own.client.bulkDelete({ prefix: 'heap/' });
    expect(answer.status).toBe(202);
    expect(answer.data.jobId).toMatch(/^[0-9a-f-]{36}$/);
    const left = await eventually(
      'all below the prefix is gone',
      async () => {
        const { usage } = await own.client.usage();
        return usage.objects === 1 && usage;
      },
      { withinMs: 30_000 },
    );
    expect(left.bytesUsed).toBe(5);
    expect((await own.client.listAll()).files.map(({ fileName }) => fileName)).toEqual(['heap-not.txt']);
    await eventually(
      'their objects are gone',
      async () => (await service.place.objects(`apikeys/${own.accessKeyId}/`)).length === 1,
      { withinMs: 30_000 },
    );
  });

  test.each([
    ['nothing', {}, 'fileNames'],
    ['no names', { fileNames: [] }, 'fileNames'],
    ['1001 names', { fileNames: Array.from({ length: 1001 }, (_, i) => `${i}`) }, 'fileNames'],
    ['names that are none', { fileNames: ['a', 7] }, 'fileNames.1'],
    ['an empty prefix, which would mean everything', { prefix: '' }, 'prefix'],
    ['names and a prefix', { fileNames: ['a'], prefix: 'b' }, 'prefix'],
    ['a further field', { fileNames: ['a'], force: true }, 'force'],
  ])('with %s is refused and deletes nothing', async (_what, body, path) => {
    await key.client.upload('a', 'stays');
    const answer = await key.client.post('/storage/files/bulk-delete', body);
    expect(answer.outcome).toBe('400 VALIDATION_FAILED');
    expect(answer.error.details).toContainEqual({ path, message: expect.any(String) });
    expect((await key.client.metadata('a')).status).toBe(200);
  });
});
