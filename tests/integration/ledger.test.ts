import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AppError } from '../../src/errors/app-error.ts';
import { SYSTEM_ACTOR, SYSTEM_ORIGIN } from '../../src/features/audit/index.ts';
import {
  type ConflictPolicy,
  FileLedgerRepository,
  LedgerRepository,
  LedgerService,
  TombstoneRepository,
} from '../../src/features/ledger/index.ts';
import { Database } from '../../src/platform/db/database.ts';
import { silentLogger } from '../../src/platform/logging/logger.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { auditSpace, createTestSpace, type TestSpace } from '../support/spaces.ts';

const log = silentLogger();
const AUDIT = { actor: SYSTEM_ACTOR, origin: SYSTEM_ORIGIN } as const;
const MANY = { bytes: 1_000_000, objects: 1000 };

let testDatabase: TestDatabase;
let database: Database;
let ledgers: LedgerService[];

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  database = new Database({ url: testDatabase.url, maxConnections: 16, log });
  // Two services are two processes as far as the ledger can tell: they share nothing but the database.
  ledgers = [1, 2].map(() => new LedgerService({ repository: new LedgerRepository(database), log }));
});

afterAll(async () => {
  for (const ledger of ledgers) ledger.stop();
  await database.close();
  await testDatabase.drop();
});

function ledger(index = 0): LedgerService {
  const found = ledgers[index % ledgers.length];
  if (!found) throw new Error('no ledger');
  return found;
}

function reserve(space: TestSpace, path: string, bytes: number, conflict: ConflictPolicy = 'replace', index = 0) {
  return ledger(index).reserve(space, { path, bytes, conflict, contentType: 'text/plain' });
}

async function commit(reservation: Awaited<ReturnType<typeof reserve>>, path: string, sizeBytes: number, index = 0) {
  const dot = path.lastIndexOf('.');
  const [stem, suffix] = dot > 0 ? [path.slice(0, dot), path.slice(dot)] : [path, ''];
  return ledger(index).commit(reservation, {
    stem,
    suffix,
    sizeBytes,
    sha256: 'a'.repeat(64),
    etag: 'e',
    contentType: 'text/plain',
    category: 'document',
    extension: 'txt',
    tags: null,
    record: { action: 'file.upload', reason: 'upload', ...AUDIT },
  });
}

async function upload(space: TestSpace, path: string, bytes: number, conflict: ConflictPolicy = 'replace', index = 0) {
  return commit(await reserve(space, path, bytes, conflict, index), path, bytes, index);
}

/** Deletes for good, as a pocket does. */
function deleteFiles(space: TestSpace, paths: readonly string[]) {
  const refs = paths.map((path) => ({ path }));
  return new FileLedgerRepository(database, { driveTrashDays: 30 }).delete(space.id, refs, AUDIT);
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  const outcome = await work.then(
    () => 'ok',
    (error: unknown) => error,
  );
  if (outcome === 'ok') return 'ok';
  if (outcome instanceof AppError) return outcome.code;
  throw outcome;
}

