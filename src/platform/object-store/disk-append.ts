import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { AppendTurns, assertOffset } from './append-turns.ts';
import { BreakableBody } from './body-chunks.ts';
import { nullIfMissing, onDisk } from './disk-errors.ts';
import { type DiskFiles, diskEtag } from './disk-files.ts';
import { MultipartNotFoundError } from './errors.ts';
import type { Appended, AppendedBody, StoredObject } from './object-store.ts';
import { OverlappedWriter } from './overlapped-writer.ts';

const UPLOAD_ID = /^[0-9a-f]{32}$/;
/** Never over bytes that are there: a second writer makes the file too long, which both of them see. */
const WRITE_AT_END = constants.O_WRONLY | constants.O_APPEND;

/**
 * Appendable uploads of the disk store. An upload is the one file `.tmp/<hash of key>.<upload id>.append`, its length
 * is what is durable, and it becomes the object by a rename.
 */
export class DiskAppends {
  readonly #files: DiskFiles;
  readonly #turns = new AppendTurns();

  constructor(files: DiskFiles) {
    this.#files = files;
  }

  async create(key: string): Promise<{ readonly uploadId: string }> {
    const uploadId = randomBytes(16).toString('hex');
    const path = this.#path(key, uploadId);
    await onDisk(async () => (await open(path, 'wx', 0o600)).close());
    await this.#files.syncDirectory(this.#files.temporaryRoot);
    return { uploadId };
  }

  appendedBytes(key: string, uploadId: string): Promise<number> {
    return this.#withFile(key, uploadId, (handle) =>
      onDisk(async () => {
        // A killed process may have written more than it flushed.
        await handle.datasync();
        return (await handle.stat()).size;
      }),
    );
  }

  append(key: string, uploadId: string, { offset, body, signal }: AppendedBody): Promise<Appended> {
    return this.#turns.take(key, uploadId, () => {
      const path = this.#path(key, uploadId);
      const source = new BreakableBody(body, signal);
      return this.#withFile(key, uploadId, (handle) => appendTo({ handle, path }, offset, source));
    });
  }

  async complete(key: string, uploadId: string, sizeBytes: number): Promise<StoredObject> {
    const target = this.#files.objectPath(key);
    return this.#turns.take(key, uploadId, async () => {
      const stats = await this.#withFile(key, uploadId, (handle) =>
        onDisk(async () => {
          await handle.datasync();
          return handle.stat({ bigint: true });
        }),
      );
      assertOffset(Number(stats.size), sizeBytes);
      await this.#files.move(this.#path(key, uploadId), target);
      return { key, sizeBytes, etag: diskEtag(stats) };
    });
  }

  truncate(key: string, uploadId: string, offset: number): Promise<void> {
    const work = async (handle: FileHandle): Promise<void> => {
      const { size } = await onDisk(() => handle.stat());
      if (offset > size) assertOffset(size, offset);
      await onDisk(async () => {
        await handle.truncate(offset);
        await handle.sync();
      });
    };
    return this.#turns.take(key, uploadId, () => this.#withFile(key, uploadId, work));
  }

  #path(key: string, uploadId: string): string {
    // Becomes part of a path, and may have passed through a client.
    if (!UPLOAD_ID.test(uploadId)) throw new MultipartNotFoundError('no such upload');
    return join(this.#files.temporaryRoot, `${this.#files.temporaryPrefix(key)}${uploadId}.append`);
  }

  async #withFile<T>(key: string, uploadId: string, work: (handle: FileHandle) => Promise<T>): Promise<T> {
    const path = this.#path(key, uploadId);
    const handle = await onDisk(() => nullIfMissing(() => open(path, WRITE_AT_END)));
    if (!handle) throw new MultipartNotFoundError('no such upload');
    try {
      return await work(handle);
    } finally {
      await handle.close();
    }
  }
}

async function appendTo(
  { handle, path }: { readonly handle: FileHandle; readonly path: string },
  offset: number,
  body: BreakableBody,
): Promise<Appended> {
  const assertLength = async (expectedBytes: number): Promise<void> =>
    assertOffset((await onDisk(() => handle.stat())).size, expectedBytes);
  await assertLength(offset);
  // Asked before each write: one that had been given up, and wakes when others went on, does not write into theirs.
  const writer = new OverlappedWriter(handle, (writtenBytes) => assertLength(offset + writtenBytes));
  let endBytes = offset;
  try {
    for await (const chunk of body.chunks()) {
      endBytes += chunk.byteLength;
      await writer.write(chunk);
    }
    await writer.finish();
  } finally {
    await writer.settle();
  }
  await onDisk(() => handle.datasync());
  const [opened, named] = await onDisk(() => Promise.all([handle.stat(), nullIfMissing(() => stat(path))]));
  if (named?.ino !== opened.ino) throw new MultipartNotFoundError('the upload was ended while the bytes came in');
  if (opened.size !== endBytes) {
    // Somebody wrote between such a question and its write. What was there before is whole.
    await onDisk(() => handle.truncate(offset));
    assertOffset(opened.size, endBytes);
  }
  return { offset: endBytes, broken: body.broken };
}
