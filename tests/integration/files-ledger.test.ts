import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SYSTEM_ACTOR, SYSTEM_ORIGIN } from '../../src/features/audit/index.ts';
import { type ConflictPolicy, LedgerRepository, type Reservation } from '../../src/features/ledger/index.ts';
import { newId } from '../../src/platform/crypto/random.ts';
import type { Database } from '../../src/platform/db/database.ts';
import { openDiskStore, type StoreUnderTest } from '../support/object-stores.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { SpaceMachine, SpaceProcess } from '../support/space-machine.ts';
import { contentOf } from '../support/space-model.ts';
import { auditSpace, createTestSpace, type TestSpaceSettings } from '../support/spaces.ts';

const AUDIT = { actor: SYSTEM_ACTOR, origin: SYSTEM_ORIGIN } as const;
const AUDIT_JSON = JSON.stringify({ actor_type: 'system', actor_id: null, access_key_id: null });
const MANY = { bytes: 1_000_000, objects: 10_000 };
const LONG_AGO = new Date('2026-01-01T00:00:00Z');

let testDatabase: TestDatabase;
let disk: StoreUnderTest;
let processes: [SpaceProcess, SpaceProcess];
let database: Database;

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  disk = await openDiskStore();
  processes = [new SpaceProcess(testDatabase.url, disk.store), new SpaceProcess(testDatabase.url, disk.store)];
  database = processes[0].database;
});

afterAll(async () => {
  await Promise.all(processes.map((process) => process.close()));
  await testDatabase.drop();
  await disk.close();
});

async function machineOf(settings: TestSpaceSettings = {}, quota = MANY) {
  const space = await createTestSpace(database, quota, settings);
  const [machine, other] = processes.map((process) => new SpaceMachine(process, space));
  if (!machine || !other) throw new Error('no machine');
  return Object.assign(machine, { other });
}

type Machine = Awaited<ReturnType<typeof machineOf>>;

let seed = 0;

interface UploadOptions {
  readonly conflict?: ConflictPolicy;
  readonly reservationId?: string;
}

async function stage(machine: SpaceMachine, path: string, size: number, options: UploadOptions = {}) {
  seed += 1;
  const { conflict = 'replace', reservationId } = options;
  return machine.stage(path, contentOf(size, seed).bytes, { conflict, tags: null, reservationId });
}

/** The code, or where it went. */
async function upload(machine: SpaceMachine, path: string, size = 1, options: UploadOptions = {}): Promise<string> {
  const staged = await stage(machine, path, size, options);
  if (typeof staged === 'string') return staged;
  const answer = await machine.commit(staged);
  return answer.path ?? answer.code;
}

async function uploadAll(machine: SpaceMachine, paths: readonly string[]): Promise<void> {
  for (const path of paths) expect(await upload(machine, path)).toBe(path);
}

async function staged(machine: SpaceMachine, path: string, size: number, options: UploadOptions = {}) {
  const upload = await stage(machine, path, size, options);
  if (typeof upload === 'string') throw new Error(upload);
  return upload;
}

async function pathsOf(machine: SpaceMachine): Promise<string[]> {
  return (await machine.rows()).living.map(({ path }) => path);
}

async function foldersOf(machine: SpaceMachine): Promise<string[]> {
  return (await machine.rows()).folders;
}

function audit(machine: SpaceMachine) {
  return auditSpace(database, machine.space.id);
}

async function expectSound(machine: SpaceMachine): Promise<void> {
  expect((await audit(machine)).faults).toEqual([]);
  expect(await machine.differingObjects()).toEqual([]);
}

async function ask<Row extends object>(text: string, values: readonly unknown[] = []): Promise<Row[]> {
  return database.query<Row>({ name: `test_${text}`.slice(0, 60) + text.length, text }, values);
}

/** Begins a move of more than `limit` files and leaves its steps to the caller. */
async function beginMove(machine: SpaceMachine, from: string, to: string) {
  const operationId = newId();
  const folder = { id: await machine.folderId(from), path: from };
  const { uow, folders } = machine.process;
  const { outcome } = await uow.run((tx) =>
    folders.move(tx, machine.space.id, { folder, to: { path: to, parentId: null }, limit: 0, operationId, ...AUDIT }),
  );
  expect(outcome).toBe('begun');
  const before = await machine.operationTime(operationId);
  const mark = (finishedAt: Date | null) =>
    database.prisma.operation.update({
      where: { id: operationId },
      data: { finishedAt, state: finishedAt ? 'DONE' : 'RUNNING' },
    });
  return {
    step: (limit: number) => folders.moveStep(machine.space.id, { from, to, before, limit }),
    end: async () => {
      for (let steps = 0; (await folders.moveStep(machine.space.id, { from, to, before, limit: 2 })) > 0; steps += 1) {
        expect(steps).toBeLessThan(100);
      }
      await mark(new Date());
    },
    /** As if it had ended meanwhile. */
    paused: async (work: () => Promise<void>) => {
      await mark(new Date());
      await work();
      await mark(null);
    },
  };
}

