import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { withProcessLock } from './process-lock.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pockity-lock-'));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

it('lets one task in at a time', async () => {
  let inside = 0;
  let most = 0;
  const task = async (n: number) => {
    inside += 1;
    most = Math.max(most, inside);
    await nextTurn();
    inside -= 1;
    return n;
  };
  const results = await Promise.all([1, 2, 3, 4, 5].map((n) => withProcessLock(join(folder, 'lock'), () => task(n))));
  expect(results).toEqual([1, 2, 3, 4, 5]);
  expect(most).toBe(1);
});

it('is free again after a task that failed', async () => {
  const path = join(folder, 'lock');
  await expect(withProcessLock(path, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect(await withProcessLock(path, async () => 'yes')).toBe('yes');
});

it('gives up after its time, and says once that it waits', async () => {
  const path = join(folder, 'lock');
  let waits = 0;
  const inner = () => withProcessLock(path, async () => {}, { timeoutMs: 50, onWait: () => (waits += 1) });
  await expect(withProcessLock(path, inner)).rejects.toThrow(/Another process has held .*lock for too long/);
  expect(waits).toBe(1);
});

it('names a lock file that cannot be opened', async () => {
  await expect(withProcessLock(join(folder, 'absent/lock'), async () => {})).rejects.toThrow(
    /absent\/lock cannot be opened/,
  );
});
