import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDiskStore, type StoreUnderTest } from '../support/object-stores.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { createPeople, type People, SharingMachine, SharingProcess } from '../support/sharing-machine.ts';
import { GRANTEES, isFile, PERSONS, type Person, SharingModel } from '../support/sharing-model.ts';
import {
  isSharingStep,
  type SharingStep,
  sharedSettings,
  sharedSteps,
  sown,
  takeSharingStep,
} from '../support/sharing-steps.ts';
import { SpaceMachine, SpaceProcess } from '../support/space-machine.ts';
import { type ModelSettings, SpaceModel } from '../support/space-model.ts';
import { Open, type Step, settings, stepsOf, takeStep } from '../support/space-steps.ts';
import { auditSpace, createTestSpace } from '../support/spaces.ts';

/** 10,000 for a night's run. */
const SEQUENCES = Number(process.env['MODEL_SEQUENCES'] ?? 1000);
const ROUNDS = Math.ceil(SEQUENCES * 0.3);
const SHARED = Math.ceil(SEQUENCES * 0.25);
/** At once; each with a seed of its own, which a failure prints. */
const LANES = 4;

let testDatabase: TestDatabase;
let disk: StoreUnderTest;
let processes: [SpaceProcess, SpaceProcess];
let sharing: SharingProcess;
let people: People;

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  disk = await openDiskStore();
  // They share nothing but database and store: as two processes.
  processes = [new SpaceProcess(testDatabase.url, disk.store), new SpaceProcess(testDatabase.url, disk.store)];
  sharing = new SharingProcess(processes[0]);
  people = await createPeople(processes[0].database);
});

afterAll(async () => {
  await Promise.all(processes.map((process) => process.close()));
  await testDatabase.drop();
  await disk.close();
});

async function begin(start: ModelSettings) {
  const quota = { bytes: start.quotaBytes, objects: start.quotaObjects };
  const space = await createTestSpace(processes[0].database, quota, start);
  return {
    machines: processes.map((process) => new SpaceMachine(process, space)),
    model: new SpaceModel(start),
    space,
  };
}

/** What both say that the space holds. */
async function compare(machine: SpaceMachine, model: SpaceModel): Promise<void> {
  const [audit, listed, rows] = await Promise.all([
    auditSpace(machine.process.database, machine.space.id),
    machine.list(),
    machine.rows(),
  ]);
  const byPath = <T extends { path: string; id: string }>(files: Iterable<T>) =>
    [...files].sort((a, b) => Buffer.compare(Buffer.from(`${a.path}\0${a.id}`), Buffer.from(`${b.path}\0${b.id}`)));
  const living = byPath(model.living.values());
  expect(listed).toEqual(living.map(({ id, path, content, tags }) => ({ id, path, content, tags })));
  const withoutIds = ({ versions, ...file }: (typeof rows.living)[number]) => ({
    ...file,
    versions: versions.map(({ sizeBytes, sha256 }) => ({ sizeBytes, sha256 })),
  });
  expect({ living: rows.living.map(withoutIds), trash: rows.trash.map(withoutIds), folders: rows.folders }).toEqual({
    living,
    trash: byPath(model.trash),
    folders: [...model.folders.keys()].sort(),
  });
  expect(audit).toMatchObject({ ...model.counters(), faults: [] });
}

async function runSequence(start: ModelSettings, steps: readonly Step[]): Promise<void> {
  const { machines, model } = await begin(start);
  const [machine] = machines;
  if (!machine) throw new Error('no machine');
  const open = new Open();
  for (const [index, step] of steps.entries()) {
    const { real, expected } = await takeStep(step, machine, model, open);
    expect(real, `step ${index}: ${JSON.stringify(step)}`).toEqual(expected);
    await compare(machine, model);
  }
  for (const upload of open.staged) await upload.abort();
  expect(await machine.differingObjects()).toEqual([]);
}

/** What the owner is told to have shared. */
async function compareLists(machine: SharingMachine, model: SharingModel): Promise<void> {
  const { folders, reservations } = model.space;
  const [ids, shares, drops] = await Promise.all([machine.folderIds(), machine.shares(), machine.drops()]);
  const byId = (a: { id: string }, b: { id: string }) => (a.id < b.id ? 1 : -1);
  expect([...ids.keys()].sort()).toEqual([...folders.keys()].sort());
  expect(shares).toEqual(
    model.shares.map(({ id, subject: { path }, permission }) => ({ id, path, permission })).sort(byId),
  );
  expect(drops).toEqual(
    model.drops
      .map(({ id, folder, maxFiles }) => {
        const held = reservations.get(id)?.heldObjects;
        return { id, folderId: ids.get(folder.path), uploadedFiles: held === undefined ? null : maxFiles - held };
      })
      .sort(byId),
  );
}

