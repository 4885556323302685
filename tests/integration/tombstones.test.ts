import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TombstoneRepository, TombstoneService } from '../../src/features/ledger/index.ts';
import { Database } from '../../src/platform/db/database.ts';
import { silentLogger } from '../../src/platform/logging/logger.ts';
import type { ObjectStore } from '../../src/platform/object-store/object-store.ts';
import { openDiskStore, type StoreUnderTest } from '../support/object-stores.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';

const log = silentLogger();
let testDatabase: TestDatabase;
let database: Database;
let disk: StoreUnderTest;

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  database = new Database({ url: testDatabase.url, maxConnections: 4, log });
  disk = await openDiskStore();
});
afterAll(async () => {
  await database.close();
  await testDatabase.drop();
  await disk.close();
});

function service(store: ObjectStore): TombstoneService {
  return new TombstoneService({ repository: new TombstoneRepository(database), store, log });
}

async function bury(keys: readonly string[], origin: 'file' | 'upload', dueAt = new Date()): Promise<void> {
  await database.prisma.objectTombstone.createMany({ data: keys.map((objectKey) => ({ objectKey, origin, dueAt })) });
}

async function left(prefix: string): Promise<string[]> {
  const rows = await database.prisma.objectTombstone.findMany({ where: { objectKey: { startsWith: prefix } } });
  return rows.map(({ objectKey }) => objectKey).sort();
}

describe('purging', () => {
  it('removes what is due, object and tombstone, and nothing else; twice at once does no harm', async () => {
    const keys = Array.from({ length: 30 }, (_, i) => `apikeys/A/${i}`);
    for (const key of [...keys, 'apikeys/A/kept', 'apikeys/A/later']) {
      await disk.store.put(key, Buffer.from('x'), { contentType: 'text/plain' });
    }
    await bury(keys, 'file');
    await bury(['apikeys/A/later'], 'file', new Date(Date.now() + 3_600_000));
    const purged = await Promise.all([service(disk.store).purge(), service(disk.store).purge()]);
    expect(purged[0] + purged[1]).toBe(30);
    expect(await left('apikeys/A/')).toEqual(['apikeys/A/later']);
    const listed: string[] = [];
    for await (const { key } of disk.store.list('apikeys/A/')) listed.push(key);
    expect(listed.sort()).toEqual(['apikeys/A/kept', 'apikeys/A/later']);
  });

  it('removes what came while its key was being removed, and was buried anew', async () => {
    const key = 'apikeys/C/late';
    await bury([key], 'upload');
    let isLate = true;
    const overtaken: ObjectStore = {
      ...disk.store,
      deleteMany: async (keys) => {
        const outcomes = await disk.store.deleteMany(keys);
        if (isLate) {
          isLate = false;
          await disk.store.put(key, Buffer.from('x'), { contentType: 'text/plain' });
          await database.prisma.$executeRaw`SELECT ledger_bury_late(${key})`;
        }
        return outcomes;
      },
    };
    expect(await service(overtaken).purge()).toBe(2);
    expect(await disk.store.head(key)).toBeNull();
    expect(await left('apikeys/C/')).toEqual([]);
  });

  it('keeps the tombstone of what the store will not remove, says why, and does the rest', async () => {
    const keys = Array.from({ length: 5 }, (_, i) => `apikeys/B/${i}`);
    await bury(keys, 'file');
    await bury(['apikeys/B/poisoned', 'apikeys/B/interrupted'], 'upload');
    const stubborn: ObjectStore = {
      ...disk.store,
      discardTemporary: async (keys) =>
        keys.map((key) =>
          key.endsWith('poisoned')
            ? { key, deleted: false, reason: 'no permission to list parts' }
            : { key, deleted: true },
        ),
      deleteMany: async (batch) =>
        batch.map((key) =>
          key.endsWith('/3') ? { key, deleted: false, reason: 'AccessDenied' } : { key, deleted: true },
        ),
    };
    expect(await service(stubborn).purge()).toBe(5);
    expect(await left('apikeys/B/')).toEqual(['apikeys/B/3', 'apikeys/B/poisoned']);
    const rows = await database.prisma.objectTombstone.findMany({
      where: { objectKey: { startsWith: 'apikeys/B/' } },
      orderBy: { objectKey: 'asc' },
    });
    expect(rows.map(({ lastError, attempts }) => [lastError, attempts])).toEqual([
      ['AccessDenied', 1],
      ['no permission to list parts', 1],
    ]);
    // Put off, not given up.
    expect(rows.every(({ dueAt }) => dueAt.getTime() > Date.now())).toBe(true);
  });
});
