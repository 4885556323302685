import fc from 'fast-check';
import type { StagedFile } from '../../src/features/ingest/index.ts';
import { CONFLICT_POLICIES } from '../../src/features/ledger/index.ts';
import { newId } from '../../src/platform/crypto/random.ts';
import type { SpaceMachine } from './space-machine.ts';
import { type Answer, contentOf, type ModelUpload, type SpaceModel } from './space-model.ts';

/** Few, so that they meet: neighbours of `d/` in the order of bytes, numbered namesakes, and characters that SQL knows. */
const PATHS = [
  'a.txt',
  'a (1).txt',
  'b',
  'd/a.txt',
  'd/b',
  'd/e/a.txt',
  'd!/a.txt',
  'd0/a.txt',
  'd%/ä_\\.txt',
  'dd/a.txt',
  'f/a.txt',
  'f/é/日本.txt',
];
const FOLDERS = ['d', 'd/e', 'd0', 'dd', 'f', 'f/é', 'd%', 'g', 'f/g', 'd/e/h'];
const PREFIXES = ['', 'd', 'd/', 'd/e', 'a', 'f/', 'd%', 'none'];

/** Mostly the same few: what is never replaced, moved and brought back tells nothing. */
const path = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom('a.txt', 'd/a.txt') },
  { weight: 2, arbitrary: fc.constantFrom(...PATHS) },
);
const folder = fc.oneof(
  { weight: 1, arbitrary: fc.constantFrom('d', 'f') },
  { weight: 1, arbitrary: fc.constantFrom(...FOLDERS) },
);
const conflict = fc.constantFrom(...CONFLICT_POLICIES, 'replace' as const);
const tags = fc.constantFrom(null, [], ['red'], ['red', 'k=v']);
const size = fc.oneof(fc.integer({ min: 0, max: 60 }), fc.constantFrom(0, 1, 100));
/** Which of what there is; beyond the end, one that is not there. */
const pick = fc.nat({ max: 4 });
const limit = fc.constantFrom(1, 2, 1000);
const slot = fc.nat({ max: 1 });
const kind = <K extends string>(name: K) => fc.constant(name);

const upload = { path, size, conflict, tags, slot: fc.oneof({ weight: 5, arbitrary: fc.constant(undefined) }, slot) };

