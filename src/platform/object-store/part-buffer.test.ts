import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ByteBudget } from './byte-budget.ts';
import { PartBuffer } from './part-buffer.ts';

const MIB = 1024 * 1024;
const spoolDirectory = await mkdtemp(join(tmpdir(), 'pockity-spool-'));
afterAll(() => rm(spoolDirectory, { recursive: true }));

async function fill(buffer: PartBuffer, sizeBytes: number, chunkBytes: number): Promise<Buffer> {
  const bytes = Buffer.alloc(sizeBytes, 'pockity');
  for (let at = 0; at < sizeBytes; at += chunkBytes) await buffer.append(bytes.subarray(at, at + chunkBytes));
  return bytes;
}

const read = async (buffer: PartBuffer): Promise<Buffer> => Buffer.concat(await buffer.read().toArray());

describe('PartBuffer', () => {
  for (const [what, limitBytes, capacityBytes] of [
    ['memory', 64 * MIB, 8 * MIB],
    ['a file, half way', MIB, 8 * MIB],
    ['a file from the start, for want of memory', 0, 8 * MIB],
    ['a file from the start, for its size', 64 * MIB, 16 * MIB],
  ] as const) {
    it(`gives back what it holds in ${what}, as often as asked`, async () => {
      const budget = new ByteBudget(limitBytes);
      const buffer = new PartBuffer(capacityBytes, { budget, spoolDirectory });
      const bytes = await fill(buffer, 3 * MIB + 7, 50_001);
      expect(await readdir(spoolDirectory)).toEqual([]);
      expect((await read(buffer)).equals(bytes)).toBe(true);
      expect((await read(buffer)).equals(bytes)).toBe(true);
      expect(buffer.sizeBytes).toBe(3 * MIB + 7);
      await buffer.dispose();
      await buffer.dispose();
      expect(budget.heldBytes).toBe(0);
      expect(budget.highWaterBytes).toBeLessThanOrEqual(limitBytes);
    });
  }

  it('holds about what has come, not the whole part, and little for tiny chunks', async () => {
    const budget = new ByteBudget(64 * MIB);
    const buffer = new PartBuffer(8 * MIB, { budget, spoolDirectory });
    await fill(buffer, 100, 1);
    expect(budget.heldBytes).toBe(16 * 1024);
    await fill(buffer, 300_000, 1000);
    expect(budget.heldBytes).toBeLessThanOrEqual(600_200);
    await buffer.dispose();
  });

  it('takes up to its capacity and returns the rest', async () => {
    const budget = new ByteBudget(64 * MIB);
    const buffer = new PartBuffer(10, { budget, spoolDirectory });
    expect(String(await buffer.append(Buffer.from('0123456789abc')))).toBe('abc');
    expect(String(await read(buffer))).toBe('0123456789');
    await buffer.dispose();
  });
});