describe('versions', () => {
  it('count at the edge of the quota: what falls out makes the room', async () => {
    const machine = await machineOf({ versionsKept: 2 }, { bytes: 30, objects: 3 });
    for (const size of [10, 10, 10]) expect(await upload(machine, 'a.txt', size)).toBe('a.txt');
    expect(await audit(machine)).toMatchObject({ usedBytes: 30, usedObjects: 3, versionBytes: 20, versionObjects: 2 });
    expect(await upload(machine, 'a.txt', 11)).toBe('QUOTA_EXCEEDED');
    expect(await upload(machine, 'a.txt', 10)).toBe('a.txt');
    expect(await upload(machine, 'b.txt', 0)).toBe('QUOTA_EXCEEDED');
    expect(await audit(machine)).toMatchObject({ usedBytes: 30, usedObjects: 3, versionObjects: 2 });
    await expectSound(machine);
  });

  it.each([2, 1, 0])('go down to %i with the next replacement once so many are kept', async (versionsKept) => {
    const machine = await machineOf({ versionsKept: 5 }, { bytes: 60, objects: 6 });
    for (let i = 0; i < 6; i += 1) await upload(machine, 'a.txt', 10);
    await machine.set({ versionsKept });
    expect((await audit(machine)).versionObjects).toBe(5);
    // Room for what is to come is made by what goes.
    expect(await upload(machine, 'a.txt', 15)).toBe('a.txt');
    expect(await audit(machine)).toMatchObject({ versionObjects: versionsKept, usedBytes: 15 + 10 * versionsKept });
    await expectSound(machine);
  });

  it('are in the order in which they came, also of a batch', async () => {
    const machine = await machineOf({ versionsKept: 100 });
    const uploads = [];
    for (let size = 1; size <= 40; size += 1) uploads.push(await staged(machine, 'a.txt', size));
    await Promise.all(uploads.map((one) => machine.commit(one)));
    const [file] = (await machine.rows()).living;
    expect(file?.content.sizeBytes).toBe(40);
    expect(file?.versions.map(({ sizeBytes }) => sizeBytes)).toEqual(Array.from({ length: 39 }, (_, i) => 39 - i));
    await expectSound(machine);
  });

  it('make ids that sort by time and are UUIDs of version 7', async () => {
    const rows = await ask<{ id: string }>('SELECT ledger_new_id() AS id FROM generate_series(1, 2000)');
    for (const { id } of rows)
      expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    const times = rows.map(({ id }) => id.slice(0, 18));
    expect(times).toEqual([...times].sort());
    expect(
      Math.abs(Number.parseInt(`${times[0]?.slice(0, 8)}${times[0]?.slice(9, 13)}`, 16) - Date.now()),
    ).toBeLessThan(5000);
  });

  it('belong to one file: those of another, or of one in the trash, are not there', async () => {
    const machine = await machineOf({ kind: 'DRIVE', versionsKept: 3 });
    for (const path of ['a', 'a', 'b', 'b']) await upload(machine, path, 5);
    const [a, b] = (await machine.rows()).living;
    if (!a || !b) throw new Error('no files');
    const versionOfA = a.versions[0]?.id ?? '';
    expect(await machine.restoreVersion(b.id, versionOfA)).toBe('no-version');
    expect(await machine.deleteVersion(b.id, versionOfA)).toBe('gone');
    await machine.delete('a');
    expect(await machine.restoreVersion(a.id, versionOfA)).toBe('gone');
    expect(await machine.deleteVersion(a.id, versionOfA)).toBe('gone');
    await expectSound(machine);
  });
});

describe('between reserve and commit', () => {
  it.each(['move', 'delete'] as const)(
    'a file that was to be replaced may %s away: then all has to fit',
    async (how) => {
      const machine = await machineOf({ kind: 'DRIVE' }, { bytes: 100, objects: 1 });
      await upload(machine, 'a.txt', 60);
      const held = await staged(machine, 'a.txt', 70);
      expect(await audit(machine)).toMatchObject({ reservedBytes: 10, reservedObjects: 0 });
      if (how === 'move') await machine.change('a.txt', { fileName: 'b.txt', conflict: 'fail' });
      else await machine.delete('a.txt');
      const refusal = await held.commit().catch((error: unknown) => error);
      expect(refusal).toMatchObject({
        code: 'QUOTA_EXCEEDED',
        details: { limit: 'bytes', requested: 70, reserved: 0 },
      });
      await machine.set({ quotaBytes: 1000n });
      await upload(machine, 'c.txt', 0);
      expect(await audit(machine)).toMatchObject({ usedBytes: 60, usedObjects: 1, uploads: 0 });
      await expectSound(machine);
    },
  );

  it('says that objects are short where it is objects', async () => {
    const machine = await machineOf({ kind: 'DRIVE' }, { bytes: 1000, objects: 1 });
    await upload(machine, 'a.txt', 10);
    const held = await staged(machine, 'a.txt', 10);
    await machine.delete('a.txt');
    const refusal = await held.commit().catch((error: unknown) => error);
    expect(refusal).toMatchObject({ code: 'QUOTA_EXCEEDED', details: { limit: 'objects', quota: 1, used: 1 } });
    await expectSound(machine);
  });

  it('names the whole file that exists, however long its name', async () => {
    const machine = await machineOf();
    const name = `${'x'.repeat(1015)}.txt`;
    const held = await staged(machine, name, 1, { conflict: 'fail' });
    await upload(machine, name);
    const refusal = await held.commit().catch((error: unknown) => error);
    expect(refusal).toMatchObject({ code: 'FILE_EXISTS', details: { fileName: name } });
    await expectSound(machine);
  });
});

