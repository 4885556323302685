import { PassThrough, Readable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { exactLength, inBlocks, readChunks } from './body-chunks.ts';
import { LengthMismatchError } from './errors.ts';

async function gather(chunks: AsyncIterable<Buffer>): Promise<Buffer[]> {
  const gathered: Buffer[] = [];
  for await (const chunk of chunks) gathered.push(chunk);
  return gathered;
}

async function collect(chunks: AsyncIterable<Buffer>): Promise<string> {
  return Buffer.concat(await gather(chunks)).toString();
}

describe('readChunks', () => {
  it('reads text, bytes and nothing', async () => {
    expect(await collect(readChunks(Readable.from(['a', Buffer.from('b'), new Uint8Array([99])])))).toBe('abc');
    expect(await collect(readChunks(Readable.from([])))).toBe('');
    await expect(collect(readChunks(Readable.from([1])))).rejects.toThrow(TypeError);
  });

  it('ends at once on abort, while the source is silent', async () => {
    const source = new PassThrough();
    const controller = new AbortController();
    const reading = collect(readChunks(source, controller.signal));
    setImmediate(() => controller.abort(new Error('enough')));
    await expect(reading).rejects.toThrow('enough');
    expect(source.destroyed).toBe(false);
    expect(source.listenerCount('readable')).toBe(0);
    // Nobody reads any more, and an error then must not end the process.
    source.destroy(new Error('late'));
    await new Promise((resolve) => source.once('close', resolve));
  });

  it('throws the error of a source that failed before it was read, or was closed', async () => {
    const failed = new PassThrough();
    failed.on('error', () => {});
    failed.destroy(new Error('before'));
    await expect(collect(readChunks(failed))).rejects.toThrow('before');
    await expect(collect(readChunks(new PassThrough().destroy()))).rejects.toThrow('before its end');
  });
});

describe('exactLength and inBlocks', () => {
  const chunkLists = fc.array(fc.string({ maxLength: 40 }), { maxLength: 12 });
  const bytesOf = (texts: string[]) => readChunks(Readable.from(texts.filter((text) => text !== '')));

  it('pass everything on, in blocks of at least the size asked for but the last', async () => {
    await fc.assert(
      fc.asyncProperty(chunkLists, fc.integer({ min: 1, max: 50 }), async (texts, blockBytes) => {
        const whole = Buffer.from(texts.join(''));
        const blocks = await gather(inBlocks(exactLength(bytesOf(texts), whole.length), blockBytes));
        expect(Buffer.concat(blocks)).toEqual(whole);
        for (const block of blocks.slice(0, -1)) expect(block.length).toBeGreaterThanOrEqual(blockBytes);
      }),
    );
  });

  it('never pass the whole announced length of a body that is longer', async () => {
    await fc.assert(
      fc.asyncProperty(chunkLists, fc.integer({ min: 1, max: 20 }), async (texts, excess) => {
        const announced = Buffer.byteLength(texts.join(''));
        let passed = 0;
        const reading = (async () => {
          for await (const chunk of exactLength(bytesOf([...texts, 'x'.repeat(excess)]), announced)) {
            passed += chunk.length;
          }
        })();
        await expect(reading).rejects.toThrow(LengthMismatchError);
        expect(passed === 0 || passed < announced).toBe(true);
      }),
    );
  });
});
