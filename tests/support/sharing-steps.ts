import fc from 'fast-check';
import { newId } from '../../src/platform/crypto/random.ts';
import { addressesOf, bodyOf, endIn, type SharingMachine } from './sharing-machine.ts';
import { GRANTEES, isFile, type ModelDrop, type ModelShare, picked } from './sharing-model.ts';
import { PERSON_KINDS, personStep, type SharedDrive, takePersonStep } from './sharing-person-steps.ts';
import { answerOf } from './space-machine.ts';
import { contentOf, type ModelFolder, type ModelUpload } from './space-model.ts';
import { compared, NOTHING, type Outcome, type Step, settings, step } from './space-steps.ts';

const NAMES = ['a.txt', 'b', 'n.txt'];
const kind = <K extends string>(name: K) => fc.constant(name);
/** Which of what there is, or, sometimes, none. */
const pick = fc.nat({ max: 11 });
const size = fc.integer({ min: 0, max: 60 });
const hours = fc.constantFrom(null, null, null, 1, 2);
const permission = fc.constantFrom('VIEW' as const, 'EDIT' as const, 'EDIT' as const);
const name = fc.constantFrom(...NAMES);
/** Of a staged one the rest comes later. */
const isStaged = fc.boolean();
const about = { isFile: fc.constantFrom(true, false, false), pick };
const addressee = { grantee: fc.constantFrom(...GRANTEES), by: fc.constantFrom('email' as const, 'username' as const) };

const shareStep = fc.record({ kind: kind('share'), ...about, ...addressee, permission, hours });
const openDropStep = fc.record({
  kind: kind('openDrop'),
  pick,
  bytes: fc.integer({ min: 20, max: 150 }),
  files: fc.integer({ min: 1, max: 3 }),
  hours: fc.constantFrom(null, 1, 1, 2),
});

/** One of a drive that others reach. */
const sharingStep = fc.oneof(
  { weight: 4, arbitrary: shareStep },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: kind('changeShare'),
      pick,
      permission,
      hours: fc.oneof(hours, fc.constant(undefined)),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: kind('endShare'), pick }) },
  { weight: 4, arbitrary: fc.record({ kind: kind('hour') }) },
  { weight: 1, arbitrary: fc.record({ kind: kind('expire') }) },
  { weight: 2, arbitrary: openDropStep },
  { weight: 7, arbitrary: fc.record({ kind: kind('drop'), pick, name, size, isStaged }) },
  { weight: 1, arbitrary: fc.record({ kind: kind('revokeDrop'), pick }) },
  { weight: 18, arbitrary: personStep },
);

export type SharingStep = typeof sharingStep extends fc.Arbitrary<infer T> ? T : never;

const SOWN = ['d/a.txt', 'd/e/a.txt', 'f/a.txt'].map((path) => ({
  kind: 'upload' as const,
  path,
  size: 10,
  conflict: 'replace' as const,
  tags: null,
  slot: undefined,
}));

/** Some files, shares and a drop, to begin with. */
export const sown = fc
  .tuple(shareStep, shareStep, openDropStep)
  .map((steps): (Step | SharingStep)[] => [...SOWN, ...steps]);

/** Steps of both sorts. */
export const sharedSteps: fc.Arbitrary<(Step | SharingStep)[]> = fc.array(
  fc.oneof(
    { weight: 12, arbitrary: sharingStep },
    { weight: 4, arbitrary: step },
    // What has waited while shares and drops ended.
    { weight: 3, arbitrary: fc.record({ kind: kind('commit'), pick: fc.constant(0) }) },
  ),
  { minLength: 5, maxLength: 12, size: 'max' },
);

/** Only drives are shared, and mostly with room. */
export const sharedSettings = settings.map((start) => ({
  ...start,
  kind: 'DRIVE' as const,
  quotaBytes: Math.max(250, start.quotaBytes),
}));

const KINDS = new Set<string>([
  ...['share', 'changeShare', 'endShare', 'hour', 'expire', 'openDrop', 'drop', 'revokeDrop'],
  ...PERSON_KINDS,
]);

export function isSharingStep(one: Step | SharingStep): one is SharingStep {
  return KINDS.has(one.kind);
}

/** One step on both; answers how it went and how it should have gone. */
export async function takeSharingStep(step: SharingStep, drive: SharedDrive): Promise<Outcome> {
  const { machine, model } = drive;
  const { shares, links } = machine.process;
  switch (step.kind) {
    case 'share':
      return share(step, drive);
    case 'changeShare': {
      const found = picked(model.shares, step.pick);
      const expiresAt = step.hours === undefined ? undefined : endIn(step.hours);
      const change = { permission: step.permission, expiresAt };
      const { code } = await answerOf(() => shares.change(machine.owner, found?.id ?? newId(), change));
      if (!found) return { real: code, expected: 'SHARE_NOT_FOUND' };
      found.permission = step.permission;
      if (step.hours !== undefined) found.endsAt = model.endOf(step.hours);
      return { real: code, expected: 'ok' };
    }
    case 'endShare': {
      const found = picked(model.shares, step.pick);
      const { code } = await answerOf(() => shares.delete(machine.owner, found?.id ?? newId()));
      model.shares = model.shares.filter((other) => other !== found);
      return { real: code, expected: found ? 'ok' : 'SHARE_NOT_FOUND' };
    }
    case 'hour':
      await machine.passHour();
      model.passHour();
      return NOTHING;
    case 'expire':
      await machine.expire();
      model.space.expire();
      return NOTHING;
    case 'openDrop':
      return openDrop(step, drive);
    case 'drop':
      return drop(step, drive);
    case 'revokeDrop': {
      const found = picked(model.drops, step.pick);
      const { code } = await answerOf(() => links.revoke(machine.owner, found?.id ?? newId()));
      if (found) model.closeDrop(found);
      return { real: code, expected: found ? 'ok' : 'LINK_NOT_FOUND' };
    }
    default:
      return takePersonStep(step, drive);
  }
}

