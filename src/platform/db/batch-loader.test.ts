import { describe, expect, it } from 'vitest';
import { BatchLoader } from './batch-loader.ts';

/** A store whose answers come when the test lets them. */
function controlled(now?: () => number) {
  const calls: {
    keys: readonly string[];
    answer: (values: Record<string, number>) => void;
    fail: (error: Error) => void;
  }[] = [];
  const loader = new BatchLoader<number>(
    (keys) =>
      new Promise((resolve, reject) => {
        calls.push({ keys, answer: (values) => resolve(new Map(Object.entries(values))), fail: reject });
      }),
    now,
  );
  const call = async (index: number) => {
    while (!calls[index]) await Promise.resolve();
    return calls[index];
  };
  return { loader, calls, call };
}

describe('BatchLoader', () => {
  it('sends the first at once, and what comes meanwhile as one batch with each key once', async () => {
    const { loader, calls, call } = controlled();
    const first = loader.load('a');
    const second = [loader.load('b'), loader.load('c'), loader.load('b')];
    expect(calls.map(({ keys }) => keys)).toEqual([['a']]);
    (await call(0)).answer({ a: 1 });
    expect(await first).toBe(1);
    (await call(1)).answer({ b: 2 });
    expect((await call(1)).keys).toEqual(['b', 'c']);
    expect(await Promise.all(second)).toEqual([2, null, 2]);
  });

  it('never answers from a statement that began before the question', async () => {
    const { loader, call } = controlled();
    const before = loader.load('a');
    const after = loader.load('a');
    (await call(0)).answer({ a: 1 });
    (await call(1)).answer({ a: 2 });
    expect(await before).toBe(1);
    expect(await after).toBe(2);
  });

  it('fails those who shared the statement, and nobody after them', async () => {
    const { loader, call } = controlled();
    const failing = loader.load('a');
    const next = loader.load('a');
    (await call(0)).fail(new Error('gone'));
    await expect(failing).rejects.toThrow('gone');
    (await call(1)).answer({ a: 3 });
    expect(await next).toBe(3);
  });

  it('splits what is too much for one statement', async () => {
    const { loader, call } = controlled();
    void loader.load('first');
    const many = Array.from({ length: 450 }, (_, i) => loader.load(`k${i}`));
    (await call(0)).answer({});
    for (const [index, size] of [200, 200, 50].entries()) {
      const batch = await call(index + 1);
      expect(batch.keys).toHaveLength(size);
      batch.answer(Object.fromEntries(batch.keys.map((key) => [key, Number(key.slice(1))])));
    }
    expect(await Promise.all(many)).toEqual(Array.from({ length: 450 }, (_, i) => i));
  });

  it('goes past a statement that hangs', async () => {
    let now = 0;
    const { loader, calls, call } = controlled(() => now);
    const hanging = loader.load('a');
    await call(0);
    now = 100;
    const waiting = loader.load('b');
    expect(calls).toHaveLength(1);
    now = 300;
    const hasty = loader.load('c');
    (await call(1)).answer({ b: 2, c: 3 });
    expect(await Promise.all([waiting, hasty])).toEqual([2, 3]);
    (await call(0)).answer({ a: 1 });
    expect(await hanging).toBe(1);
  });
});
