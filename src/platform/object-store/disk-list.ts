import type { Dir, Dirent } from 'node:fs';
import { opendir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { nullIfMissing, onDisk } from './disk-errors.ts';
import { assertKeyPrefix, TEMPORARY_FOLDER } from './object-key.ts';
import type { ObjectListEntry } from './object-store.ts';

const ENTRIES_AT_ONCE = 64;

/**
 * Walks the objects below `root` whose key begins with `prefix`. Memory is bounded by the depth of the tree, however
 * many objects there are; what is removed while the walk goes on may or may not appear.
 */
export async function* listDisk(root: string, prefix: string): AsyncGenerator<ObjectListEntry, void, undefined> {
  if (prefix !== '') assertKeyPrefix(prefix);
  const slash = prefix.lastIndexOf('/');
  yield* walk(root, prefix.slice(0, slash + 1), prefix.slice(slash + 1));
}

/** `folder` is the key of a folder with its slash at the end, '' for the root. */
async function* walk(
  root: string,
  folder: string,
  namePrefix: string,
): AsyncGenerator<ObjectListEntry, void, undefined> {
  const directory = await onDisk(() =>
    nullIfMissing(() => opendir(join(root, folder), { bufferSize: ENTRIES_AT_ONCE })),
  );
  if (!directory) return;
  try {
    for (let page = await readPage(directory); page.length > 0; page = await readPage(directory)) {
      const wanted = page.filter(
        (entry) => entry.name.startsWith(namePrefix) && !(folder === '' && entry.name === TEMPORARY_FOLDER),
      );
      const entries = await Promise.all(
        wanted.map((entry) => (entry.isFile() ? describe(root, folder + entry.name) : null)),
      );
      for (const entry of entries) if (entry) yield entry;
      for (const entry of wanted) if (entry.isDirectory()) yield* walk(root, `${folder}${entry.name}/`, '');
    }
  } finally {
    await directory.close().catch(() => {});
  }
}

async function readPage(directory: Dir): Promise<Dirent[]> {
  const page: Dirent[] = [];
  while (page.length < ENTRIES_AT_ONCE) {
    const entry = await onDisk(() => directory.read());
    if (!entry) break;
    page.push(entry);
  }
  return page;
}

async function describe(root: string, key: string): Promise<ObjectListEntry | null> {
  const stats = await onDisk(() => nullIfMissing(() => stat(join(root, key))));
  return stats && { key, sizeBytes: stats.size, lastModified: stats.mtime };
}