describe('the quota ledger', () => {
  it('takes an exact fit and refuses one byte more, with details that say what is short', async () => {
    const space = await createTestSpace(database, { bytes: 100, objects: 10 });
    await upload(space, 'exact.txt', 100);
    const refusal = await reserve(space, 'more.txt', 1).catch((error: unknown) => error);
    expect(refusal).toMatchObject({
      code: 'QUOTA_EXCEEDED',
      details: { limit: 'bytes', quota: 100, used: 100, reserved: 0, requested: 1 },
    });
    expect(await codeOf(upload(space, 'empty.txt', 0))).toBe('ok');
    expect(await auditSpace(database, space.id)).toMatchObject({ usedBytes: 100, usedObjects: 2, consistent: true });
  });

  it('refuses an object too many, whatever its size', async () => {
    const space = await createTestSpace(database, { bytes: 100, objects: 1 });
    await upload(space, 'a.txt', 1);
    const refusal = await reserve(space, 'b.txt', 0).catch((error: unknown) => error);
    expect(refusal).toMatchObject({
      code: 'QUOTA_EXCEEDED',
      details: { limit: 'objects', quota: 1, used: 1, requested: 1 },
    });
    expect(await codeOf(upload(space, 'a.txt', 100))).toBe('ok');
  });

  it('counts the difference for a replacement, also with not a byte to spare', async () => {
    const space = await createTestSpace(database, { bytes: 100, objects: 1 });
    const first = await upload(space, 'a.txt', 90);
    const second = await upload(space, 'a.txt', 100);
    expect(second).toMatchObject({ fileId: first.fileId, replaced: true });
    expect(await codeOf(upload(space, 'a.txt', 101))).toBe('QUOTA_EXCEEDED');
    expect(await codeOf(upload(space, 'a.txt', 10))).toBe('ok');
    expect(await auditSpace(database, space.id)).toMatchObject({
      usedBytes: 10,
      usedObjects: 1,
      uploads: 0,
      consistent: true,
    });
  });

  it('lets a replacement shrink a space that stands above a lowered quota', async () => {
    const space = await createTestSpace(database, { bytes: 100, objects: 5 });
    await upload(space, 'a.txt', 100);
    await database.prisma.space.update({ where: { id: space.id }, data: { quotaBytes: 10n } });
    expect(await codeOf(upload(space, 'a.txt', 50))).toBe('ok');
    expect(await codeOf(upload(space, 'b.txt', 1))).toBe('QUOTA_EXCEEDED');
  });

  it('checks again when the file that a replacement counted on is deleted before the commit', async () => {
    const space = await createTestSpace(database, { bytes: 100, objects: 5 });
    await upload(space, 'a.txt', 100);
    const held = await reserve(space, 'a.txt', 100);
    await deleteFiles(space, ['a.txt']);
    await upload(space, 'thief.txt', 60);
    expect(await codeOf(commit(held, 'a.txt', 100))).toBe('QUOTA_EXCEEDED');
    expect(await auditSpace(database, space.id)).toMatchObject({
      usedBytes: 60,
      reservedBytes: 0,
      uploads: 0,
      consistent: true,
    });
  });

  it('admits exactly what fits when 200 race from two processes, and never passes the quota meanwhile', async () => {
    const space = await createTestSpace(database, { bytes: 50 * 1024, objects: 1000 });
    let sampling = true;
    let worst = 0;
    const sampler = (async () => {
      while (sampling) {
        const { usedBytes, reservedBytes } = await auditSpace(database, space.id);
        worst = Math.max(worst, usedBytes + reservedBytes);
      }
    })();
    const outcomes = await Promise.all(
      Array.from({ length: 200 }, (_, i) => codeOf(upload(space, `file-${i}.bin`, 1024, 'replace', i))),
    );
    sampling = false;
    await sampler;
    expect(outcomes.filter((code) => code === 'ok')).toHaveLength(50);
    expect(outcomes.filter((code) => code === 'QUOTA_EXCEEDED')).toHaveLength(150);
    expect(worst).toBeLessThanOrEqual(50 * 1024);
    expect(await auditSpace(database, space.id)).toMatchObject({
      usedBytes: 50 * 1024,
      usedObjects: 50,
      uploads: 0,
      consistent: true,
    });
  });

  it('lets a hundred writers of one name leave one file and bury the rest', async () => {
    const space = await createTestSpace(database, MANY);
    await Promise.all(Array.from({ length: 100 }, (_, i) => upload(space, 'one.txt', i + 1, 'replace', i)));
    const state = await auditSpace(database, space.id);
    expect(state).toMatchObject({ usedObjects: 1, uploads: 0, consistent: true });
    const tombstones = await database.prisma.objectTombstone.count({
      where: { objectKey: { startsWith: space.prefix } },
    });
    expect(tombstones).toBe(99);
  });

  it('keeps both under numbered names, and fails where asked to', async () => {
    const space = await createTestSpace(database, MANY);
    await upload(space, 'a.txt', 1);
    const paths = [];
    for (let i = 0; i < 6; i += 1) paths.push((await upload(space, 'a.txt', 1, 'keepBoth')).path);
    expect(paths).toEqual([1, 2, 3, 4, 5, 6].map((n) => `a (${n}).txt`));
    expect(await codeOf(reserve(space, 'a.txt', 1, 'fail'))).toBe('FILE_EXISTS');
    const racing = [await reserve(space, 'b.txt', 1, 'fail'), await reserve(space, 'b.txt', 1, 'fail')];
    const outcomes = await Promise.all(racing.map((held) => codeOf(commit(held, 'b.txt', 1))));
    expect(outcomes.sort()).toEqual(['FILE_EXISTS', 'ok']);
    expect(await auditSpace(database, space.id)).toMatchObject({ usedObjects: 8, uploads: 0, consistent: true });
  });

  it('gives numbered names to namesakes that arrive together', async () => {
    const space = await createTestSpace(database, MANY);
    const committed = await Promise.all(Array.from({ length: 40 }, (_, i) => upload(space, 'n.txt', 1, 'keepBoth', i)));
    expect(new Set(committed.map(({ path }) => path)).size).toBe(40);
  });

  it('grows a reservation by exactly what is asked, and refuses the byte too many', async () => {
    const space = await createTestSpace(database, { bytes: 100, objects: 5 });
    await upload(space, 'old.txt', 40);
    const held = await reserve(space, 'old.txt', 10);
    await ledger().grow(held, 50);
    expect((await auditSpace(database, space.id)).reservedBytes).toBe(20);
    await ledger().grow(held, 40);
    expect(await codeOf(ledger().grow(held, 1))).toBe('QUOTA_EXCEEDED');
    await commit(held, 'old.txt', 100);
    expect(await auditSpace(database, space.id)).toMatchObject({ usedBytes: 100, reservedBytes: 0, consistent: true });
  });

  it('commits less than was reserved and gives the rest back', async () => {
    const space = await createTestSpace(database, { bytes: 100, objects: 5 });
    const held = await reserve(space, 'a.txt', 100);
    await commit(held, 'a.txt', 7);
    expect(await auditSpace(database, space.id)).toMatchObject({ usedBytes: 7, reservedBytes: 0, consistent: true });
  });

  it('releases once, buries the object, and commits nothing that was released', async () => {
    const space = await createTestSpace(database, MANY);
    const held = await reserve(space, 'a.txt', 10);
    await ledger().release(held);
    await ledger().release(held);
    expect(await codeOf(commit(held, 'a.txt', 10))).toBe('DEPENDENCY_UNAVAILABLE');
    expect(await auditSpace(database, space.id)).toMatchObject({
      usedBytes: 0,
      reservedBytes: 0,
      uploads: 0,
      consistent: true,
    });
    const tombstone = await database.prisma.objectTombstone.findUnique({ where: { objectKey: held.objectKey } });
    expect(tombstone?.origin).toBe('upload');
  });

  it('buries an object that a stalled process stored after its upload had been swept and purged', async () => {
    const space = await createTestSpace(database, MANY);
    const late = [await reserve(space, 'a.txt', 10), await reserve(space, 'b.txt', 10)] as const;
    await database.prisma.upload.updateMany({ where: { spaceId: space.id }, data: { leaseExpiresAt: new Date(0) } });
    await ledger().expireOverdue();
    await database.prisma.objectTombstone.deleteMany({ where: { objectKey: { startsWith: space.prefix } } });
    expect(await codeOf(commit(late[0], 'a.txt', 10))).toBe('DEPENDENCY_UNAVAILABLE');
    await ledger().release(late[1]);
    const buried = await database.prisma.objectTombstone.findMany({
      where: { objectKey: { startsWith: space.prefix } },
    });
    expect(buried.map(({ objectKey }) => objectKey).sort()).toEqual(late.map(({ objectKey }) => objectKey).sort());
    expect(await auditSpace(database, space.id)).toMatchObject({
      usedBytes: 0,
      reservedBytes: 0,
      uploads: 0,
      consistent: true,
    });
  });

  it('never buries the object of a file', async () => {
    const space = await createTestSpace(database, MANY);
    const held = await reserve(space, 'a.txt', 10);
    await commit(held, 'a.txt', 10);
    await ledger().release(held);
    expect(await codeOf(commit(held, 'a.txt', 10))).toBe('DEPENDENCY_UNAVAILABLE');
    expect(await database.prisma.objectTombstone.count({ where: { objectKey: held.objectKey } })).toBe(0);
  });

  it('frees what a dead process holds, by the sweep and at the first refusal', async () => {
    const space = await createTestSpace(database, { bytes: 100, objects: 5 });
    const age = () =>
      database.prisma.upload.updateMany({ where: { spaceId: space.id }, data: { leaseExpiresAt: new Date(0) } });
    await reserve(space, 'dead.txt', 100);
    expect(await codeOf(reserve(space, 'live.txt', 100))).toBe('QUOTA_EXCEEDED');
    await age();
    expect(await codeOf(reserve(space, 'live.txt', 100))).toBe('ok');
    await age();
    expect(await ledger().expireOverdue()).toBeGreaterThanOrEqual(1);
    expect(await auditSpace(database, space.id)).toMatchObject({ reservedBytes: 0, reservedObjects: 0, uploads: 0 });
  });

  it('deletes what is there, once, and says so in ledger, audit log and tombstones', async () => {
    const space = await createTestSpace(database, MANY);
    await upload(space, 'a.txt', 5);
    await upload(space, 'b.txt', 6);
    const both = await Promise.all([0, 1].map(() => deleteFiles(space, ['a.txt', 'b.txt', 'none.txt'])));
    expect(
      both
        .flat()
        .map(({ path }) => path)
        .sort(),
    ).toEqual(['a.txt', 'b.txt']);
    expect(await auditSpace(database, space.id)).toMatchObject({ usedBytes: 0, usedObjects: 0, consistent: true });
    const due = await new TombstoneRepository(database).lease(1000);
    expect(due.filter(({ objectKey }) => objectKey.startsWith(space.prefix))).toHaveLength(2);
  });

  it('a faulty item does not fail what shares its batch', async () => {
    const space = await createTestSpace(database, MANY);
    const good = Array.from({ length: 10 }, (_, i) => codeOf(upload(space, `g${i}.txt`, 1)));
    const bad = upload(space, 'bad\0name.txt', 1).then(
      () => 'ok',
      () => 'failed',
    );
    expect(await bad).toBe('failed');
    expect(await Promise.all(good)).toEqual(Array.from({ length: 10 }, () => 'ok'));
  });

  it('agrees with a model in memory over random sequences', async () => {
    const path = fc.constantFrom('a.txt', 'b.txt', 'c.txt');
    const size = fc.integer({ min: 0, max: 60 });
    const step = fc.oneof(
      fc.record({ kind: fc.constant('upload' as const), path, size }),
      fc.record({ kind: fc.constant('delete' as const), path }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 15 }), async (steps) => {
        const quota = { bytes: 100, objects: 2 };
        const space = await createTestSpace(database, quota);
        const model = new Map<string, number>();
        for (const action of steps) {
          if (action.kind === 'delete') {
            const gone = await deleteFiles(space, [action.path]);
            expect(gone.length).toBe(model.delete(action.path) ? 1 : 0);
            continue;
          }
          const used = [...model.values()].reduce((sum, bytes) => sum + bytes, 0);
          const delta = action.size - (model.get(action.path) ?? 0);
          const fits =
            used + Math.max(0, delta) <= quota.bytes && (model.has(action.path) || model.size < quota.objects);
          expect(await codeOf(upload(space, action.path, action.size))).toBe(fits ? 'ok' : 'QUOTA_EXCEEDED');
          if (fits) model.set(action.path, action.size);
        }
        const state = await auditSpace(database, space.id);
        expect(state).toMatchObject({ usedObjects: model.size, uploads: 0, consistent: true });
      }),
      { numRuns: 100 },
    );
  });
});
