import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { readThumbnail } from './child-result.ts';

const WEBP = Buffer.from('RIFF\x10\0\0\0WEBPVP8L and more', 'latin1');

let folder: string;
let file: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pockity-child-'));
  file = join(folder, 'small.webp');
});
beforeEach(() => rm(file, { recursive: true, force: true }));
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('readThumbnail', () => {
  it('reads a picture', async () => {
    await writeFile(file, WEBP);
    expect(await readThumbnail(folder, 'small')).toEqual(WEBP);
  });

  it.each<[string, () => unknown]>([
    ['nothing', () => {}],
    ['an empty file', () => writeFile(file, '')],
    ['something else', () => writeFile(file, 'root:x:0:0:root:/root:/bin/bash')],
    ['a folder', () => mkdir(file)],
    ['a pipe that nobody writes to', () => execFileSync('/bin/sh', ['-c', 'mkfifo "$0"', file])],
    ['a device', () => symlink('/dev/zero', file)],
    [
      'a link to a picture',
      async () => {
        await writeFile(join(folder, 'other'), WEBP);
        await symlink(join(folder, 'other'), file);
      },
    ],
    [
      'more than any thumbnail takes',
      async () => {
        await writeFile(file, WEBP);
        await truncate(file, 4 * 1024 * 1024);
      },
    ],
  ])('refuses %s', async (_what, make) => {
    await make();
    await expect(readThumbnail(folder, 'small')).rejects.toMatchObject({ code: 'broken' });
  });
});
