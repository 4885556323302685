import fc from 'fast-check';
import { CONFLICT_POLICIES } from '../../src/features/ledger/index.ts';
import { newId } from '../../src/platform/crypto/random.ts';
import { bodyOf, NOT_FOUND, type SharingMachine } from './sharing-machine.ts';
import { GRANTEES, isFile, type Person, type SharingModel, type Subject } from './sharing-model.ts';
import { answerOf } from './space-machine.ts';
import { type Answer, contentOf, type ModelFile, type ModelFolder, type ModelUpload } from './space-model.ts';
import { compared, type Open, type Outcome, type StagedUpload } from './space-steps.ts';

const kind = <K extends string>(name: K) => fc.constant(name);
const pick = fc.nat({ max: 11 });
const size = fc.integer({ min: 0, max: 60 });
const conflict = fc.constantFrom(...CONFLICT_POLICIES);
const name = fc.constantFrom('a.txt', 'b', 'n.txt');
/** Of a staged one the rest comes later. */
const isStaged = fc.constantFrom(false, false, true);
const person = fc.constantFrom(...GRANTEES, ...GRANTEES, ...GRANTEES, 'owner' as const, 'stranger' as const);

/** Mostly of grantees. */
export const personStep = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: kind('sendTo'), person, pick, name, size, conflict, isStaged }) },
  { weight: 2, arbitrary: fc.record({ kind: kind('sendContent'), person, pick, size, isStaged }) },
  { weight: 2, arbitrary: fc.record({ kind: kind('rename'), person, pick, name, conflict }) },
  { weight: 3, arbitrary: fc.record({ kind: kind('carry'), person, pick, to: pick, conflict }) },
  { weight: 1, arbitrary: fc.record({ kind: kind('copyTo'), person, pick, to: pick, conflict }) },
  { weight: 2, arbitrary: fc.record({ kind: kind('bin'), person, pick }) },
  { weight: 1, arbitrary: fc.record({ kind: kind('make'), person, pick, name }) },
  { weight: 2, arbitrary: fc.record({ kind: kind('carryFolder'), person, pick, to: pick, name }) },
  { weight: 1, arbitrary: fc.record({ kind: kind('binFolder'), person, pick }) },
);

export const PERSON_KINDS = [
  'sendTo',
  'sendContent',
  'rename',
  'carry',
  'copyTo',
  'bin',
  'make',
  'carryFolder',
  'binFolder',
];

type PersonStep = typeof personStep extends fc.Arbitrary<infer T> ? T : never;

/** A drive that others reach, both ways, and what its steps leave open. */
export interface SharedDrive {
  readonly machine: SharingMachine;
  readonly model: SharingModel;
  readonly open: Open;
}

type Sending = Extract<PersonStep, { kind: 'sendTo' | 'sendContent' }>;

/** What somebody does by the drive's services, be it the owner or one who may or may not. */
export async function takePersonStep(step: PersonStep, drive: SharedDrive): Promise<Outcome> {
  if (step.kind === 'sendTo' || step.kind === 'sendContent') return send(step, drive);
  const { machine, model } = drive;
  const user = machine.user(step.person);
  const { files, folders } = machine.process;
  switch (step.kind) {
    case 'rename': {
      const file = model.fileAt(step.pick, step.person);
      const answer = await fileAnswer(() => files.change(user, idOf(file), step));
      return compared(
        answer,
        (given) => refusal(model, step.person, file, 'file', { moves: true }) ?? changeFile(model, file, step, given),
      );
    }
    case 'carry':
    case 'copyTo': {
      const file = model.fileAt(step.pick, step.person);
      const folder = model.folderAt(step.to, step.person);
      const wish = { folderId: await folderIdOf(machine, folder), conflict: step.conflict };
      const isCopy = step.kind === 'copyTo';
      const answer = isCopy
        ? await answerOf(async () => (await files.copy(user, idOf(file), wish)).file)
        : await fileAnswer(() => files.change(user, idOf(file), wish));
      return compared(answer, (given) => {
        const refused =
          refusal(model, step.person, file, 'file', { moves: true }) ?? targetRefusal(model, step.person, file, folder);
        if (refused !== null || !file || !folder) return refused ?? 'FILE_NOT_FOUND';
        const to = inFolder(folder, lastOf(file.path));
        if (!isCopy) return model.space.change(file.path, { to, conflict: step.conflict }, given);
        const { content, tags } = file;
        const reserved = model.space.reserve({ path: to, conflict: step.conflict, content, tags });
        return typeof reserved === 'string' ? reserved : model.space.commit(reserved, given);
      });
    }
    case 'bin': {
      const file = model.fileAt(step.pick, step.person);
      const { code } = await answerOf(() => files.delete(user, idOf(file)));
      const refused = refusal(model, step.person, file, 'file', { moves: true });
      if (refused === null && file) model.space.delete([file.path]);
      return { real: code, expected: refused ?? 'ok' };
    }
    case 'make': {
      const parent = model.folderAt(step.pick, step.person);
      const parentId = await folderIdOf(machine, parent);
      const { code } = await answerOf(() => folders.create(user, { name: step.name, parentId }));
      const refused = refusal(model, step.person, parent, 'folder', { moves: false });
      const outcome = refused ?? model.space.makeFolder(inFolder(parent, step.name));
      return { real: code, expected: FOLDER_CODES[outcome] ?? outcome };
    }
    case 'carryFolder': {
      const folder = model.folderAt(step.pick, step.person);
      const parent = model.folderAt(step.to, step.person);
      const change = { name: step.name, parentId: await folderIdOf(machine, parent) };
      const folderId = await folderIdOf(machine, folder);
      const { code } = await answerOf(() => folders.change(user, folderId, change));
      const refused =
        refusal(model, step.person, folder, 'folder', { moves: true }) ??
        targetRefusal(model, step.person, folder, parent);
      const outcome = refused ?? model.space.moveFolder(folder?.path ?? '', inFolder(parent, step.name), 1000);
      return { real: code, expected: FOLDER_CODES[outcome] ?? outcome };
    }
    case 'binFolder': {
      const folder = model.folderAt(step.pick, step.person);
      const folderId = await folderIdOf(machine, folder);
      const { code } = await answerOf(() => folders.delete(user, folderId));
      const refused = refusal(model, step.person, folder, 'folder', { moves: true });
      const outcome = refused ?? model.space.deleteFolder(folder?.path ?? '', 1000);
      return { real: code, expected: FOLDER_CODES[outcome] ?? outcome };
    }
  }
}

