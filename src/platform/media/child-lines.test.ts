import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { linesOf, nextMessage } from './child-lines.ts';

async function all(chunks: readonly string[], maxBytes = 100): Promise<string[]> {
  const lines: string[] = [];
  const stream = Readable.from(chunks.map((chunk) => Buffer.from(chunk)));
  for await (const line of linesOf(stream, maxBytes)) lines.push(line);
  return lines;
}

describe('linesOf', () => {
  it('gives whole lines, however they come', async () => {
    expect(await all(['a\nb', 'c', '\n', '\nd'])).toEqual(['a', 'bc', '']);
    expect(await all([])).toEqual([]);
  });

  it('ends what says too much, in one piece or many, in one line or many', async () => {
    for (const chunks of [['x'.repeat(101)], Array(101).fill('x'), ['a\n'.repeat(51)]]) {
      await expect(all(chunks)).rejects.toThrow('too much');
    }
    expect(await all([`${'x'.repeat(99)}\n`])).toHaveLength(1);
  });
});

describe('nextMessage', () => {
  const next = (text: string) => nextMessage(linesOf(Readable.from([Buffer.from(text)]), 100));

  it('is parsed, or nothing', async () => {
    expect(await next('{"a":1}\n')).toEqual({ a: 1 });
    for (const text of ['{\n', `"${'x'.repeat(200)}"\n`]) expect(await next(text)).toBeUndefined();
  });
});
