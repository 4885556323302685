import { createHash, randomBytes } from 'node:crypto';
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import pLimit from 'p-limit';
import { nullIfMissing, onDisk } from './disk-errors.ts';
import type { DiskFiles } from './disk-files.ts';
import { InvalidPartError, LengthMismatchError, MultipartNotFoundError } from './errors.ts';
import type { MultipartPart, PartUpload, StoredObject } from './object-store.ts';

const MIN_PART_BYTES = 5 * 1024 * 1024;
const MAX_PART_NUMBER = 10_000;
const DIGEST_BYTES = 16;
const PARTS_AT_ONCE = 16;
const READ_CHUNK_BYTES = 1024 * 1024;
const UPLOAD_ID = /^[0-9a-f]{32}$/;
const PART_NAME = /^[1-9][0-9]{0,4}$/;

type NamedPart = Pick<MultipartPart, 'partNumber' | 'etag'>;

/**
 * Multipart uploads of the disk store. An upload is the folder `.tmp/<hash of key>.<upload id>/`, a part the file
 * `<number>` in it: the part's bytes and after them the 16 bytes of their MD5, which is its etag as in S3. One file
 * for both makes replacing a part one atomic rename, whichever of two racing uploads of it comes last.
 */
export class DiskMultiparts {
  readonly #files: DiskFiles;
  readonly #minPartBytes: number;

  constructor(files: DiskFiles, minPartBytes: number = MIN_PART_BYTES) {
    this.#files = files;
    this.#minPartBytes = minPartBytes;
  }

  async create(key: string): Promise<{ readonly uploadId: string }> {
    const uploadId = randomBytes(16).toString('hex');
    const folder = this.#folder(key, uploadId);
    await onDisk(() => mkdir(folder, { mode: 0o700 }));
    await this.#files.syncDirectory(this.#files.temporaryRoot);
    return { uploadId };
  }

