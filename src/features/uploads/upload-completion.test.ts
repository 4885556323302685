import { expect, it } from 'vitest';
import { AppError } from '../../errors/app-error.ts';
import { newId } from '../../platform/crypto/random.ts';
import type { SpaceScope } from '../ledger/index.ts';
import { UploadCompletion, type UploadCompletionDependencies } from './upload-completion.ts';

const id = newId();
const scope = { space: { id: newId() } } as SpaceScope;

/** An upload that becomes a file where whoever completes it may. */
function completion() {
  const session = { id, spaceId: scope.space.id, state: 'OPEN', fileId: null as string | null, staged: true };
  const deps = {
    sessions: { find: async () => ({ ...session }), hasJobInOutbox: async () => false },
    ingest: {
      finish: async (_scope: SpaceScope, _upload: unknown, { confirm }: { confirm: () => Promise<unknown> }) => {
        await confirm();
        Object.assign(session, { state: 'COMPLETED', fileId: 'f' });
        return { id: 'f', jobs: [], counters: null };
      },
    },
    storage: { getFile: async () => ({ id: 'f' }) },
    findJob: async () => null,
  };
  return new UploadCompletion(deps as unknown as UploadCompletionDependencies);
}

const may = { gather: async () => {}, confirm: async () => {} };
const mayNot = { gather: async () => {}, confirm: () => Promise.reject(new AppError('KEY_REVOKED')) };

it.each([
  ['first', [mayNot, may, mayNot, may]],
  ['later', [may, mayNot, may, mayNot]],
])('whoever may not (%s) is refused alone', async (_title, callers) => {
  const uploads = completion();
  const outcomes = await Promise.allSettled(callers.map((steps) => uploads.complete(scope, id, steps)));
  expect(outcomes.map(({ status }) => status)).toEqual(
    callers.map((steps) => (steps === may ? 'fulfilled' : 'rejected')),
  );
});
