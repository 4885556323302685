import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { matchesChecksum, readMigrationFiles } from './migration-files.ts';

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

describe('readMigrationFiles', () => {
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pockity-migrations-'));
  });

  afterEach(() => rm(folder, { recursive: true, force: true }));

  async function add(name: string, sql: string): Promise<void> {
    await mkdir(join(folder, name));
    await writeFile(join(folder, name, 'migration.sql'), sql);
  }

  it('gives nothing for a folder that is empty or absent', async () => {
    expect(await readMigrationFiles(folder)).toEqual([]);
    expect(await readMigrationFiles(join(folder, 'absent'))).toEqual([]);
  });

  it('reads folders in the order of their names, and no other files', async () => {
    await add('2_b', 'SELECT 2');
    await add('1_a', 'SELECT 1');
    await writeFile(join(folder, 'migration_lock.toml'), 'provider = "postgresql"');
    expect(await readMigrationFiles(folder)).toEqual([
      { name: '1_a', sql: 'SELECT 1', checksum: sha256('SELECT 1'), transactional: true },
      { name: '2_b', sql: 'SELECT 2', checksum: sha256('SELECT 2'), transactional: true },
    ]);
  });

  it('knows a migration that wants no transaction by its first line only', async () => {
    await add('1', '-- pockity:no-transaction\nSELECT 1');
    await add('2', '-- pockity:no-transaction\r\nSELECT 1');
    await add('3', 'SELECT 1;\n-- pockity:no-transaction');
    await add('4', '-- pockity:no-transactions\n');
    expect((await readMigrationFiles(folder)).map((file) => file.transactional)).toEqual([false, false, true, true]);
  });

  it('names a folder without a migration', async () => {
    await mkdir(join(folder, '1_empty'));
    await expect(readMigrationFiles(folder)).rejects.toThrow('The migration 1_empty cannot be read');
  });
});

describe('matchesChecksum', () => {
  const unix = { sql: 'a;\nb;\n', checksum: sha256('a;\nb;\n') };
  const windows = { sql: 'a;\r\nb;\r\n', checksum: sha256('a;\r\nb;\r\n') };

  it('takes the file with the line ends of either system', () => {
    expect(matchesChecksum(unix, unix.checksum)).toBe(true);
    expect(matchesChecksum(unix, windows.checksum)).toBe(true);
    expect(matchesChecksum(windows, unix.checksum)).toBe(true);
  });

  it('refuses any other change', () => {
    expect(matchesChecksum({ sql: 'a;\nc;\n', checksum: sha256('a;\nc;\n') }, unix.checksum)).toBe(false);
  });
});