describe('keepBoth', () => {
  it('stays in the folder and under 1024 bytes, or finds the name taken', async () => {
    const machine = await machineOf({ kind: 'DRIVE' });
    const folder = 'f'.repeat(1000);
    for (const name of [`${folder}/${'é'.repeat(9)}.txt`, `${folder}/a.${'y'.repeat(20)}`, `${folder}/abc`]) {
      await upload(machine, name);
      const other = await upload(machine, name, 1, { conflict: 'keepBoth' });
      expect(other.startsWith(`${folder}/`)).toBe(true);
      expect(Buffer.byteLength(other)).toBeLessThanOrEqual(1024);
      expect(await machine.change('none', { conflict: 'keepBoth' })).toEqual({ code: 'FILE_NOT_FOUND' });
    }
    const deep = `${'f'.repeat(1021)}/a`;
    await upload(machine, deep);
    expect(await upload(machine, deep, 1, { conflict: 'keepBoth' })).toBe('FILE_EXISTS');
    await upload(machine, 'b');
    expect(await machine.change('b', { fileName: deep, conflict: 'keepBoth' })).toMatchObject({ code: 'FILE_EXISTS' });
    expect(await machine.copy('b', deep, 'keepBoth')).toMatchObject({ code: 'FILE_EXISTS' });
    await machine.delete(deep);
    await upload(machine, deep);
    const [trashed] = (await machine.rows()).trash;
    if (!trashed) throw new Error('no trash');
    expect(await machine.restore(trashed, 'keepBoth')).toEqual({ code: 'exists' });
    await expectSound(machine);
  });
});

