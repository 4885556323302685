import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { nullIfMissing } from './disk-errors.ts';

/** A file there has a name for a moment only, see `PartBuffer`; several processes share the folder. */
const LEFT_BEHIND_AFTER_MS = 60_000;

/** Makes the folder, and removes what a process left there that was killed in that moment. */
export async function prepareSpool(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  for (const name of await readdir(directory)) {
    const path = join(directory, name);
    const found = await nullIfMissing(() => stat(path));
    if (found && Date.now() - found.mtimeMs > LEFT_BEHIND_AFTER_MS) await rm(path, { force: true });
  }
}
