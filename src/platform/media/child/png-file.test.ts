import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { emptyPng, pngChunk } from '../../../../tests/support/png.ts';
import { withoutTexts } from '../../images/png-texts.ts';
import { pngWithoutTexts } from './png-file.ts';

const SHAPE = { width: 3, height: 3, depth: 8, colour: 'grey' } as const;
const TEXT = pngChunk('tEXt', Buffer.from('a\0b'));
const OTHER = pngChunk('prIV', Buffer.alloc(0));

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pockity-png-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function stripped(bytes: Buffer): Promise<Buffer> {
  const [path, target] = [join(folder, 'content'), join(folder, 'stripped')];
  await Promise.all([writeFile(path, bytes), rm(target, { force: true })]);
  return readFile(await pngWithoutTexts(path, target));
}

describe('pngWithoutTexts', () => {
  const long = pngChunk('iTXt', Buffer.alloc(100_000));
  const many = Buffer.alloc(20_000 * TEXT.length, TEXT);
  it.each([
    ['none', []],
    ['some', [TEXT, OTHER, TEXT]],
    ['long ones, beyond what is read at once', [long, OTHER, pngChunk('prIV', Buffer.alloc(65_530)), TEXT, long]],
    ['very many', [many, OTHER, many]],
  ])('is the same as in memory: %s', async (_what, extra) => {
    const whole = emptyPng({ ...SHAPE, extra });
    for (const bytes of [whole, whole.subarray(0, whole.length - 7), whole.subarray(0, 40)]) {
      expect((await stripped(bytes)).equals(withoutTexts(bytes))).toBe(true);
    }
    for (const bytes of [Buffer.alloc(0), whole.subarray(0, 5), Buffer.from('no picture')]) {
      expect(await stripped(bytes)).toEqual(bytes);
    }
  });

  it.each([
    ['texts', TEXT],
    ['others', OTHER],
  ])('refuses millions of %s', async (_what, chunk) => {
    const bytes = emptyPng({ ...SHAPE, extra: [Buffer.alloc(2_000_000 * chunk.length, chunk)] });
    await expect(stripped(bytes)).rejects.toMatchObject({ code: 'broken', reason: 'the image has too many parts' });
  });
});