describe('a reservation', () => {
  async function opened(machine: SpaceMachine, bytes: number, objects: number, expiresAt: Date | null = null) {
    const id = newId();
    expect(await machine.openReservation(id, bytes, objects, expiresAt)).toBe(true);
    return id;
  }

  it('is all that its uploads may take, to the byte and the file', async () => {
    const machine = await machineOf({}, { bytes: 100, objects: 10 });
    const reservationId = await opened(machine, 20, 2);
    expect(await machine.openReservation(newId(), 81, 1)).toBe(false);
    expect(await upload(machine, 'own.txt', 81)).toBe('QUOTA_EXCEEDED');
    expect(await upload(machine, 'a', 21, { reservationId })).toBe('QUOTA_EXCEEDED');
    expect(await upload(machine, 'a', 20, { reservationId })).toBe('a');
    expect(await upload(machine, 'b', 1, { reservationId })).toBe('QUOTA_EXCEEDED');
    expect(await upload(machine, 'b', 0, { reservationId })).toBe('b');
    const refusal = machine.stage('c', Buffer.alloc(0), { conflict: 'replace', tags: null, reservationId });
    expect(await refusal).toBe('QUOTA_EXCEEDED');
    expect(await audit(machine)).toMatchObject({ usedBytes: 20, usedObjects: 2, reservedBytes: 0, reservedObjects: 0 });
    await expectSound(machine);
  });

  it('of another space, or of none, holds nothing', async () => {
    const [machine, stranger] = [await machineOf(), await machineOf()];
    const foreign = await opened(stranger, 50, 5);
    for (const reservationId of [foreign, newId()]) {
      expect(await upload(machine, 'a', 1, { reservationId })).toBe('QUOTA_EXCEEDED');
      expect(await upload(machine, 'a', 0, { reservationId })).toBe('QUOTA_EXCEEDED');
    }
    expect(await audit(stranger)).toMatchObject({ reservedBytes: 50, reservedObjects: 5 });
    await expectSound(machine);
  });

  it('takes back what an upload gives up, and what a replacement did not need', async () => {
    const machine = await machineOf({}, { bytes: 100, objects: 5 });
    const reservationId = await opened(machine, 50, 2);
    await (await staged(machine, 'a', 50, { reservationId })).abort();
    await upload(machine, 'a', 30, { reservationId });
    const replacing = await staged(machine, 'a', 40, { reservationId });
    expect(await audit(machine)).toMatchObject({ usedBytes: 30, reservedBytes: 20 });
    await machine.commit(replacing);
    expect(await audit(machine)).toMatchObject({ usedBytes: 40, reservedBytes: 10, reservedObjects: 1 });
    expect(await upload(machine, 'b', 10, { reservationId })).toBe('b');
    await expectSound(machine);
  });

  it('may end while uploads that have drawn on it go on; what they do not use is the space’s', async () => {
    const machine = await machineOf({}, { bytes: 100, objects: 5 });
    const reservationId = await opened(machine, 60, 3);
    const kept = await staged(machine, 'kept', 25, { reservationId });
    const given = await staged(machine, 'given', 25, { reservationId });
    await machine.closeReservation(reservationId);
    await machine.closeReservation(reservationId);
    expect(await audit(machine)).toMatchObject({ reservedBytes: 50, reservedObjects: 2 });
    await given.abort();
    expect(await machine.commit(kept)).toMatchObject({ code: 'ok' });
    expect(await audit(machine)).toMatchObject({ usedBytes: 25, reservedBytes: 0, reservedObjects: 0 });
    await expectSound(machine);
  });

  it('ends with its time: by the sweep, and at the first refusal that it would cause', async () => {
    const machine = await machineOf({}, { bytes: 100, objects: 5 });
    for (const sweep of [true, false]) {
      const reservationId = await opened(machine, 100, 5, new Date(Date.now() + 60_000));
      const held = await staged(machine, 'a', 10, { reservationId });
      expect(await upload(machine, 'b', 90)).toBe('QUOTA_EXCEEDED');
      await database.prisma.reservation.update({ where: { id: reservationId }, data: { expiresAt: LONG_AGO } });
      if (sweep) expect(await machine.process.ledger.expireOverdue()).toBe(1);
      expect(await upload(machine, 'c', 1, { reservationId })).toBe('QUOTA_EXCEEDED');
      expect(await upload(machine, 'b', 90)).toBe('b');
      expect(await machine.commit(held)).toMatchObject({ code: 'ok' });
      await machine.deletePrefix('');
      await expectSound(machine);
    }
  });

  it('is drawn on again when the file that was to be replaced has gone, also in a full space', async () => {
    const machine = await machineOf({}, { bytes: 100, objects: 3 });
    await upload(machine, 'a', 20);
    const reservationId = await opened(machine, 30, 2);
    const held = await staged(machine, 'a', 20, { reservationId });
    await machine.change('a', { fileName: 'moved', conflict: 'fail' });
    await machine.set({ quotaBytes: 50n });
    expect(await machine.commit(held)).toMatchObject({ code: 'ok' });
    expect(await audit(machine)).toMatchObject({ usedBytes: 40, reservedBytes: 10, reservedObjects: 1 });
    // And no further than it goes.
    const other = await staged(machine, 'a', 20, { reservationId });
    await machine.delete('a');
    await machine.set({ quotaBytes: 1000n });
    expect(await machine.commit(other)).toEqual({ code: 'QUOTA_EXCEEDED' });
    expect(await audit(machine)).toMatchObject({ usedBytes: 20, reservedBytes: 10, uploads: 0 });
    await expectSound(machine);
  });

  it('is grown into by a body of unknown length, and that goes on for nothing when it has ended', async () => {
    const machine = await machineOf({}, { bytes: 100, objects: 5 });
    const { ledger } = machine.process;
    await upload(machine, 'a', 40);
    const reservationId = await opened(machine, 30, 2);
    const file = { path: 'a', conflict: 'replace', contentType: 'text/plain', bytes: 0, reservationId } as const;
    const held = await ledger.reserve(machine.space, file);
    await ledger.grow(held, 60);
    expect(await audit(machine)).toMatchObject({ reservedBytes: 30 });
    await expect(ledger.grow(held, 11)).rejects.toMatchObject({ code: 'QUOTA_EXCEEDED' });
    // A larger content came meanwhile: what was held for the difference goes back.
    await upload(machine, 'a', 55);
    await ledger.grow(held, 0);
    await machine.closeReservation(reservationId);
    expect(await audit(machine)).toMatchObject({ reservedBytes: 5 });
    await upload(machine, 'a', 65);
    await ledger.grow(held, 5);
    expect(await audit(machine)).toMatchObject({ reservedBytes: 0 });
    await expect(ledger.grow(held, 1)).rejects.toMatchObject({ code: 'QUOTA_EXCEEDED' });
    await ledger.release(held);
    await expectSound(machine);
  });

  it('of a drop ends with its link, whatever takes that away', async () => {
    const machine = await machineOf({ kind: 'DRIVE' }, { bytes: 100, objects: 10 });
    await machine.makeFolder('d');
    const link = async () => {
      const reservationId = await opened(machine, 100, 5);
      const { id: spaceId, ownerId } = machine.space;
      const tokenHash = new Uint8Array(Buffer.from(newId()));
      const folderId = await machine.folderId('d');
      const limits = { maxUploadBytes: 100n, maxUploadFiles: 5n };
      await database.prisma.shareLink.create({
        data: { id: newId(), spaceId, ownerId, folderId, tokenHash, reservationId, ...limits },
      });
      return reservationId;
    };
    const reservationId = await link();
    const [held] = await Promise.all([staged(machine, 'd/a', 100, { reservationId, conflict: 'keepBoth' })]);
    expect(await machine.deleteFolder('d', 10)).toBe('deleted');
    // What was on its way does not land.
    expect(await audit(machine)).toMatchObject({ reservedBytes: 0, reservedObjects: 0, uploads: 0 });
    expect(await machine.commit(held)).toEqual({ code: 'DEPENDENCY_UNAVAILABLE' });
    for (let round = 0; round < 10; round += 1) {
      await machine.makeFolder('d');
      const drop = await link();
      const [, landed] = await Promise.all([
        machine.deleteFolder('d', 10),
        upload(machine.other, 'd/x', 60, { reservationId: drop, conflict: 'keepBoth' }),
      ]);
      expect(['d/x', 'QUOTA_EXCEEDED', 'DEPENDENCY_UNAVAILABLE']).toContain(landed);
      await machine.deletePrefix('');
      await machine.emptyTrash();
      expect(await audit(machine)).toMatchObject({ reservedBytes: 0, reservedObjects: 0, faults: [] });
    }
    await expectSound(machine);
  });

  it('growing never counts twice when its own lease was the overdue one', async () => {
    const machine = await machineOf({}, { bytes: 100, objects: 5 });
    const { ledger } = machine.process;
    const file = { path: 'a', conflict: 'replace', contentType: 'text/plain', bytes: 60 } as const;
    const held = await ledger.reserve(machine.space, file);
    await database.prisma.upload.updateMany({
      where: { spaceId: machine.space.id },
      data: { leaseExpiresAt: LONG_AGO },
    });
    await expect(ledger.grow(held, 50)).rejects.toMatchObject({ code: 'QUOTA_EXCEEDED' });
    await ledger.release(held);
    expect(await audit(machine)).toMatchObject({ reservedBytes: 0, reservedObjects: 0, uploads: 0, faults: [] });
  });
});