/** Of the model's outcomes. */
const FOLDER_CODES: Readonly<Record<string, string>> = {
  made: 'ok',
  moved: 'ok',
  deleted: 'ok',
  exists: 'FOLDER_EXISTS',
  inside: 'CONFLICT',
};

/** A file into a folder, or a new content for a file; where it goes and whether it may is asked again at its end. */
async function send(step: Sending, { machine, model, open }: SharedDrive): Promise<Outcome> {
  const isContent = step.kind === 'sendContent';
  const subject = isContent ? model.fileAt(step.pick, step.person) : model.folderAt(step.pick, step.person);
  const id = isContent
    ? idOf(model.fileAt(step.pick, step.person))
    : await folderIdOf(machine, model.folderAt(step.pick, step.person));
  const { files } = machine.process;
  const user = machine.user(step.person);
  open.seed += 1;
  const { bytes, content } = contentOf(step.size, open.seed);
  const input = { ...bodyOf(bytes), tags: null };
  let staged: Awaited<ReturnType<typeof files.stage>> | undefined;
  const { code } = await answerOf(async () => {
    staged = await (isContent
      ? files.stageContent(user, id, input)
      : files.stage(user, { ...input, folderId: id, fileName: step.name, conflict: step.conflict }));
  });
  const asked = () => refusal(model, step.person, subject, isContent ? 'file' : 'folder', { moves: false });
  const pathNow = () => (isContent ? (subject?.path ?? '') : inFolder(subject, step.name));
  const conflict = isContent ? ('replace' as const) : step.conflict;
  const reserved = asked() ?? model.space.reserve({ path: pathNow(), conflict, content, tags: null });
  if (typeof reserved === 'string') return { real: code, expected: reserved };
  if (!staged) return { real: code, expected: 'ok' };
  const upload = sent(staged, reserved, { model, asked, pathNow });
  if (!step.isStaged) return upload.commit();
  open.staged.push(upload);
  return { real: code, expected: 'ok' };
}

function sent(
  real: { commit(): Promise<{ readonly file: { id: string; path: string } }>; abort(): Promise<void> },
  reserved: ModelUpload,
  { model, asked, pathNow }: { model: SharingModel; asked(): string | null; pathNow(): string },
): StagedUpload {
  return {
    commit: async () =>
      compared(await answerOf(async () => (await real.commit()).file), (given) => {
        const refused = asked();
        if (refused !== null) {
          model.space.release(reserved);
          return refused;
        }
        reserved.path = pathNow();
        return model.space.commit(reserved, given);
      }),
    abort: async () => {
      await real.abort();
      model.space.release(reserved);
    },
  };
}

/** Why somebody may not change a thing, nor, where it `moves`, its name and place; null: one may. */
function refusal(
  model: SharingModel,
  person: Person,
  subject: Subject | undefined,
  kind: 'file' | 'folder',
  { moves }: { readonly moves: boolean },
): string | null {
  const isThere = subject && (isFile(subject) ? model.space.living : model.space.folders).get(subject.path) === subject;
  const role = model.role(person, isThere ? subject : undefined);
  if (role === 'none' || !subject) return NOT_FOUND[kind];
  return role === 'VIEW' || (moves && !model.mayMove(person, subject)) ? 'FORBIDDEN' : null;
}

/** Why somebody may not move a thing into a folder. */
function targetRefusal(
  model: SharingModel,
  person: Person,
  subject: Subject | undefined,
  folder: ModelFolder | undefined,
): string | null {
  const refused = refusal(model, person, folder, 'folder', { moves: false });
  if (refused !== null || !subject || !folder) return refused;
  return model.editable(person, subject) === model.editable(person, folder) ? null : 'FORBIDDEN';
}

function changeFile(
  model: SharingModel,
  file: ModelFile | undefined,
  { name, conflict }: Extract<PersonStep, { kind: 'rename' }>,
  given: Answer,
): string {
  if (!file) return 'FILE_NOT_FOUND';
  const to = file.path.slice(0, file.path.lastIndexOf('/') + 1) + name;
  return model.space.change(file.path, { to, conflict }, given);
}

function fileAnswer(work: () => Promise<{ readonly file: { id: string; path: string } }>): Promise<Answer> {
  return answerOf(async () => (await work()).file);
}

function idOf(file: ModelFile | undefined): string {
  return file?.id ?? newId();
}

async function folderIdOf(machine: SharingMachine, folder: ModelFolder | undefined): Promise<string> {
  return (folder && (await machine.folderIds()).get(folder.path)) ?? newId();
}

function inFolder(folder: { readonly path: string } | undefined, name: string): string {
  return `${folder?.path ?? ''}/${name}`;
}

function lastOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
