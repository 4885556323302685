import { randomUUID } from 'node:crypto';
import { PassThrough, Readable } from 'node:stream';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import {
  InvalidPartError,
  InvalidRangeError,
  LengthMismatchError,
  MultipartNotFoundError,
  ObjectExistsError,
  ObjectNotFoundError,
} from '../../src/platform/object-store/errors.ts';
import { digest, generate, openDiskStore, openS3Store, type StoreUnderTest, text } from '../support/object-stores.ts';
import { S3_SERVER_HINT } from '../support/s3-server.ts';

const MIB = 1024 * 1024;
const contentType = 'application/octet-stream';

const s3 = await openS3Store();
describe('object store on disk', () => contract(openDiskStore));
describe.skipIf(!s3)(`object store on S3 (${S3_SERVER_HINT})`, () =>
  contract(async () => {
    if (!s3) throw new Error('skipped');
    return s3;
  }),
);

function contract(open: () => Promise<StoreUnderTest>): void {
  const opened = open();
  // Not `beforeAll`: cases below are made for each size, and a store that cannot open should fail them all.
  const use = async (): Promise<StoreUnderTest['store']> => (await opened).store;
  let folder = '';
  const keyOf = (name: string): string => `apikeys/${folder}/${name}`;
  const fresh = async (): Promise<StoreUnderTest['store']> => {
    folder = randomUUID();
    return use();
  };
  const keysBelow = async (prefix: string): Promise<string[]> => {
    const keys: string[] = [];
    for await (const { key } of (await use()).list(prefix)) keys.push(key);
    return keys.sort();
  };
  const expectNothingLeft = async (): Promise<void> => {
    expect(await keysBelow(`apikeys/${folder}/`)).toEqual([]);
    expect(await (await use()).countTemporary()).toBe(0);
  };

  afterEach(async () => {
    expect(await (await use()).countTemporary()).toBe(0);
  });
  afterAll(async () => (await opened).close(), 30_000);

  describe('put and get', () => {
    for (const sizeBytes of [0, 1, 64 * 1024, 8 * MIB, 20 * MIB + 1]) {
      for (const known of [true, false]) {
        it(`brings back a stream of ${sizeBytes} bytes whose length is ${known ? 'known' : 'not known'}`, async () => {
          const store = await fresh();
          const expected = await digest(generate(sizeBytes));
          const options = { contentType, sizeBytes: known ? sizeBytes : undefined };
          const stored = await store.put(keyOf('a'), generate(sizeBytes), options);
          expect(stored).toEqual({ key: keyOf('a'), sizeBytes, etag: expect.stringMatching(/^[^"]+$/) });
          const { head, body } = await store.get(keyOf('a'));
          expect(await digest(body)).toEqual(expected);
          expect(head).toMatchObject({ sizeBytes, etag: stored.etag });
          expect(Math.abs(head.lastModified.getTime() - Date.now())).toBeLessThan(60_000);
          expect(await store.head(keyOf('a'))).toMatchObject(head);
        });
      }
    }

    it('shows a body on its way in, and stores none that is refused once it is whole', async () => {
      const store = await fresh();
      const refuse = () => {
        throw new Error('not this one');
      };
      for (const sizeBytes of [5, 3 * MIB, undefined]) {
        let seenBytes = 0;
        const onChunk = (chunk: Uint8Array): void => {
          seenBytes += chunk.byteLength;
        };
        const bytes = sizeBytes ?? MIB;
        const refused = store.put(keyOf('a'), generate(bytes), { contentType, sizeBytes, onChunk, check: refuse });
        await expect(refused).rejects.toThrow('not this one');
        expect(seenBytes).toBe(bytes);
      }
      const { uploadId } = await store.createMultipart(keyOf('a'), { contentType });
      const part = { partNumber: 1, body: generate(MIB), sizeBytes: MIB, check: refuse };
      await expect(store.uploadPart(keyOf('a'), uploadId, part)).rejects.toThrow('not this one');
      expect(await store.listParts(keyOf('a'), uploadId)).toEqual([]);
      await store.abortMultipart(keyOf('a'), uploadId);
      await expectNothingLeft();
    });

    it('puts only where there is nothing, if so told', async () => {
      const store = await fresh();
      if (!(await store.probe()).conditionalPut) return;
      const put = (content: string) => {
        const body = Readable.from([Buffer.from(content)]);
        return store.put(keyOf('a'), body, { contentType, sizeBytes: content.length, createOnly: true });
      };
      const outcomes = await Promise.allSettled(['one', 'two', 'six'].map(put));
      expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      const before = await text((await store.get(keyOf('a'))).body);
      await expect(put('new')).rejects.toThrow(ObjectExistsError);
      expect(await text((await store.get(keyOf('a'))).body)).toBe(before);
    });

    it('takes bytes in memory', async () => {
      const store = await fresh();
      await store.put(keyOf('a'), Buffer.from('hello'), { contentType });
      expect(await text((await store.get(keyOf('a'))).body)).toBe('hello');
      await expect(store.put(keyOf('b'), Buffer.from('hello'), { contentType, sizeBytes: 4 })).rejects.toThrow(
        LengthMismatchError,
      );
      expect(await store.head(keyOf('b'))).toBeNull();
    });

    for (const [announced, real] of [
      [10, 9],
      [9, 10],
      [MIB, MIB + 1],
      [MIB, 0],
      [0, 1],
      [12 * MIB, 11 * MIB],
    ] as const) {
      it(`refuses ${real} bytes announced as ${announced} and leaves nothing`, async () => {
        const store = await fresh();
        const put = store.put(keyOf('a'), generate(real), { contentType, sizeBytes: announced });
        await expect(put).rejects.toThrow(LengthMismatchError);
        await expectNothingLeft();
      });
    }

    it('reads ranges: first byte, last byte, middle, cut at the end', async () => {
      const store = await fresh();
      await store.put(keyOf('a'), Buffer.from('0123456789'), { contentType });
      const read = async (start: number, end: number): Promise<string> => {
        const { head, body } = await store.get(keyOf('a'), { range: { start, end } });
        expect(head.sizeBytes).toBe(10);
        return text(body);
      };
      expect(await read(0, 0)).toBe('0');
      expect(await read(9, 9)).toBe('9');
      expect(await read(3, 6)).toBe('3456');
      expect(await read(8, 100)).toBe('89');
      await expect(read(10, 11)).rejects.toThrow(InvalidRangeError);
    });

    it('knows what is missing', async () => {
      const store = await fresh();
      await expect(store.get(keyOf('no'))).rejects.toThrow(ObjectNotFoundError);
      await expect(store.copy(keyOf('no'), keyOf('b'))).rejects.toThrow(ObjectNotFoundError);
      expect(await store.head(keyOf('no'))).toBeNull();
    });

    it('overwrites at once: who reads the old content goes on with it', async () => {
      const store = await fresh();
      const old = await store.put(keyOf('a'), generate(9 * MIB), { contentType });
      const { body } = await store.get(keyOf('a'));
      await new Promise((resolve) => body.once('readable', resolve));
      const replaced = await store.put(keyOf('a'), Buffer.from('new'), { contentType });
      expect(await digest(body)).toEqual(await digest(generate(9 * MIB)));
      expect(await text((await store.get(keyOf('a'))).body)).toBe('new');
      expect(replaced.etag).not.toBe(old.etag);
    });

    it('takes 20 puts side by side', async () => {
      const store = await fresh();
      const sizes = Array.from({ length: 20 }, (_, index) => index * 50_000);
      await Promise.all(sizes.map((size) => store.put(keyOf(`p${size}`), generate(size), { contentType })));
      for (const size of sizes) expect((await store.head(keyOf(`p${size}`)))?.sizeBytes).toBe(size);
    });

    it('keeps memory within its bound for 8 puts of 64 MiB of unknown length', { timeout: 60_000 }, async () => {
      const store = await fresh();
      const { budget } = await opened;
      const names = Array.from({ length: 8 }, (_, index) => `m${index}`);
      await Promise.all(names.map((name) => store.put(keyOf(name), generate(64 * MIB), { contentType })));
      const expected = await digest(generate(64 * MIB));
      for (const name of names) expect(await digest((await store.get(keyOf(name))).body)).toEqual(expected);
      if (budget) {
        expect(budget.highWaterBytes).toBeGreaterThan(8 * MIB);
        expect(budget.highWaterBytes).toBeLessThanOrEqual(budget.limitBytes);
        expect(budget.heldBytes).toBe(0);
      }
      await store.deleteMany(names.map(keyOf));
    });
  });

  describe('a put that does not end well', () => {
    for (const sizeBytes of [undefined, 40 * MIB]) {
      const length = sizeBytes === undefined ? 'unknown' : 'known';

      it(`leaves nothing when aborted in the middle (length ${length})`, async () => {
        const store = await fresh();
        const controller = new AbortController();
        const reason = new Error('the client went away');
        const source = generate(40 * MIB, (sentBytes) => {
          if (sentBytes < 20 * MIB) return;
          controller.abort(reason);
          return new Promise(() => {});
        });
        const put = store.put(keyOf('a'), source, { contentType, sizeBytes, signal: controller.signal });
        await expect(put).rejects.toBe(reason);
        await expectNothingLeft();
      });

      it(`leaves nothing when the source fails (length ${length})`, async () => {
        const store = await fresh();
        const reason = new Error('cut');
        const source = generate(40 * MIB, (sentBytes) => {
          if (sentBytes >= 20 * MIB) throw reason;
        });
        await expect(store.put(keyOf('a'), source, { contentType, sizeBytes })).rejects.toBe(reason);
        await expectNothingLeft();
      });

      it(`leaves nothing when the source is closed before its end (length ${length})`, async () => {
        const store = await fresh();
        const source = new PassThrough();
        source.write('some');
        setImmediate(() => source.destroy());
        await expect(store.put(keyOf('a'), source, { contentType, sizeBytes })).rejects.toThrow('before its end');
        await expectNothingLeft();
      });
    }

    it('does not begin when already aborted', async () => {
      const store = await fresh();
      const signal = AbortSignal.abort(new Error('too late'));
      await expect(store.put(keyOf('a'), generate(10), { contentType, signal })).rejects.toThrow('too late');
      await expect(store.get(keyOf('a'), { signal })).rejects.toThrow('too late');
      await expectNothingLeft();
    });

    it('leaves the source undestroyed, for the caller to drain', async () => {
      const store = await fresh();
      const source = new PassThrough();
      source.write('too long');
      await expect(store.put(keyOf('a'), source, { contentType, sizeBytes: 1 })).rejects.toThrow(LengthMismatchError);
      expect(source.destroyed).toBe(false);
      source.resume().end('rest');
      await new Promise((resolve) => source.once('end', resolve));
    });

    it('stops a read on abort', async () => {
      const store = await fresh();
      await store.put(keyOf('a'), generate(9 * MIB), { contentType });
      const controller = new AbortController();
      const { body } = await store.get(keyOf('a'), { signal: controller.signal });
      await new Promise((resolve) => body.once('readable', resolve));
      controller.abort();
      await expect(digest(body)).rejects.toThrow(/abort/i);
    });
  });

  describe('list, delete and copy', () => {
    it('lists 1005 objects and deletes 1000 in one call', { timeout: 60_000 }, async () => {
      const store = await fresh();
      const keys = Array.from({ length: 1005 }, (_, index) => keyOf(`n/${index}`)).sort();
      for (let index = 0; index < keys.length; index += 67) {
        const some = keys.slice(index, index + 67);
        await Promise.all(some.map((key) => store.put(key, Buffer.from('x'), { contentType })));
      }
      expect(await keysBelow(keyOf(''))).toEqual(keys);
      const outcomes = await store.deleteMany(keys.slice(0, 1000));
      expect(outcomes).toEqual(keys.slice(0, 1000).map((key) => ({ key, deleted: true })));
      expect(await keysBelow(keyOf('n/'))).toEqual(keys.slice(1000));
      await expect(store.deleteMany(Array(1001).fill(keyOf('x')))).rejects.toThrow(TypeError);
    });

    it('never shows AKIA10 to AKIA1, and takes prefixes as text', async () => {
      const store = await fresh();
      for (const name of ['AKIA1/a', 'AKIA1/b/c', 'AKIA10/a']) {
        await store.put(keyOf(name), Buffer.from(name), { contentType });
      }
      expect(await keysBelow(keyOf('AKIA1/'))).toEqual([keyOf('AKIA1/a'), keyOf('AKIA1/b/c')]);
      expect(await keysBelow(keyOf('AKIA1'))).toHaveLength(3);
      expect(await keysBelow(keyOf('AKIA2/'))).toEqual([]);
      for await (const entry of store.list(keyOf('AKIA10/'))) {
        expect(entry).toEqual({ key: keyOf('AKIA10/a'), sizeBytes: 8, lastModified: expect.any(Date) });
      }
    });

    it('answers for each key of a batch, present or absent', async () => {
      const store = await fresh();
      await store.put(keyOf('a'), Buffer.from('x'), { contentType });
      const keys = [keyOf('no'), keyOf('a'), keyOf('deep/no')];
      expect(await store.deleteMany(keys)).toEqual(keys.map((key) => ({ key, deleted: true })));
      expect(await store.deleteMany([])).toEqual([]);
      await expectNothingLeft();
    });

    for (const sizeBytes of [0, 5, 6 * MIB + 1, 13 * MIB]) {
      it(`copies ${sizeBytes} bytes over an older object`, async () => {
        const store = await fresh();
        await store.put(keyOf('a'), generate(sizeBytes), { contentType, sizeBytes });
        await store.put(keyOf('b'), Buffer.from('older'), { contentType });
        const copied = await store.copy(keyOf('a'), keyOf('b'));
        await store.deleteMany([keyOf('a')]);
        const { head, body } = await store.get(keyOf('b'));
        expect(await digest(body)).toEqual(await digest(generate(sizeBytes)));
        expect(copied).toEqual({ key: keyOf('b'), sizeBytes, etag: head.etag });
      });
    }

    it('keeps awkward keys apart and whole', async () => {
      const store = await fresh();
      const names = [
        'with space',
        'ünï/cödé 日本',
        '100%',
        '%41',
        'a+b',
        '~',
        `"'\`$&`,
        '#?;:@=,',
        '(a)*!',
        'A',
        '..a',
      ];
      for (const name of names) await store.put(keyOf(name), Buffer.from(name), { contentType });
      expect(await keysBelow(keyOf(''))).toEqual(names.map(keyOf).sort());
      for (const name of names) {
        await store.copy(keyOf(name), keyOf(`copies/${name}`));
        expect(await text((await store.get(keyOf(`copies/${name}`))).body)).toBe(name);
      }
      const keys = await keysBelow(keyOf(''));
      expect((await store.deleteMany(keys)).every(({ deleted }) => deleted)).toBe(true);
      await expectNothingLeft();
    });

    it('refuses keys that the server never makes', async () => {
      const store = await fresh();
      for (const key of ['', '/a', 'a//b', 'a/', '../a', 'a/../b', '.', 'a\0b', '.tmp/a', `a/${'x'.repeat(256)}`]) {
        await expect(store.put(key, Buffer.from('x'), { contentType })).rejects.toThrow(TypeError);
      }
    });
  });

  describe('multipart', () => {
    it('joins parts that came out of order, one of them replaced', async () => {
      const store = await fresh();
      const { uploadId } = await store.createMultipart(keyOf('a'), { contentType });
      const part = (partNumber: number, body: Readable | Uint8Array, sizeBytes: number) =>
        store.uploadPart(keyOf('a'), uploadId, { partNumber, body, sizeBytes });
      const third = await part(3, Buffer.from('end'), 3);
      const replaced = await part(1, generate(6 * MIB), 6 * MIB);
      const second = await part(2, generate(5 * MIB), 5 * MIB);
      const first = await part(1, Buffer.alloc(5 * MIB, 'x'), 5 * MIB);
      expect(first.etag).not.toBe(replaced.etag);
      expect(await store.listParts(keyOf('a'), uploadId)).toEqual([first, second, third]);
      await expect(store.completeMultipart(keyOf('a'), uploadId, [replaced, second])).rejects.toThrow(InvalidPartError);
      const stored = await store.completeMultipart(keyOf('a'), uploadId, [first, second, third]);
      const { head, body } = await store.get(keyOf('a'));
      expect(stored).toEqual({ key: keyOf('a'), sizeBytes: 10 * MIB + 3, etag: head.etag });
      const expected = Readable.from([Buffer.alloc(5 * MIB, 'x'), ...(await generate(5 * MIB).toArray()), 'end']);
      expect(await digest(body)).toEqual(await digest(expected));
    });

    it('refuses absent, small and misnamed parts', async () => {
      const store = await fresh();
      const { uploadId } = await store.createMultipart(keyOf('a'), { contentType });
      const [first, second] = [1, 2].map((partNumber) => ({ partNumber, body: Buffer.from('small'), sizeBytes: 5 }));
      if (!first || !second) throw new Error('two parts');
      const one = await store.uploadPart(keyOf('a'), uploadId, first);
      const two = await store.uploadPart(keyOf('a'), uploadId, second);
      const complete = (parts: { partNumber: number; etag: string }[]) =>
        store.completeMultipart(keyOf('a'), uploadId, parts);
      await expect(complete([one, two])).rejects.toThrow(InvalidPartError);
      await expect(complete([{ ...one, partNumber: 7 }])).rejects.toThrow(InvalidPartError);
      await expect(complete([{ ...one, etag: '0'.repeat(32) }])).rejects.toThrow(InvalidPartError);
      await expect(complete([])).rejects.toThrow(InvalidPartError);
      await store.abortMultipart(keyOf('a'), uploadId);
      await expectNothingLeft();
    });

    it('takes one small part, and a second completion harms nothing', async () => {
      const store = await fresh();
      const { uploadId } = await store.createMultipart(keyOf('a'), { contentType });
      const part = await store.uploadPart(keyOf('a'), uploadId, {
        partNumber: 1,
        body: Buffer.from('x'),
        sizeBytes: 1,
      });
      const stored = await store.completeMultipart(keyOf('a'), uploadId, [part]);
      expect(stored.sizeBytes).toBe(1);
      const again = await store.completeMultipart(keyOf('a'), uploadId, [part]).catch((error: unknown) => error);
      if (!(again instanceof MultipartNotFoundError)) expect(again).toEqual(stored);
      expect(await store.head(keyOf('a'))).toMatchObject(stored);
    });

    it('leaves nothing of a part that is cut, and the upload stays usable', async () => {
      const store = await fresh();
      const { uploadId } = await store.createMultipart(keyOf('a'), { contentType });
      const cut = { partNumber: 1, body: generate(MIB), sizeBytes: 2 * MIB };
      await expect(store.uploadPart(keyOf('a'), uploadId, cut)).rejects.toThrow(LengthMismatchError);
      expect(await store.listParts(keyOf('a'), uploadId)).toEqual([]);
      await store.abortMultipart(keyOf('a'), uploadId);
      await store.abortMultipart(keyOf('a'), uploadId);
      await expect(store.listParts(keyOf('a'), uploadId)).rejects.toThrow(MultipartNotFoundError);
      const late = { partNumber: 1, body: Buffer.from('x'), sizeBytes: 1 };
      await expect(store.uploadPart(keyOf('a'), uploadId, late)).rejects.toThrow(MultipartNotFoundError);
      await expectNothingLeft();
    });

    it('discards open uploads of some keys, and of no other, and no object', async () => {
      const store = await fresh();
      await store.put(keyOf('a'), Buffer.from('x'), { contentType });
      await store.put(keyOf('ab'), Buffer.from('x'), { contentType });
      const mine = await store.createMultipart(keyOf('a'), { contentType });
      await store.uploadPart(keyOf('a'), mine.uploadId, { partNumber: 1, body: Buffer.from('x'), sizeBytes: 1 });
      const other = await store.createMultipart(keyOf('ab'), { contentType });
      const keys = ['b', 'a', 'a', 'none'].map(keyOf);
      await store.createMultipart(keyOf('b'), { contentType });
      await store.createMultipart(keyOf('b'), { contentType });
      for (const _ of [1, 2]) {
        const outcomes = await store.discardTemporary(keys);
        expect(outcomes).toEqual(keys.map((key) => ({ key, deleted: true })));
      }
      expect(await store.discardTemporary([])).toEqual([]);
      expect(await keysBelow(keyOf(''))).toEqual([keyOf('a'), keyOf('ab')]);
      await expect(store.listParts(keyOf('a'), mine.uploadId)).rejects.toThrow(MultipartNotFoundError);
      expect(await store.listParts(keyOf('ab'), other.uploadId)).toEqual([]);
      await store.abortMultipart(keyOf('ab'), other.uploadId);
    });
  });

  it('answers a ping', async () => {
    await (await use()).ping();
  });
}