describe('folders', () => {
  it('move with all below them, by bytes, whatever the characters', async () => {
    const machine = await machineOf({ kind: 'DRIVE' });
    const names = ['x', 'ä_%\\x.txt', '日本/🐈.txt', 'e\u0301'.normalize('NFC'), "o'b", '(1)', '%2e%2e'];
    const neighbours = ['ü%!/x', 'ü%0/x', 'ü%a/x', 'ü_/x', 'ü/x', 'U%/x', 'ü%'];
    await uploadAll(machine, [...names.map((name) => `ü%/${name}`), ...neighbours]);
    expect(await machine.moveFolder('ü%', 'tö/🐈_%\\', 1000)).toBe('moved');
    expect((await pathsOf(machine)).sort()).toEqual(
      [...names.map((name) => `tö/🐈_%\\/${name}`), ...neighbours].sort(),
    );
    expect(await foldersOf(machine)).toContain('tö/🐈_%\\/日本');
    await expectSound(machine);
  });

  it('move without what lies in the trash, which comes back to where it was', async () => {
    const machine = await machineOf({ kind: 'DRIVE' });
    await uploadAll(machine, ['d/e/a', 'd/b']);
    await machine.delete('d/e/a');
    expect(await machine.moveFolder('d', 'f', 10)).toBe('moved');
    const [trashed] = (await machine.rows()).trash;
    if (!trashed) throw new Error('no trash');
    expect(trashed.path).toBe('d/e/a');
    expect(await machine.restore(trashed, 'fail')).toMatchObject({ code: 'ok', path: 'd/e/a' });
    expect(await foldersOf(machine)).toEqual(['d', 'd/e', 'f', 'f/e']);
    await expectSound(machine);
  });

  it('never move where a name below would pass 1024 bytes, counted in bytes', async () => {
    const machine = await machineOf({ kind: 'DRIVE' });
    await uploadAll(machine, [`d/${'é'.repeat(500)}`]);
    expect(await machine.moveFolder('d', 'x'.repeat(24), 10)).toBe('long');
    expect(await machine.moveFolder('d', 'é'.repeat(12), 10)).toBe('long');
    expect(await machine.moveFolder('d', 'x'.repeat(23), 10)).toBe('moved');
    await machine.makeFolder(`e/${'y'.repeat(1000)}`);
    expect(await machine.moveFolder('e', 'z'.repeat(30), 10)).toBe('long');
    expect(await machine.moveFolder('e', `${'z'.repeat(1025)}`, 10)).toBe('long');
    // In steps a number has to fit too.
    expect(await machine.moveFolder('x'.repeat(23), 'x'.repeat(12), 0)).toBe('long');
    expect(await machine.moveFolder('x'.repeat(23), 'w', 1)).toBe('moved');
    await expectSound(machine);
  });

  it('move in steps past namesakes, doubling and skipping none', async () => {
    const machine = await machineOf({ kind: 'DRIVE' });
    const names = ['.env', 'a.b/c', 'a.txt', 'b', 'c.tar.md', 'sub/.env', 'sub/a.txt', 'z'];
    await uploadAll(
      machine,
      names.map((name) => `d/${name}`),
    );
    const ids = (await machine.rows()).living.map(({ id }) => id).sort();
    const move = await beginMove(machine, 'd', 'm');
    expect(await upload(machine, 'm/b', 2)).toBe('CONFLICT');
    // Nothing should be there; if it is, it stays.
    await move.paused(async () => {
      for (const name of names.slice(0, 6)) await upload(machine, `m/${name}`, 2);
      await upload(machine, 'm/a (1).txt', 2);
    });
    await move.end();
    const rows = await machine.rows();
    const moved = rows.living.filter(({ id }) => ids.includes(id)).map(({ path }) => path);
    expect(moved.sort()).toEqual(
      [
        'm/.env (1)',
        'm/a (2).txt',
        'm/a.b/c (1)',
        'm/b (1)',
        'm/c.tar (1).md',
        'm/sub/.env (1)',
        'm/sub/a.txt',
        'm/z',
      ].sort(),
    );
    expect(rows.living).toHaveLength(names.length + 7);
    expect(rows.folders).toEqual(['m', 'm/a.b', 'm/sub']);
    await expectSound(machine);
  });

  it('leave nothing behind that was there when the move or the deletion began, and take nothing that came later', async () => {
    for (const kind of ['move', 'delete'] as const) {
      const machine = await machineOf({ kind: 'DRIVE', trashDays: 0 });
      await uploadAll(machine, ['d/a', 'd/b']);
      // Others stand in the queue for the lock: whoever began later may come first.
      const { uow } = machine.process;
      const landed: Promise<string>[] = [];
      const done = uow.run(async (tx) => {
        await tx.$queryRaw`SELECT now()`;
        for (let i = 0; i < 5; i += 1) landed.push(upload(machine.other, `d/late${i}`));
        await Promise.all(landed);
        const operationId = newId();
        const folder = { id: await machine.folderId('d'), path: 'd' };
        const batch = { folder, limit: 0, operationId, ...AUDIT };
        const to = { path: 'm', parentId: null };
        if (kind === 'move') await machine.process.folders.move(tx, machine.space.id, { ...batch, to });
        else await machine.process.folders.delete(tx, machine.space.id, batch);
        return operationId;
      });
      const operationId = await done;
      const before = await machine.operationTime(operationId);
      // What is new may come to where is deleted, as it is younger; nothing else may come there until it is done.
      await ask('SELECT pg_sleep(0.005)');
      expect(await upload(machine, 'd/new')).toBe(kind === 'move' ? 'CONFLICT' : 'd/new');
      await upload(machine, 'old');
      expect(await machine.change('old', { fileName: 'd/old', conflict: 'replace' })).toEqual({ code: 'CONFLICT' });
      if (kind === 'move') {
        const step = { from: 'd', to: 'm', before, limit: 100 };
        expect(await machine.process.folders.moveStep(machine.space.id, step)).toBe(7);
      } else {
        expect(await machine.deleteBelow('d', before, 3)).toBe(7);
      }
      const left = (await pathsOf(machine)).filter((path) => path.startsWith('d/'));
      expect(left).toEqual(kind === 'move' ? [] : ['d/new']);
      await expectSound(machine);
    }
  });

  it('are made again for what arrives in them', async () => {
    const machine = await machineOf({ kind: 'DRIVE' });
    await uploadAll(machine, ['d/a', 'd/sub/b']);
    const move = await beginMove(machine, 'd', 'm');
    // What is on its way is not replaced where it was.
    expect(await upload(machine, 'd/a', 9)).toBe('CONFLICT');
    await machine.process.fileLedger.pruneFolders(machine.space.id, 'm', AUDIT);
    expect(await foldersOf(machine)).toEqual([]);
    await move.end();
    expect(await pathsOf(machine)).toEqual(['m/a', 'm/sub/b']);
    expect(await foldersOf(machine)).toEqual(['m', 'm/sub']);
    await expectSound(machine);
  });

  it('of pockets: a file that is older than a deletion is not taken along, since it cannot come there', async () => {
    const machine = await machineOf({ trashDays: 7 });
    await uploadAll(machine, ['old', 'd/trashed']);
    await machine.delete('d/trashed');
    const params = { prefix: 'd/', before: new Date(Date.now() + 60_000).toISOString() };
    await database.prisma.operation.create({
      data: { id: newId(), spaceId: machine.space.id, kind: 'prefix.delete', params, total: 0n },
    });
    expect(await machine.change('old', { fileName: 'd/old', conflict: 'replace' })).toEqual({ code: 'CONFLICT' });
    const [trashed] = (await machine.rows()).trash;
    if (!trashed) throw new Error('no trash');
    expect(await machine.restore(trashed, 'fail')).toEqual({ code: 'busy' });
    expect(await machine.change('old', { fileName: 'dd/old', conflict: 'replace' })).toMatchObject({ code: 'ok' });
    // What comes anew is younger.
    expect(await upload(machine, 'd/new')).toBe('d/new');
    await expectSound(machine);
  });

  it('are busy while an operation on them, above or below them is under way', async () => {
    const machine = await machineOf({ kind: 'DRIVE' });
    await uploadAll(machine, ['p/d/sub/a', 'q/x', 'n/x']);
    const move = await beginMove(machine, 'p/d', 'm/t');
    for (const [from, to] of [
      ['m', 'k'],
      ['m/t', 'k'],
      ['m/t/sub', 'm/t/other'],
      ['p', 'k'],
      ['q', 'p/d'],
      ['q', 'p/d/x'],
    ] as const) {
      expect(await machine.moveFolder(from, to, 10), `${from} to ${to}`).toBe('busy');
    }
    for (const folder of ['m', 'm/t', 'm/t/sub', 'p']) expect(await machine.deleteFolder(folder, 10)).toBe('busy');
    expect(await machine.moveFolder('q', 'p/e', 10)).toBe('moved');
    expect(await machine.deleteFolder('n', 10)).toBe('deleted');
    await move.end();
    expect(await machine.moveFolder('m', 'k', 10)).toBe('moved');
    expect(await pathsOf(machine)).toEqual(['k/t/sub/a', 'p/e/x']);
    await expectSound(machine);
  });

  it('are as many as a drive may have objects, and always a thousand', async () => {
    const machine = await machineOf({ kind: 'DRIVE' }, { bytes: 1000, objects: 100 });
    const deep = (depth: number) => Array.from({ length: depth }, (_, i) => i % 10).join('/');
    await upload(machine, `${deep(500)}/x`);
    await upload(machine, `y/${deep(498)}/x`);
    expect(await audit(machine)).toMatchObject({ folders: 999, faults: [] });
    expect(await upload(machine, 'u/v/x')).toBe('CONFLICT');
    expect(await upload(machine, 'u/x')).toBe('u/x');
    expect(await upload(machine, 'v/x')).toBe('CONFLICT');
    expect(await upload(machine, 'u/y')).toBe('u/y');
    expect(await machine.makeFolder('w')).toBe('folders');
    expect(await machine.makeFolder('u')).toBe('exists');
    expect(await machine.moveFolder('u', 'w/u', 10)).toBe('folders');
    expect(await machine.moveFolder('u', 'w', 10)).toBe('moved');
    expect(await machine.change('w/x', { fileName: 'v/x', conflict: 'fail' })).toEqual({ code: 'CONFLICT' });
    await machine.delete('w/x');
    await machine.deleteFolder('w', 10);
    await upload(machine, 'full/x');
    const trashed = (await machine.rows()).trash.find(({ path }) => path === 'w/x');
    if (!trashed) throw new Error('no trash');
    expect(await machine.restore(trashed, 'fail')).toEqual({ code: 'folders' });
    await expectSound(machine);
  });

  it('are what a path says', async () => {
    const parents = {
      a: '',
      'a/b': 'a',
      'a/b/c.d': 'a/b',
      'ä /é': 'ä ',
      '.../..b': '...',
      ' / ': ' ',
      'a/b\\c': 'a',
      '': '',
    };
    for (const [path, parent] of Object.entries(parents)) {
      expect(await ask<{ p: string }>('SELECT path_parent($1) AS p', [path])).toEqual([{ p: parent }]);
    }
  });
});

