import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { complaints, readZip } from '../../../tests/support/zip.ts';
import { type ZipEntry, zipStream } from './zip-stream.ts';

const modifiedAt = new Date('2026-03-04T05:06:08Z');

async function* entriesOf(contents: Readonly<Record<string, ZipEntry['content']>>): AsyncGenerator<ZipEntry> {
  for (const [name, content] of Object.entries(contents)) yield { name, modifiedAt, content };
}

async function* many(count: number): AsyncGenerator<ZipEntry> {
  for (let i = 0; i < count; i += 1) yield { name: `${i}`, modifiedAt, content: Buffer.alloc(0) };
}

describe('an archive', () => {
  it('holds what went in, as programs read it', async () => {
    const zip = await buffer(
      zipStream(() =>
        entriesOf({
          'a.txt': Buffer.from('a'),
          'ordner/ä.txt': Readable.from([Buffer.from('b'), Buffer.from('c')]),
          empty: Buffer.alloc(0),
        }),
      ),
    );
    expect(readZip(zip).map(({ name, content }) => [name, content.toString()])).toEqual([
      ['a.txt', 'a'],
      ['ordner/ä.txt', 'bc'],
      ['empty', ''],
    ]);
    expect(complaints(zip)).toEqual([]);
  });

  it('has dates that its format can say', async () => {
    const dated = async function* (): AsyncGenerator<ZipEntry> {
      for (const [i, time] of ['0001-01-01', '1979-12-31', '9999-01-01'].entries()) {
        yield { name: `${i}`, modifiedAt: new Date(time), content: Buffer.from('x') };
      }
    };
    expect(complaints(await buffer(zipStream(dated)))).toEqual([]);
  });

  it.each([0, 65_535, 70_000])('may have %i entries', async (count) => {
    const zip = await buffer(zipStream(() => many(count)));
    expect(readZip(zip)).toHaveLength(count);
    // Of an empty one unzip warns.
    if (count > 0) expect(complaints(zip)).toEqual([]);
  });
});

describe('what goes wrong', () => {
  /** Reads it to its end or failure; says how far it came, whether it looks whole, and whether its source was closed. */
  async function outcome(source: () => AsyncGenerator<ZipEntry>, give: (body: Readable) => void = () => undefined) {
    let isClosed = false;
    const body = zipStream(async function* () {
      try {
        yield* source();
      } finally {
        isClosed = true;
      }
    });
    const chunks: Buffer[] = [];
    let failure: unknown;
    try {
      for await (const chunk of body) {
        chunks.push(chunk);
        give(body);
      }
    } catch (error) {
      failure = error;
    }
    return { failure, isClosed, looksWhole: Buffer.concat(chunks).includes('PK\x05\x06') };
  }
  const broken = new Error('the store broke off');

  it('in the middle of a content breaks it off', async () => {
    const content = Readable.from(
      (async function* () {
        yield Buffer.alloc(1000);
        throw broken;
      })(),
    );
    const found = await outcome(() => entriesOf({ a: Buffer.from('a'), b: content, c: Buffer.from('c') }));
    expect(found).toEqual({ failure: broken, isClosed: true, looksWhole: false });
  });

  it('between two entries breaks it off', async () => {
    const found = await outcome(async function* () {
      yield* entriesOf({ a: Buffer.from('a') });
      throw broken;
    });
    expect(found).toEqual({ failure: broken, isClosed: true, looksWhole: false });
  });

  it('with its reader closes its source', async () => {
    const endless = async function* (): AsyncGenerator<ZipEntry> {
      for (let i = 0; ; i += 1) yield { name: `${i}`, modifiedAt, content: Buffer.from('x') };
    };
    const found = await outcome(endless, (body) => body.destroy());
    expect(found).toMatchObject({ isClosed: true, looksWhole: false });
  });
});