async function share(step: Extract<SharingStep, { kind: 'share' }>, { machine, model }: SharedDrive): Promise<Outcome> {
  const { grantee, by, permission, hours } = step;
  const subject = step.isFile ? model.fileAt(step.pick) : model.folderAt(step.pick);
  const id = (subject && isFile(subject) ? subject.id : await idOf(machine, subject)) ?? newId();
  const addresses = addressesOf(grantee);
  const answer = await idAnswer(() =>
    machine.process.shares.create(machine.owner, {
      subject: step.isFile ? { fileId: id } : { folderId: id },
      address: by === 'email' ? { email: addresses.email } : { username: addresses.username },
      permission,
      expiresAt: endIn(hours),
    }),
  );
  if (!subject) return { real: answer.code, expected: step.isFile ? 'FILE_NOT_FOUND' : 'FOLDER_NOT_FOUND' };
  const isTaken = (other: ModelShare) => other.subject === subject && other.grantee === grantee && other.by === by;
  if (model.shares.some(isTaken)) return { real: answer.code, expected: 'SHARE_EXISTS' };
  model.shares.push({ id: answer.id, subject, grantee, by, permission, endsAt: model.endOf(hours) });
  return { real: answer.code, expected: 'ok' };
}

async function openDrop(
  step: Extract<SharingStep, { kind: 'openDrop' }>,
  { machine, model }: SharedDrive,
): Promise<Outcome> {
  const folder = model.folderAt(step.pick);
  const folderId = (await idOf(machine, folder)) ?? newId();
  let token = '';
  const answer = await idAnswer(async () => {
    const made = await machine.process.links.create(machine.owner, {
      subject: { kind: 'folder', folderId },
      expiresAt: endIn(step.hours),
      password: null,
      maxDownloads: null,
      drop: { maxBytes: step.bytes, maxFiles: step.files },
    });
    token = made.token;
    return made.link;
  });
  if (!folder) return { real: answer.code, expected: 'FOLDER_NOT_FOUND' };
  const made: ModelDrop = { id: answer.id, token, folder, maxFiles: step.files, endsAt: model.endOf(step.hours) };
  return { real: answer.code, expected: model.openDrop(made, step.bytes) ? 'ok' : 'QUOTA_EXCEEDED' };
}

async function drop(
  step: Extract<SharingStep, { kind: 'drop' }>,
  { machine, model, open }: SharedDrive,
): Promise<Outcome> {
  const found = picked(model.drops, step.pick);
  const token = found?.token ?? 'none';
  open.seed += 1;
  const { bytes, content } = contentOf(step.size, open.seed);
  const { door, drops } = machine.process;
  let staged: Awaited<ReturnType<typeof drops.stage>> | undefined;
  const { code } = await answerOf(async () => {
    const link = await door.enter({ token, ip: null });
    const origin = { ip: null, userAgent: null, requestId: null };
    // What lies before the name is not the sender's to choose.
    staged = await drops.stage(token, link, { originalName: `up/${step.name}`, ...bodyOf(bytes), origin });
  });
  if (!found || !model.isUsable(found)) return { real: code, expected: 'LINK_NOT_FOUND' };
  const pathNow = () => `${found.folder.path}/${step.name}`;
  const wish = { path: pathNow(), conflict: 'keepBoth' as const, content, tags: null, reservationId: found.id };
  const reserved = model.space.reserve(wish);
  if (typeof reserved === 'string' || !staged) {
    return { real: code, expected: typeof reserved === 'string' ? reserved : 'ok' };
  }
  const upload = dropped(staged, reserved, { machine, model, found, pathNow });
  if (!step.isStaged) return upload.commit();
  open.staged.push(upload);
  return { real: code, expected: 'ok' };
}

function dropped(
  real: { commit(): Promise<unknown>; abort(): Promise<void> },
  reserved: ModelUpload,
  { machine, model, found, pathNow }: Pick<SharedDrive, 'machine' | 'model'> & { found: ModelDrop; pathNow(): string },
) {
  return {
    commit: async () => {
      const { code } = await answerOf(() => real.commit());
      if (!model.isUsable(found)) {
        model.space.release(reserved);
        return { real: code, expected: 'LINK_NOT_FOUND' };
      }
      reserved.path = pathNow();
      const known = new Set([...model.space.living.values()].map(({ id }) => id));
      const file = code === 'ok' ? await machine.newFile(known) : {};
      return compared({ code, ...file }, (answer) => model.space.commit(reserved, answer));
    },
    abort: async () => {
      await real.abort();
      model.space.release(reserved);
    },
  };
}

async function idOf(machine: SharingMachine, folder: ModelFolder | undefined): Promise<string | undefined> {
  return folder && (await machine.folderIds()).get(folder.path);
}

async function idAnswer(work: () => Promise<{ readonly id: string }>): Promise<{ code: string; id: string }> {
  let id = newId();
  const { code } = await answerOf(async () => {
    id = (await work()).id;
  });
  return { code, id };
}