describe('two at once', () => {
  const ROUNDS = 15;

  it('restore against purge: one of them has the file', async () => {
    const machine = await machineOf({ kind: 'DRIVE' });
    for (let round = 0; round < ROUNDS; round += 1) {
      await uploadAll(machine, ['d/a']);
      await machine.delete('d/a');
      const [trashed] = (await machine.rows()).trash;
      if (!trashed) throw new Error('no trash');
      const [restored, purged] = await Promise.all([
        machine.restore(trashed, 'fail'),
        machine.other.purge([trashed.id]),
      ]);
      expect([restored.code, purged]).toEqual(purged === 1 ? ['gone', 1] : ['ok', 0]);
      await machine.deletePrefix('');
      await machine.emptyTrash();
    }
    await expectSound(machine);
  });

  it('a restored version against a replacement: nothing is lost but what falls out', async () => {
    const machine = await machineOf({ versionsKept: 2 });
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const size of [1, 2, 3]) await upload(machine, 'a', size);
      const [file] = (await machine.rows()).living;
      const oldest = file?.versions[1]?.id ?? '';
      const [restored, replaced] = await Promise.all([
        machine.restoreVersion(file?.id ?? '', oldest),
        upload(machine.other, 'a', 4),
      ]);
      expect(replaced).toBe('a');
      const [after] = (await machine.rows()).living;
      const sizes = [after?.content, ...(after?.versions ?? [])].map((content) => content?.sizeBytes);
      expect([[1, 4, 3].join(), [4, 3, 2].join(), [4, 1, 3].join()]).toContain(sizes.join());
      expect(restored === 'no-version').toBe(sizes.join() === '4,3,2');
    }
    await expectSound(machine);
  });

  it('two versions of one file, restored and removed', async () => {
    const machine = await machineOf({ versionsKept: 5 });
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const size of [1, 2]) await upload(machine, 'a', size);
      const [file] = (await machine.rows()).living;
      const [id, version] = [file?.id ?? '', file?.versions[0]?.id ?? ''];
      const codes = await Promise.all([machine.restoreVersion(id, version), machine.other.deleteVersion(id, version)]);
      expect(codes.filter((code) => code === 'ok')).toHaveLength(1);
    }
    await expectSound(machine);
  });

  it.each([
    ['a deleted folder', (machine: Machine) => machine.deleteFolder('d', 1)],
    ['a moved folder', (machine: Machine) => machine.moveFolder('d', 'm', 1)],
    ['a prefix', (machine: Machine) => machine.deletePrefix('d/')],
    ['an emptied trash', (machine: Machine) => machine.emptyTrash()],
  ])('%s against uploads, renames, copies and restores', async (_, act) => {
    const machine = await machineOf({ kind: 'DRIVE', versionsKept: 1 });
    for (let round = 0; round < ROUNDS; round += 1) {
      await uploadAll(machine, ['d/a', 'd/b', 'd/c', 'x', 'd/t']);
      await machine.delete('d/t');
      const [trashed] = (await machine.rows()).trash;
      if (!trashed) throw new Error('no trash');
      const codes = await Promise.all([
        upload(machine.other, 'd/a', 3),
        upload(machine.other, 'd/new', 3, { conflict: 'keepBoth' }),
        act(machine),
        machine.other.change('x', { fileName: 'd/x', conflict: 'replace' }),
        machine.copy('d/b', 'd/copy', 'fail'),
        machine.other.restore(trashed, 'keepBoth'),
        machine.other.makeFolder('d/e'),
      ]);
      expect(['d/a', 'CONFLICT']).toContain(codes[0]);
      expect((await audit(machine)).faults).toEqual([]);
      for (const folder of ['d', 'm']) await machine.deleteFolder(folder, 100);
      await machine.deletePrefix('');
      await machine.emptyTrash();
    }
    await expectSound(machine);
  });

  it('moves of folders into each other: never a ring', async () => {
    const machine = await machineOf({ kind: 'DRIVE' });
    await uploadAll(machine, ['a/x', 'b/x']);
    const into = async (one: SpaceMachine, name: string, parent: string) => {
      const { uow, folders } = one.process;
      const folder = { id: await one.folderId(name), path: name };
      const to = { path: `${parent}/${name}`, parentId: await one.folderId(parent) };
      const move = { folder, to, limit: 10, operationId: newId(), ...AUDIT };
      return (await uow.run((tx) => folders.move(tx, one.space.id, move))).outcome;
    };
    for (let round = 0; round < ROUNDS; round += 1) {
      const codes = await Promise.all([into(machine, 'a', 'b'), into(machine.other, 'b', 'a')]);
      expect(codes.filter((code) => code === 'moved')).toHaveLength(1);
      const inner = codes[0] === 'moved' ? ['b/a', 'a'] : ['a/b', 'b'];
      expect(await machine.moveFolder(inner[0] ?? '', inner[1] ?? '', 10)).toBe('moved');
    }
    expect(await foldersOf(machine)).toEqual(['a', 'b']);
    await expectSound(machine);
  });
});

