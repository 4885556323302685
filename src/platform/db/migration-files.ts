import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** One folder of prisma/migrations. */
export interface MigrationFile {
  /** The folder's name, `<timestamp>_<words>`; at most 255 characters. */
  readonly name: string;
  readonly sql: string;
  /** SHA-256 of the file's bytes, hex, as Prisma keeps it. */
  readonly checksum: string;
  /** False when the first line is `-- pockity:no-transaction`. */
  readonly transactional: boolean;
}

const NO_TRANSACTION = /^-- pockity:no-transaction[ \t]*(?:\r?\n|$)/;

/**
 * Reads `<directory>/<name>/migration.sql` for every folder, in the order of their names, bytewise.
 * An empty or absent directory gives none.
 * @throws Error when a folder holds no migration.sql
 */
export async function readMigrationFiles(directory: string): Promise<MigrationFile[]> {
  const entries = await readdir(directory, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  names.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  return Promise.all(names.map((name) => readMigrationFile(directory, name)));
}

/**
 * True when the file is the one that the checksum was made of, be it with the line ends of another system (a checkout by
 * Git on Windows changes them). Prisma is as lenient.
 */
export function matchesChecksum(file: Pick<MigrationFile, 'sql' | 'checksum'>, checksum: string): boolean {
  if (file.checksum === checksum) return true;
  const unix = file.sql.replaceAll('\r\n', '\n');
  return sha256(unix) === checksum || sha256(unix.replaceAll('\n', '\r\n')) === checksum;
}

async function readMigrationFile(directory: string, name: string): Promise<MigrationFile> {
  const path = join(directory, name, 'migration.sql');
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw new Error(`The migration ${name} cannot be read: ${path}`, { cause });
  });
  const sql = bytes.toString('utf8');
  return { name, sql, checksum: sha256(bytes), transactional: !NO_TRANSACTION.test(sql) };
}

function sha256(data: string | Buffer): string {
  return createHash('sha256').update(data).digest('hex');
}
