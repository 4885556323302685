import { randomUUID } from 'node:crypto';
import { PassThrough, Readable } from 'node:stream';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { MultipartNotFoundError, OffsetMismatchError } from '../../src/platform/object-store/errors.ts';
import { digest, generate, openDiskStore, openS3Store, type StoreUnderTest, text } from '../support/object-stores.ts';
import { S3_SERVER_HINT } from '../support/s3-server.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const contentType = 'application/octet-stream';
const REFUSALS = ['OffsetMismatchError', 'MultipartNotFoundError'];

const s3 = await openS3Store();
describe('appendable uploads on disk', () => contract(openDiskStore));
describe.skipIf(!s3)(`appendable uploads on S3 (${S3_SERVER_HINT})`, () =>
  contract(async () => {
    if (!s3) throw new Error('skipped');
    return s3;
  }),
);

interface Upload {
  readonly store: StoreUnderTest['store'];
  readonly key: string;
  readonly uploadId: string;
  append(body: Readable | string, offset: number, totalBytes?: number): ReturnType<StoreUnderTest['store']['append']>;
  bytes(): Promise<number>;
}

function contract(open: () => Promise<StoreUnderTest>): void {
  const opened = open();
  const on = (store: StoreUnderTest['store'], key: string, uploadId: string): Upload => ({
    store,
    key,
    uploadId,
    append: (body, offset, totalBytes) =>
      store.append(key, uploadId, {
        offset,
        totalBytes,
        body: typeof body === 'string' ? Readable.from([body]) : body,
      }),
    bytes: () => store.appendedBytes(key, uploadId),
  });
  const begin = async (): Promise<Upload> => {
    const { store } = await opened;
    const key = `spaces/${randomUUID()}/a`;
    const { uploadId } = await store.createAppend(key, { contentType });
    return on(store, key, uploadId);
  };
  const complete = async ({ store, key, uploadId }: Upload, sizeBytes: number) => {
    const stored = await store.completeAppend(key, uploadId, sizeBytes);
    expect(await store.head(key)).toMatchObject(stored);
    expect(stored).toMatchObject({ key, sizeBytes });
  };
  const expectContent = async ({ store, key }: Upload, sizeBytes: number) => {
    const { body } = await store.get(key);
    expect(await digest(body)).toEqual(await digest(generate(sizeBytes)));
  };
  /** All that was acknowledged is there, of one writer; or the upload was ended. */
  const expectOneOf = async (
    upload: Upload,
    answers: readonly PromiseSettledResult<{ offset: number }>[],
    whole: readonly Buffer[],
  ) => {
    for (const answer of answers) {
      if (answer.status === 'rejected') expect(REFUSALS).toContain(Reflect.get(answer.reason, 'name'));
    }
    const { store, key } = upload;
    // S3 keeps nobody from replacing a part.
    const unlessEnded = async <T>(asked: Promise<T>): Promise<T | null> =>
      asked.catch((error: unknown) => {
        if (error instanceof MultipartNotFoundError && store.kind === 's3') return null;
        throw error;
      });
    const durableBytes = await unlessEnded(upload.bytes());
    if (durableBytes !== null) {
      const offsets = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value.offset] : []));
      expect(durableBytes).toBeGreaterThanOrEqual(Math.max(0, ...offsets));
      if (await unlessEnded(store.completeAppend(key, upload.uploadId, durableBytes))) {
        const found = Buffer.concat(await (await store.get(key)).body.toArray());
        expect(whole.some((one) => found.equals(one.subarray(0, durableBytes)))).toBe(true);
      }
    }
    if (store.kind === 's3' && durableBytes === null) expect(await store.head(key)).toBeNull();
    await store.discardTemporary([key]);
    await store.deleteMany([key]);
  };
  const listed = async ({ store }: Upload, prefix: string): Promise<string[]> => {
    const keys: string[] = [];
    for await (const { key } of store.list(prefix)) keys.push(key);
    return keys;
  };

  afterEach(async () => {
    const { store, budget } = await opened;
    expect(await store.countTemporary()).toBe(0);
    expect(budget?.heldBytes ?? 0).toBe(0);
  });
  afterAll(async () => (await opened).close(), 30_000);

  it('grows by requests and is served only when it is complete', async () => {
    const upload = await begin();
    expect(await upload.bytes()).toBe(0);
    expect(await upload.append('hel', 0)).toEqual({ offset: 3, broken: null });
    expect(await upload.bytes()).toBe(3);
    expect(await upload.append(Readable.from([]), 3)).toEqual({ offset: 3, broken: null });
    expect(await upload.append('lo', 3)).toEqual({ offset: 5, broken: null });
    expect(await upload.store.head(upload.key)).toBeNull();
    expect(await listed(upload, '')).not.toContainEqual(expect.stringContaining('tmp'));
    expect(await listed(upload, upload.key)).toEqual([]);
    await complete(upload, 5);
    expect(await text((await upload.store.get(upload.key)).body)).toBe('hello');
  });

  it('makes an empty object', async () => {
    const upload = await begin();
    await complete(upload, 0);
    await expectContent(upload, 0);
    await expect(upload.bytes()).rejects.toThrow(MultipartNotFoundError);
  });

  for (const known of [true, false]) {
    it(`takes 20 MiB in uneven pieces (length ${known ? 'known' : 'not known'})`, async () => {
      const upload = await begin();
      const whole = Buffer.concat(await generate(20 * MIB).toArray());
      const ends = [1, 1000, 5 * MIB, 5 * MIB + 3, 14 * MIB, 14 * MIB + 1, 19 * MIB, 20 * MIB];
      let offset = 0;
      for (const end of ends) {
        const body = Readable.from(pieces(whole.subarray(offset, end)), { objectMode: false });
        expect(await upload.append(body, offset, known ? whole.byteLength : undefined)).toEqual({
          offset: end,
          broken: null,
        });
        expect(await upload.bytes()).toBe(end);
        offset = end;
      }
      await complete(upload, whole.byteLength);
      await expectContent(upload, whole.byteLength);
    });
  }

  for (const sizeBytes of [8 * MIB, 16 * MIB]) {
    it(`takes exactly ${sizeBytes} bytes at once and in halves`, async () => {
      const atOnce = await begin();
      await atOnce.append(generate(sizeBytes), 0);
      await complete(atOnce, sizeBytes);
      await expectContent(atOnce, sizeBytes);
      const whole = Buffer.concat(await generate(sizeBytes).toArray());
      const halves = await begin();
      for (const offset of [0, sizeBytes / 2]) {
        await halves.append(Readable.from([whole.subarray(offset, offset + sizeBytes / 2)]), offset, sizeBytes);
      }
      await complete(halves, sizeBytes);
      await expectContent(halves, sizeBytes);
    });
  }

  it('keeps what came before the body broke off', async () => {
    const upload = await begin();
    const cut = new Error('cut');
    const sizeBytes = 11 * MIB;
    const failing = generate(sizeBytes, (sentBytes) => {
      if (sentBytes > 9 * MIB) throw cut;
    });
    const { offset, broken } = await upload.append(failing, 0, sizeBytes);
    expect(broken).toBe(cut);
    expect(offset).toBeGreaterThan(9 * MIB);
    expect(await upload.bytes()).toBe(offset);
    const whole = Buffer.concat(await generate(sizeBytes).toArray());
    await upload.append(Readable.from([whole.subarray(offset)]), offset, sizeBytes);
    await complete(upload, sizeBytes);
    await expectContent(upload, sizeBytes);
  });

  it('keeps what came before the connection was closed or the caller aborted', async () => {
    const upload = await begin();
    const closing = new PassThrough();
    closing.write('closed ');
    const closed = upload.append(closing, 0);
    closing.destroy();
    expect(await closed).toEqual({ offset: 7, broken: expect.objectContaining({ message: expect.any(String) }) });
    const controller = new AbortController();
    const reason = new Error('shutting down');
    const open = new PassThrough();
    open.write('aborted', () => setImmediate(() => controller.abort(reason)));
    const { key, uploadId, store } = upload;
    const aborted = await store.append(key, uploadId, { offset: 7, body: open, signal: controller.signal });
    expect(aborted).toEqual({ offset: 14, broken: reason });
    expect(open.destroyed).toBe(false);
    const late = { offset: 14, body: Readable.from([]), signal: AbortSignal.abort(reason) };
    expect(await store.append(key, uploadId, late)).toEqual({ offset: 14, broken: reason });
    await complete(upload, 14);
    expect(await text((await store.get(key)).body)).toBe('closed aborted');
  });

  it('refuses an offset that is not what is durable, and a completion of another size', async () => {
    const upload = await begin();
    await upload.append('12345', 0);
    for (const offset of [0, 4, 6]) {
      await expect(upload.append('x', offset)).rejects.toMatchObject({ name: 'OffsetMismatchError', durableBytes: 5 });
    }
    for (const size of [0, 4, 6]) {
      await expect(upload.store.completeAppend(upload.key, upload.uploadId, size)).rejects.toThrow(OffsetMismatchError);
    }
    await complete(upload, 5);
  });

  it('goes on in another process after a kill in the middle', async () => {
    const { reopen } = await opened;
    const upload = await begin();
    const sizeBytes = 20 * MIB;
    await upload.append(generate(100), 0, sizeBytes);
    // As good as killed: it waits for bytes that never come, and nobody asks it again.
    const whole = Buffer.concat(await generate(sizeBytes).toArray());
    const killed = new PassThrough();
    const woken = upload.append(killed, 100, sizeBytes).catch((error: unknown) => error);
    killed.write(whole.subarray(100, 19 * MIB));
    const next = on(await reopen(), upload.key, upload.uploadId);
    await expect.poll(() => next.bytes(), { interval: 20, timeout: 10_000 }).toBeGreaterThanOrEqual(16 * MIB);
    const durableBytes = await stable(() => next.bytes());
    await next.append(Readable.from([whole.subarray(durableBytes)]), durableBytes, sizeBytes);
    await complete(next, sizeBytes);
    await expectContent(next, sizeBytes);
    // It was only asleep: it may no more harm what others have made than leave something behind.
    killed.destroy();
    expect(REFUSALS).toContain(Reflect.get(Object(await woken), 'name'));
    await expectContent(next, sizeBytes);
  });

  it('never makes an object of two requests at once', async () => {
    const { reopen } = await opened;
    const upload = await begin();
    const slow = new PassThrough();
    slow.write('aaa');
    const first = upload.append(slow, 0);
    await expect(upload.append('bbb', 0)).rejects.toThrow(OffsetMismatchError);
    await expect(upload.store.completeAppend(upload.key, upload.uploadId, 0)).rejects.toThrow(OffsetMismatchError);
    slow.end();
    expect(await first).toEqual({ offset: 3, broken: null });
    const other = on(await reopen(), upload.key, upload.uploadId);
    const bodies = [Buffer.concat(await generate(30 * MIB).toArray()), Buffer.alloc(30 * MIB, 'b')] as const;
    const both = await Promise.allSettled([
      upload.append(Readable.from(pieces(bodies[0]), { objectMode: false }), 3),
      other.append(Readable.from(pieces(bodies[1]), { objectMode: false }), 3),
    ]);
    expect(both.some(({ status }) => status === 'rejected')).toBe(true);
    await expectOneOf(
      upload,
      both,
      bodies.map((body) => Buffer.concat([Buffer.from('aaa'), body])),
    );
  });

  it('keeps the stale bytes of a writer that was only asleep out of what others have made', async () => {
    const { reopen } = await opened;
    for (const [staleBytes, freshBytes] of [
      [5, 5],
      [9 * MIB, 5],
      [5, 9 * MIB],
      [20 * MIB, 10 * MIB],
    ] as const) {
      const upload = await begin();
      await upload.append('aaa', 0);
      const asleep = new PassThrough();
      const stale = upload.append(asleep, 3).catch((error: unknown) => error);
      const next = on(await reopen(), upload.key, upload.uploadId);
      expect(await stable(() => next.bytes())).toBe(3);
      const fresh = Buffer.alloc(freshBytes, 'b');
      expect(await next.append(Readable.from([fresh]), 3)).toEqual({ offset: 3 + freshBytes, broken: null });
      asleep.end(Buffer.alloc(staleBytes, 'c'));
      expect(REFUSALS).toContain(Reflect.get(Object(await stale), 'name'));
      const acknowledged = [{ status: 'fulfilled' as const, value: { offset: 3 + freshBytes } }];
      await expectOneOf(upload, acknowledged, [Buffer.concat([Buffer.from('aaa'), fresh])]);
    }
  });

  it('is complete once', async () => {
    const upload = await begin();
    await upload.append('x', 0);
    await complete(upload, 1);
    await expect(upload.store.completeAppend(upload.key, upload.uploadId, 1)).rejects.toThrow(MultipartNotFoundError);
    await expect(upload.append('y', 1)).rejects.toThrow(MultipartNotFoundError);
    await expect(upload.bytes()).rejects.toThrow(MultipartNotFoundError);
    expect((await upload.store.head(upload.key))?.sizeBytes).toBe(1);
  });

  it('is discarded with all it has', async () => {
    const upload = await begin();
    await upload.append(generate(9 * MIB), 0);
    await upload.store.discardTemporary([upload.key]);
    expect(await upload.store.countTemporary()).toBe(0);
    await expect(upload.bytes()).rejects.toThrow(MultipartNotFoundError);
    await expect(upload.append('y', 9 * MIB)).rejects.toThrow(MultipartNotFoundError);
    await expect(upload.store.completeAppend(upload.key, upload.uploadId, 9 * MIB)).rejects.toThrow(
      MultipartNotFoundError,
    );
  });

  it('does not take the tail of one upload for that of another of the same key', async () => {
    const upload = await begin();
    await upload.append('mine', 0);
    const { uploadId } = await upload.store.createAppend(upload.key, { contentType });
    expect(await upload.store.appendedBytes(upload.key, uploadId)).toBe(0);
    await upload.store.discardTemporary([upload.key]);
  });

  it('keeps memory within its bound for 8 uploads of 24 MiB at once', { timeout: 60_000 }, async () => {
    const { budget } = await opened;
    const uploads = await Promise.all(Array.from({ length: 8 }, begin));
    await Promise.all(uploads.map((upload) => upload.append(generate(24 * MIB), 0, 24 * MIB)));
    for (const upload of uploads) {
      await complete(upload, 24 * MIB);
      await expectContent(upload, 24 * MIB);
    }
    if (budget) expect(budget.highWaterBytes).toBeLessThanOrEqual(budget.limitBytes);
  });

  it('knows no upload of another name', async () => {
    const { store } = await opened;
    for (const uploadId of ['x', '../x', '0'.repeat(32)]) {
      await expect(store.appendedBytes('spaces/a', uploadId)).rejects.toThrow(MultipartNotFoundError);
    }
  });
}

/** Uneven chunks of a buffer. */
function* pieces(bytes: Buffer): Generator<Buffer> {
  for (let start = 0, size = 1; start < bytes.byteLength; start += size, size = (size * 3) % (200 * KIB) || 1) {
    yield bytes.subarray(start, start + size);
  }
}

/** The value that a count stops at. */
async function stable(count: () => Promise<number>): Promise<number> {
  let last = await count();
  await expect
    .poll(
      async () => {
        const before = last;
        last = await count();
        return last === before;
      },
      { interval: 100, timeout: 5_000 },
    )
    .toBe(true);
  return last;
}