describe('processes of the version before', () => {
  it('reserve, commit and delete as they know it', async () => {
    const machine = await machineOf({ kind: 'DRIVE', versionsKept: 1 });
    const { id: spaceId, prefix } = machine.space;
    const commitOld = async (path: string, bytes: number) => {
      const [uploadId, objectKey] = [newId(), `${prefix}${newId()}`];
      const item = {
        id: uploadId,
        path,
        conflict: 'replace',
        object_key: objectKey,
        content_type: 'text/plain',
        bytes,
      };
      const [reserved] = await ask<{ outcome: string }>('SELECT * FROM ledger_reserve($1, $2, $3)', [
        spaceId,
        JSON.stringify([item]),
        40,
      ]);
      expect(reserved?.outcome).toBe('reserved');
      const { bytes: content, content: described } = contentOf(bytes, 1);
      await machine.process.store.put(objectKey, content, { contentType: 'text/plain' });
      const record = {
        upload_id: uploadId,
        object_key: objectKey,
        file_id: newId(),
        usage_id: newId(),
        audit_id: newId(),
        stem: path,
        suffix: '',
        size_bytes: bytes,
        sha256: described.sha256,
        etag: 'e',
        content_type: 'text/plain',
        category: 'document',
        extension: '',
        tags: null,
        action: 'file.upload',
        actor_type: 'system',
      };
      const [committed] = await ask<{ outcome: string; used_bytes: number }>('SELECT * FROM ledger_commit($1, $2)', [
        spaceId,
        JSON.stringify([record]),
      ]);
      return committed;
    };
    expect(await commitOld('d/a', 5)).toMatchObject({ outcome: 'committed', used_bytes: 5 });
    expect(await commitOld('d/a', 7)).toMatchObject({ outcome: 'committed', used_bytes: 12 });
    await expectSound(machine);
    const items = JSON.stringify([{ path: 'd/a', usage_id: newId(), audit_id: newId() }, { path: 'none' }]);
    const gone = await ask('SELECT * FROM ledger_delete($1, $2, $3)', [spaceId, items, AUDIT_JSON]);
    expect(gone).toMatchObject([{ path: 'd/a', size_bytes: 7 }]);
    expect(Object.keys(gone[0] ?? {})).toEqual(['file_id', 'path', 'size_bytes']);
    expect(await audit(machine)).toMatchObject({ usedBytes: 0, usedObjects: 0, trashObjects: 0, faults: [] });
    await expectSound(machine);
  });
});

