import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import pLimit from 'p-limit';
import { onDisk, reasonOfFailure } from './disk-errors.ts';
import type { DiskFiles } from './disk-files.ts';
import type { DeleteOutcome } from './object-store.ts';

const REMOVALS_AT_ONCE = 16;

/** See `ObjectStore.discardTemporary`: reads the folder of the temporary files once, however many keys there are. */
export async function discardTemporary(files: DiskFiles, keys: readonly string[]): Promise<readonly DeleteOutcome[]> {
  const left = new Map<string, string[]>(keys.map((key) => [files.temporaryPrefix(key), []]));
  for (const name of await onDisk(() => readdir(files.temporaryRoot))) {
    left.get(name.slice(0, name.indexOf('.') + 1))?.push(name);
  }
  const limit = pLimit(REMOVALS_AT_ONCE);
  const remove = (name: string): Promise<void> =>
    onDisk(() => rm(join(files.temporaryRoot, name), { recursive: true, force: true, maxRetries: 3 }));
  return Promise.all(
    keys.map((key) =>
      limit(async (): Promise<DeleteOutcome> => {
        const names = left.get(files.temporaryPrefix(key)) ?? [];
        const reason = await reasonOfFailure(async () => {
          for (const name of names) await remove(name);
        });
        return reason === null ? { key, deleted: true } : { key, deleted: false, reason };
      }),
    ),
  );
}
