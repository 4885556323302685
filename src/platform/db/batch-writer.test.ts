import { describe, expect, it } from 'vitest';
import { BatchWriter } from './batch-writer.ts';

/** A write that a test lets go on. */
function controlled() {
  const batches: { readonly items: readonly string[]; readonly settle: PromiseWithResolvers<void> }[] = [];
  let now = 0;
  const writer = new BatchWriter<string>(
    (items) => {
      const settle = Promise.withResolvers<void>();
      batches.push({ items, settle });
      return settle.promise;
    },
    () => now,
  );
  return {
    writer,
    batches,
    advance: (ms: number) => {
      now += ms;
    },
  };
}

const tick = () => new Promise((resolve) => setImmediate(resolve));

describe('BatchWriter', () => {
  it('writes what arrives in one turn, and what arrives meanwhile, by one statement each', async () => {
    const { writer, batches } = controlled();
    const first = [writer.add('a'), writer.add('b')];
    await tick();
    const rest = [writer.add('c'), writer.add('d')];
    await tick();
    expect(batches.map(({ items }) => items)).toEqual([['a', 'b']]);
    batches[0]?.settle.resolve();
    await Promise.all(first);
    await tick();
    expect(batches.map(({ items }) => items)).toEqual([
      ['a', 'b'],
      ['c', 'd'],
    ]);
    batches[1]?.settle.resolve();
    await Promise.all(rest);
  });

  it('tries each alone when the statement did nothing for the sake of one', async () => {
    const written: string[] = [];
    const writer = new BatchWriter<string>(async (items) => {
      await tick();
      if (items.includes('bad')) throw Object.assign(new Error('no'), { code: '22P05' });
      written.push(...items);
    });
    const outcomes = await Promise.allSettled(['a', 'b', 'bad', 'c'].map((item) => writer.add(item)));
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled']);
    expect(written).toEqual(['a', 'b', 'c']);
  });

  it('never repeats what a lost connection may have written', async () => {
    let calls = 0;
    const writer = new BatchWriter<string>(async () => {
      calls += 1;
      await tick();
      throw Object.assign(new Error('gone'), { code: 'ECONNRESET' });
    });
    const outcomes = await Promise.allSettled(['a', 'b', 'c'].map((item) => writer.add(item)));
    expect(outcomes.every(({ status }) => status === 'rejected')).toBe(true);
    expect(calls).toBe(1);
  });

  it('does not let a statement that hangs hold up the others', async () => {
    const { writer, batches, advance } = controlled();
    void writer.add('hangs');
    await tick();
    void writer.add('waits');
    advance(300);
    const third = writer.add('goes');
    await tick();
    expect(batches.map(({ items }) => items)).toEqual([['hangs'], ['waits', 'goes']]);
    batches[1]?.settle.resolve();
    await third;
  });
});