  async uploadPart(key: string, uploadId: string, part: PartUpload): Promise<MultipartPart> {
    const { partNumber, body, sizeBytes, signal, check } = part;
    if (!Number.isInteger(partNumber) || partNumber < 1 || partNumber > MAX_PART_NUMBER) {
      throw new TypeError('a part number is 1..10,000');
    }
    const folder = await this.#existingFolder(key, uploadId);
    const arriving = join(folder, `${partNumber}.${randomBytes(8).toString('hex')}`);
    const md5 = createHash('md5');
    let digest = Buffer.alloc(0);
    const onChunk = (chunk: Uint8Array): void => {
      md5.update(chunk);
      part.onChunk?.(chunk);
    };
    const trailer = (): Buffer => {
      digest = md5.digest();
      return digest;
    };
    const written = await this.#orGone(key, uploadId, () =>
      this.#files.write(arriving, { body, sizeBytes, signal, onChunk, check, trailer }),
    );
    const placed = await onDisk(() =>
      nullIfMissing(() => rename(arriving, join(folder, String(partNumber))).then(() => true)),
    );
    if (!placed) throw new MultipartNotFoundError('the upload was ended while the part came in');
    await this.#files.syncDirectory(folder);
    return { partNumber, etag: digest.toString('hex'), sizeBytes: written.sizeBytes };
  }

  async listParts(key: string, uploadId: string): Promise<readonly MultipartPart[]> {
    const folder = await this.#existingFolder(key, uploadId);
    const names = await onDisk(() => readdir(folder));
    const limit = pLimit(PARTS_AT_ONCE);
    const parts = await Promise.all(
      names.filter((name) => PART_NAME.test(name)).map((name) => limit(() => readPart(folder, Number(name)))),
    );
    return parts.filter((part) => part !== null).sort((a, b) => a.partNumber - b.partNumber);
  }

  async complete(key: string, uploadId: string, named: readonly NamedPart[]): Promise<StoredObject> {
    const target = this.#files.objectPath(key);
    const folder = await this.#existingFolder(key, uploadId);
    const parts = await this.#check(folder, named);
    const sizeBytes = parts.reduce((sum, part) => sum + part.sizeBytes, 0);
    const joined = join(folder, `joined.${randomBytes(8).toString('hex')}`);
    const body = Readable.from(readParts(folder, parts), { objectMode: false });
    try {
      const written = await this.#orGone(key, uploadId, () => this.#files.write(joined, { body, sizeBytes }));
      await this.#files.publish(joined, target);
      await this.abort(key, uploadId);
      return { key, ...written };
    } catch (error) {
      // A part replaced by a shorter or longer one after it was looked at.
      if (error instanceof LengthMismatchError) throw new InvalidPartError('a part changed', { cause: error });
      throw error;
    } finally {
      body.destroy();
    }
  }

  async abort(key: string, uploadId: string): Promise<void> {
    const folder = this.#folder(key, uploadId);
    // Renamed first, so that a part still coming in finds no place and cannot refill the folder while it is emptied.
    const ended = `${folder}.ended`;
    await onDisk(async () => {
      await nullIfMissing(() => rename(folder, ended));
      await rm(ended, { recursive: true, force: true, maxRetries: 3 });
    });
  }

  #folder(key: string, uploadId: string): string {
    // Upload ids come back from clients, and this one becomes part of a path.
    if (!UPLOAD_ID.test(uploadId)) throw new MultipartNotFoundError('no such multipart upload');
    return join(this.#files.temporaryRoot, this.#files.temporaryPrefix(key) + uploadId);
  }

  async #existingFolder(key: string, uploadId: string): Promise<string> {
    const folder = this.#folder(key, uploadId);
    if ((await onDisk(() => nullIfMissing(() => readdir(folder)))) === null) {
      throw new MultipartNotFoundError('no such multipart upload');
    }
    return folder;
  }

  /** A write that failed because the upload ended under it says so. */
  async #orGone<T>(key: string, uploadId: string, write: () => Promise<T>): Promise<T> {
    try {
      return await write();
    } catch (error) {
      await this.#existingFolder(key, uploadId);
      throw error;
    }
  }

  async #check(folder: string, named: readonly NamedPart[]): Promise<readonly MultipartPart[]> {
    if (named.length === 0) throw new InvalidPartError('a completion names at least one part');
    const limit = pLimit(PARTS_AT_ONCE);
    const found = await Promise.all(named.map(({ partNumber }) => limit(() => readPart(folder, partNumber))));
    return named.map(({ partNumber, etag }, index) => {
      const part = found[index];
      if (!part || part.etag !== etag) throw new InvalidPartError(`part ${partNumber} is absent or has another etag`);
      const before = named[index - 1];
      if (before && before.partNumber >= partNumber) throw new InvalidPartError('parts are named in ascending order');
      if (part.sizeBytes < this.#minPartBytes && index < named.length - 1) {
        throw new InvalidPartError(`part ${partNumber} is smaller than ${this.#minPartBytes} bytes and not the last`);
      }
      return part;
    });
  }
}

async function readPart(folder: string, partNumber: number): Promise<MultipartPart | null> {
  if (!PART_NAME.test(String(partNumber))) return null;
  return onDisk(async () => {
    const handle = await nullIfMissing(() => open(join(folder, String(partNumber)), 'r'));
    if (!handle) return null;
    try {
      const sizeBytes = (await handle.stat()).size - DIGEST_BYTES;
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(DIGEST_BYTES), 0, DIGEST_BYTES, sizeBytes);
      return bytesRead === DIGEST_BYTES ? { partNumber, etag: buffer.toString('hex'), sizeBytes } : null;
    } finally {
      await handle.close();
    }
  });
}

async function* readParts(folder: string, parts: readonly MultipartPart[]): AsyncGenerator<Buffer, void, undefined> {
  for (const { partNumber, sizeBytes } of parts) {
    if (sizeBytes === 0) continue;
    const handle = await onDisk(() => open(join(folder, String(partNumber)), 'r'));
    yield* handle.createReadStream({ start: 0, end: sizeBytes - 1, highWaterMark: READ_CHUNK_BYTES });
  }
}