/** One of a space that nobody else reaches. */
export const step = fc.oneof(
  { weight: 12, arbitrary: fc.record({ kind: kind('upload'), ...upload }) },
  { weight: 4, arbitrary: fc.record({ kind: kind('stage'), ...upload }) },
  { weight: 4, arbitrary: fc.record({ kind: kind('commit'), pick }) },
  { weight: 1, arbitrary: fc.record({ kind: kind('abort'), pick }) },
  { weight: 5, arbitrary: fc.record({ kind: kind('move'), path, to: path, conflict, tags }) },
  { weight: 1, arbitrary: fc.record({ kind: kind('tag'), path, tags }) },
  { weight: 4, arbitrary: fc.record({ kind: kind('copy'), path, to: path, conflict }) },
  { weight: 4, arbitrary: fc.record({ kind: kind('delete'), path }) },
  { weight: 1, arbitrary: fc.record({ kind: kind('deleteMany'), paths: fc.array(path, { maxLength: 4 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: kind('deletePrefix'), prefix: fc.constantFrom(...PREFIXES) }) },
  { weight: 4, arbitrary: fc.record({ kind: kind('restore'), pick, conflict }) },
  { weight: 2, arbitrary: fc.record({ kind: kind('purge'), pick }) },
  { weight: 1, arbitrary: fc.record({ kind: kind('emptyTrash') }) },
  { weight: 3, arbitrary: fc.record({ kind: kind('restoreVersion'), path, pick }) },
  { weight: 2, arbitrary: fc.record({ kind: kind('deleteVersion'), path, pick }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: kind('settings'),
      trashDays: fc.constantFrom(null, 0, 7),
      versionsKept: fc.constantFrom(0, 1, 2, 5),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: kind('quota'),
      quotaBytes: fc.integer({ min: 0, max: 400 }),
      quotaObjects: fc.integer({ min: 0, max: 12 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: kind('makeFolder'), folder }) },
  { weight: 4, arbitrary: fc.record({ kind: kind('moveFolder'), folder, to: folder, limit }) },
  { weight: 2, arbitrary: fc.record({ kind: kind('deleteFolder'), folder, limit }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: kind('open'), slot, bytes: size, objects: fc.integer({ min: 0, max: 4 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: kind('close'), slot }) },
);

type Of<A> = A extends fc.Arbitrary<infer T> ? T : never;
export type Step = Of<typeof step>;

/** How a space begins. */
export const settings = fc.record({
  kind: fc.constantFrom('KEY' as const, 'DRIVE' as const),
  trashDays: fc.constantFrom(null, null, 0, 7),
  versionsKept: fc.constantFrom(0, 0, 1, 2, 5),
  quotaBytes: fc.constantFrom(100, 250, 1000, 1000),
  quotaObjects: fc.constantFrom(3, 8, 100, 100),
});

/** So many steps; what is left of a failure is never shorter either. */
export function stepsOf(minLength: number, maxLength: number): fc.Arbitrary<Step[]> {
  return fc.array(step, { minLength, maxLength, size: 'max' });
}

/** What a step came to, and what it should have. */
export interface Outcome {
  readonly real: unknown;
  readonly expected: unknown;
}

/** An upload that is stored on both, however it came. */
export interface StagedUpload {
  commit(): Promise<Outcome>;
  abort(): Promise<void>;
}

/** What the steps of one sequence leave open for later ones. */
export class Open {
  readonly staged: StagedUpload[] = [];
  readonly reservations: string[] = [newId(), newId()];
  seed = 0;

  /** One of the staged uploads, which is then no longer open. */
  takeStaged(index: number) {
    return this.staged.splice(index, 1)[0];
  }

  reservation(index: number | undefined): string | undefined {
    return index === undefined ? undefined : this.reservations[index];
  }
}

/** One step on both; answers how it went and how it should have gone. */
export async function takeStep(step: Step, machine: SpaceMachine, model: SpaceModel, open: Open): Promise<Outcome> {
  const isDrive = model.settings.kind === 'DRIVE';
  switch (step.kind) {
    case 'upload':
    case 'stage': {
      open.seed += 1;
      const { bytes, content } = contentOf(step.size, open.seed);
      const reservationId = open.reservation(step.slot);
      const staged = await machine.stage(step.path, bytes, { ...step, reservationId });
      const reserved = model.reserve({ ...step, content, reservationId });
      const expected = typeof reserved === 'string' ? reserved : 'ok';
      if (typeof staged === 'string') return { real: staged, expected };
      const upload = stagedUpload(staged, typeof reserved === 'string' ? null : reserved, { machine, model });
      if (step.kind === 'upload') return upload.commit();
      open.staged.push(upload);
      return { real: 'ok', expected };
    }
    case 'commit': {
      const upload = open.takeStaged(step.pick);
      return upload ? upload.commit() : NOTHING;
    }
    case 'abort': {
      await open.takeStaged(step.pick)?.abort();
      return NOTHING;
    }
    case 'move': {
      const change = { conflict: step.conflict, tags: step.tags ?? undefined };
      const answer = await machine.change(step.path, { ...change, fileName: step.to });
      return compared(answer, (given) => model.change(step.path, { ...change, to: step.to }, given));
    }
    case 'tag': {
      const change = { conflict: 'replace' as const, tags: step.tags ?? undefined };
      return compared(await machine.change(step.path, change), (given) => model.change(step.path, change, given));
    }
    case 'copy': {
      const answer = await machine.copy(step.path, step.to, step.conflict);
      return compared(answer, (given) => {
        const source = model.living.get(step.path);
        if (!source) return 'FILE_NOT_FOUND';
        const reserved = model.reserve({ ...step, path: step.to, content: source.content, tags: source.tags });
        return typeof reserved === 'string' ? reserved : model.commit(reserved, given);
      });
    }
    case 'delete': {
      const answer = await machine.delete(step.path);
      return { real: answer.code, expected: model.delete([step.path]).length === 1 ? 'ok' : 'FILE_NOT_FOUND' };
    }
    case 'deleteMany':
      return {
        real: (await machine.deleteMany(step.paths)).sort(),
        expected: model.delete(step.paths).sort(),
      };
    case 'deletePrefix':
      return {
        real: (await machine.deletePrefix(step.prefix)).sort(),
        expected: model.deletePrefix(step.prefix).sort(),
      };
    case 'restore': {
      const file = model.trash[step.pick];
      const named = file ?? { id: newId(), path: 'b' };
      return compared(await machine.restore({ id: named.id, path: named.path }, step.conflict), (given) =>
        model.restore(file, step.conflict, given),
      );
    }
    case 'purge': {
      const file = model.trash[step.pick];
      // A living one is not purged.
      const ids = [file?.id ?? newId(), [...model.living.values()][0]?.id ?? newId()];
      const real = await machine.purge(ids);
      if (file) model.purge([file]);
      return { real, expected: file ? 1 : 0 };
    }
    case 'emptyTrash': {
      const expected = model.trash.length;
      model.purge(model.trash);
      return { real: await machine.emptyTrash(), expected };
    }
    case 'restoreVersion':
    case 'deleteVersion': {
      const fileId = model.living.get(step.path)?.id ?? newId();
      const row = (await machine.rows()).living.find(({ id }) => id === fileId);
      const versionId = row?.versions[step.pick]?.id ?? newId();
      return {
        real: await machine[step.kind](fileId, versionId),
        expected: model[step.kind](step.path, step.pick),
      };
    }
    case 'settings': {
      const { trashDays, versionsKept } = step;
      await machine.set({ trashDays, versionsKept });
      Object.assign(model.settings, { trashDays, versionsKept });
      return NOTHING;
    }
    case 'quota': {
      const { quotaBytes, quotaObjects } = step;
      await machine.set({ quotaBytes: BigInt(quotaBytes), quotaObjects: BigInt(quotaObjects) });
      Object.assign(model.settings, { quotaBytes, quotaObjects });
      return NOTHING;
    }
    case 'makeFolder':
      return { real: await machine.makeFolder(step.folder), expected: model.makeFolder(step.folder) };
    case 'moveFolder':
      if (!isDrive) return NOTHING;
      return {
        real: await machine.moveFolder(step.folder, step.to, step.limit),
        expected: model.moveFolder(step.folder, step.to, step.limit),
      };
    case 'deleteFolder':
      if (!isDrive) return NOTHING;
      return {
        real: await machine.deleteFolder(step.folder, step.limit),
        expected: model.deleteFolder(step.folder, step.limit),
      };
    case 'open': {
      const id = newId();
      const held = await machine.openReservation(id, step.bytes, step.objects);
      const expected = model.openReservation(id, step.bytes, step.objects);
      if (held) open.reservations[step.slot] = id;
      return { real: held, expected };
    }
    case 'close': {
      const id = open.reservation(step.slot) ?? newId();
      await machine.closeReservation(id);
      model.closeReservation(id);
      return NOTHING;
    }
  }
}

/** null: the model would have refused it, as it may when others act at once. */
function stagedUpload(
  real: StagedFile,
  reserved: ModelUpload | null,
  { machine, model }: { machine: SpaceMachine; model: SpaceModel },
): StagedUpload {
  return {
    commit: async () =>
      compared(await machine.commit(real), (answer) =>
        reserved === null ? 'QUOTA_EXCEEDED' : model.commit(reserved, answer),
      ),
    abort: async () => {
      await real.abort();
      if (reserved) model.release(reserved);
    },
  };
}

/** Nothing was there to be done. */
export const NOTHING: Outcome = { real: null, expected: null };

/** Whether the step went as the model says, which learns ids and numbers from the answer. */
export function compared(answer: Answer, expect: (answer: Answer) => string): Outcome {
  return { real: answer.code, expected: expect(answer) };
}