/** What each of these may do with everything in the drive. */
async function compareRoles(machine: SharingMachine, model: SharingModel, persons: readonly Person[]): Promise<void> {
  const { living, trash, folders } = model.space;
  const ids = await machine.folderIds();
  const things = [...living.values(), ...folders.values(), ...trash];
  const roles = persons.flatMap((person) =>
    things.map(async (thing) => {
      const isTrashed = isFile(thing) && trash.includes(thing);
      const what = `${person}: ${thing.path}${isTrashed ? ' (trash)' : ''}`;
      const [kind, id] = isFile(thing)
        ? (['file', thing.id] as const)
        : (['folder', ids.get(thing.path) ?? ''] as const);
      const expected = isTrashed ? 'none' : model.role(person, thing);
      return [`${what} is ${await machine.role(person, kind, id)}`, `${what} is ${expected}`];
    }),
  );
  const compared = await Promise.all(roles);
  expect(compared.map(([real]) => real)).toEqual(compared.map(([, expected]) => expected));
}

function isRefusal(outcome: unknown): boolean {
  return typeof outcome === 'string' && /^[A-Z_]+$/.test(outcome);
}

type Steps = readonly (Step | SharingStep)[];

async function runShared(start: ModelSettings, before: Steps, steps: Steps): Promise<void> {
  const { machines, model, space } = await begin(start);
  const [machine] = machines;
  if (!machine) throw new Error('no machine');
  const open = new Open();
  const drive = {
    machine: new SharingMachine(sharing, space, people),
    model: new SharingModel(model),
    open,
  };
  const withShares = () => GRANTEES.filter((person) => drive.model.shares.some(({ grantee }) => grantee === person));
  for (const [index, step] of [...before, ...steps].entries()) {
    const { real, expected } = isSharingStep(step)
      ? await takeSharingStep(step, drive)
      : await takeStep(step, machine, model, open);
    drive.model.settle();
    expect(real, `step ${index}: ${JSON.stringify(step)}`).toEqual(expected);
    if (index < before.length - 1) continue;
    await compare(machine, model);
    // Who was refused has changed nothing; else it shows at the next step.
    if (!isRefusal(real)) await compareRoles(drive.machine, drive.model, withShares());
  }
  await compareRoles(drive.machine, drive.model, PERSONS);
  await compareLists(drive.machine, drive.model);
  for (const upload of open.staged) await upload.abort();
  expect(await machine.differingObjects()).toEqual([]);
}

/** What the ledger may say to somebody who is not alone; nothing else, and no error of the server. */
const REFUSALS = new Set(['ok', 'FILE_EXISTS', 'FILE_NOT_FOUND', 'QUOTA_EXCEEDED', 'CONFLICT']);

async function runRound(start: ModelSettings, before: readonly Step[], together: readonly Step[]): Promise<void> {
  const { machines, model } = await begin(start);
  const [machine] = machines;
  if (!machine) throw new Error('no machine');
  const open = new Open();
  for (const step of before) await takeStep(step, machine, model, open);
  // The model knows where to begin; what comes of all at once only the audit can tell.
  const codes = await Promise.all(
    together.map(async (step, index) => {
      const one = machines[index % machines.length] ?? machine;
      const own = new SpaceModel(start);
      for (const file of model.living.values()) own.living.set(file.path, { ...file, versions: [...file.versions] });
      own.trash = [...model.trash];
      try {
        return (await takeStep(step, one, own, open)).real;
      } catch (error) {
        // Names that others took meanwhile are news to this model; what the database throws is not.
        if (error instanceof Error && / and .* given$/.test(error.message)) return 'ok';
        throw error;
      }
    }),
  );
  for (const code of codes) if (isRefusal(code)) expect(REFUSALS).toContain(code);
  for (const upload of open.staged) await upload.abort();
  expect(await auditSpace(machine.process.database, machine.space.id)).toMatchObject({ faults: [], uploads: 0 });
  expect(await machine.differingObjects()).toEqual([]);
}

/** The property, in lanes of a seed each. */
async function inLanes(runs: number, assert: (options: { numRuns: number; seed: number }) => Promise<void>) {
  const seed = Number(process.env['MODEL_SEED'] ?? Date.now() % 2 ** 31);
  const numRuns = Math.ceil(runs / LANES);
  await Promise.all(Array.from({ length: LANES }, (_, lane) => assert({ numRuns, seed: seed + lane })));
}

describe('a space', () => {
  const minutes = 60_000 * Math.ceil(SEQUENCES / 150);

  it(
    'is what the model says after every step of any sequence, and its objects are its rows',
    { timeout: minutes },
    () =>
      inLanes(SEQUENCES, (options) =>
        fc.assert(fc.asyncProperty(settings, stepsOf(6, 15), runSequence), { ...options, endOnFailure: false }),
      ),
  );

  it('is shared as the model says: who reaches what, and what comes into drops', { timeout: minutes }, () =>
    inLanes(SHARED, (options) => fc.assert(fc.asyncProperty(sharedSettings, sown, sharedSteps, runShared), options)),
  );

  it('adds up when two processes do several things at once, and nobody deadlocks', { timeout: minutes }, () =>
    inLanes(ROUNDS, (options) => {
      const round = fc.asyncProperty(settings, stepsOf(3, 8), stepsOf(2, 6), runRound);
      return fc.assert(round, options);
    }),
  );
});