describe('erasing', () => {
  it('takes all of it, a few files at a time', async () => {
    const machine = await machineOf({ kind: 'DRIVE', versionsKept: 3 });
    await uploadAll(machine, ['d/a', 'd/a', 'd/b', 'd/e/c', 'x', 'x', 'x']);
    await machine.delete('d/a');
    await machine.delete('x');
    const reservationId = newId();
    await machine.openReservation(reservationId, 100, 5);
    await staged(machine, 'held', 10);
    await staged(machine, 'drawn', 10, { reservationId });
    await beginMove(machine, 'd', 'm');
    const { ledger: _, database: own } = machine.process;
    for (;;) {
      const [row] = await ask<{ n: number }>('SELECT ledger_erase($1, $2) AS n', [machine.space.id, 2]);
      if (row?.n === 0) break;
    }
    const { usedBytes, usedObjects, trashBytes, versionBytes, reservedBytes, reservedObjects } = await audit(machine);
    expect([usedBytes, usedObjects, trashBytes, versionBytes, reservedBytes, reservedObjects]).toEqual([
      0, 0, 0, 0, 0, 0,
    ]);
    expect(await machine.differingObjects()).toEqual([]);
    await own.prisma.space.delete({ where: { id: machine.space.id } });
    expect(await own.prisma.folder.count({ where: { spaceId: machine.space.id } })).toBe(0);
  });
});

/** Kept here, as the services have no use for it: several reservations of uploads in one statement. */
describe('a batch', () => {
  it('mixes those with and without a reservation', async () => {
    const machine = await machineOf({}, { bytes: 100, objects: 10 });
    const reservationId = newId();
    await machine.openReservation(reservationId, 40, 4);
    const repository = new LedgerRepository(database);
    const item = (path: string, bytes: number, named?: string) => ({
      uploadId: newId(),
      path,
      conflict: 'replace' as const,
      objectKey: `${machine.space.prefix}${newId()}`,
      contentType: 'text/plain',
      bytes,
      reservationId: named,
    });
    const items = [item('a', 60), item('b', 40, reservationId), item('c', 1), item('d', 1, reservationId)];
    const answers = await repository.reserve(machine.space.id, items, 40);
    expect(items.map(({ uploadId }) => answers.get(uploadId)?.outcome)).toEqual([
      'reserved',
      'reserved',
      'refused',
      'refused',
    ]);
    expect(answers.get(items[3]?.uploadId ?? '')).toMatchObject({ counters: { quotaBytes: 40, usedBytes: 40 } });
    for (const { uploadId, objectKey } of items) {
      const held: Reservation = { uploadId, objectKey, spaceId: machine.space.id };
      await machine.process.ledger.release(held);
    }
    expect(await audit(machine)).toMatchObject({ reservedBytes: 40, reservedObjects: 4, faults: [] });
  });
});
