import { createHash, randomBytes } from 'node:crypto';
import { type BigIntStats, constants } from 'node:fs';
import { type FileHandle, link, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { assertLength, exactLength, readChunks } from './body-chunks.ts';
import { DirectorySync } from './directory-sync.ts';
import { nullIfMissing, onDisk, systemErrorCode } from './disk-errors.ts';
import { ObjectExistsError, StoreUnavailableError } from './errors.ts';
import { assertObjectKey, TEMPORARY_FOLDER } from './object-key.ts';
import type { BodyWatch } from './object-store.ts';
import { OverlappedWriter, writeAll } from './overlapped-writer.ts';

const CREATE_NEW = constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY;

/** A body on its way into one new file. */
export interface FileBody extends BodyWatch {
  readonly body: Readable | Uint8Array;
  readonly sizeBytes?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Bytes to append after the body, asked for once it is whole. */
  readonly trailer?: (() => Uint8Array) | undefined;
}

/**
 * The validator of an object on disk: time of the last write in nanoseconds and size, both from the one `fstat` that
 * is needed anyway. It survives a restart, a backup that keeps times and a hard link, and needs no second file.
 */
export function diskEtag(stats: BigIntStats): string {
  return `${stats.mtimeNs.toString(16)}-${stats.size.toString(16)}`;
}

/**
 * Where the disk store keeps things, and the steps by which a file becomes an object: written whole and flushed
 * under `.tmp/`, renamed into place, the folder flushed. A process killed between the steps leaves a file under
 * `.tmp/` that bears the hash of its key, so that `discardTemporary` finds it.
 */
export class DiskFiles {
  readonly root: string;
  readonly temporaryRoot: string;
  readonly #directorySync = new DirectorySync();
  readonly #newFolders = new Map<string, Promise<void>>();

  constructor(root: string) {
    this.root = root;
    this.temporaryRoot = join(root, TEMPORARY_FOLDER);
  }

  objectPath(key: string): string {
    assertObjectKey(key);
    return join(this.root, key);
  }

  /** What the names of all temporary files of `key` begin with. */
  temporaryPrefix(key: string): string {
    assertObjectKey(key);
    return `${createHash('sha256').update(key).digest('hex')}.`;
  }

  newTemporaryPath(key: string): string {
    return join(this.temporaryRoot, this.temporaryPrefix(key) + randomBytes(12).toString('hex'));
  }

  /** Creates `path`, which must not exist, writes the body and flushes it to the disk; removes it again on failure. */
  async write(path: string, source: FileBody): Promise<{ readonly etag: string; readonly sizeBytes: number }> {
    source.signal?.throwIfAborted();
    if (source.body instanceof Uint8Array) assertLength(source.body, source.sizeBytes);
    const handle = await onDisk(() => open(path, CREATE_NEW, 0o600));
    try {
      if (source.body instanceof Uint8Array) await this.#writeBytes(handle, source.body, source);
      else await this.#writeStream(handle, source.body, source);
      source.check?.();
      const trailer = source.trailer?.();
      const stats = await onDisk(async () => {
        if (trailer) await writeAll(handle, [trailer]);
        await handle.datasync();
        return handle.stat({ bigint: true });
      });
      source.signal?.throwIfAborted();
      await onDisk(() => handle.close());
      return { etag: diskEtag(stats), sizeBytes: Number(stats.size) - (trailer?.byteLength ?? 0) };
    } catch (error) {
      await handle.close().catch(() => {});
      await rm(path, { force: true }).catch(() => {});
      throw error;
    }
  }

  async #writeBytes(handle: FileHandle, body: Uint8Array, source: FileBody): Promise<void> {
    source.onChunk?.(body);
    await onDisk(() => writeAll(handle, [body]));
  }

  /**
   * Writes what has come; what comes while a write is under way is gathered for the next one. So a fast client gets
   * few large writes that overlap with its sending, and a slow one holds no memory.
   */
  async #writeStream(handle: FileHandle, body: Readable, source: FileBody): Promise<void> {
    const chunks = readChunks(body, source.signal);
    const writer = new OverlappedWriter(handle);
    try {
      for await (const chunk of source.sizeBytes === undefined ? chunks : exactLength(chunks, source.sizeBytes)) {
        source.onChunk?.(chunk);
        await writer.write(chunk);
      }
      await writer.finish();
    } finally {
      // The file may not be closed under a running write or flush; its error has been thrown or is moot.
      await writer.settle();
    }
  }

  /**
   * Renames a written file to its object's place, whose folder is made where it is missing, and makes that durable.
   * Removes the file when that fails.
   */
  async publish(temporaryPath: string, objectPath: string): Promise<void> {
    try {
      await this.move(temporaryPath, objectPath);
    } catch (error) {
      await rm(temporaryPath, { force: true }).catch(() => {});
      throw error;
    }
  }

  /** Like `publish`, but `ObjectExistsError` where there is an object; of several at once exactly one is published. */
  async publishNew(temporaryPath: string, objectPath: string): Promise<void> {
    try {
      await onDisk(async () => {
        if ((await nullIfMissing(() => claimName(temporaryPath, objectPath).then(() => true))) !== null) return;
        await this.#ensureFolder(dirname(objectPath));
        await claimName(temporaryPath, objectPath);
      });
    } finally {
      await rm(temporaryPath, { force: true }).catch(() => {});
    }
    await this.#newFolders.get(dirname(objectPath));
    await this.syncDirectory(dirname(objectPath));
  }

  /** Like `publish`, but leaves the file where it is when that fails, for another try. */
  async move(temporaryPath: string, objectPath: string): Promise<void> {
    await onDisk(() => this.#rename(temporaryPath, objectPath));
    await this.#newFolders.get(dirname(objectPath));
    await this.syncDirectory(dirname(objectPath));
  }

  /** Resolves when what happened in `directory` before the call is durable; a folder that is gone has nothing to flush. */
  async syncDirectory(directory: string): Promise<void> {
    await onDisk(() => nullIfMissing(() => this.#directorySync.sync(directory)));
  }

  async #rename(from: string, to: string): Promise<void> {
    try {
      await rename(from, to);
      return;
    } catch (error) {
      if (systemErrorCode(error) !== 'ENOENT') throw error;
    }
    await this.#ensureFolder(dirname(to));
    if ((await nullIfMissing(() => rename(from, to).then(() => true))) === null) {
      throw new StoreUnavailableError('the temporary file was removed while it was being put in place');
    }
  }

  /** Makes a folder durable with its parents; a put that finds the folder there waits for the one that makes it. */
  #ensureFolder(directory: string): Promise<void> {
    const running = this.#newFolders.get(directory);
    if (running) return running;
    const made = this.#makeFolder(directory).finally(() => this.#newFolders.delete(directory));
    this.#newFolders.set(directory, made);
    return made;
  }

  async #makeFolder(directory: string): Promise<void> {
    const first = await mkdir(directory, { recursive: true, mode: 0o700 });
    if (first === undefined) return;
    const highest = dirname(first);
    for (let parent = dirname(directory); parent.length >= highest.length; parent = dirname(parent)) {
      await this.#directorySync.sync(parent);
    }
  }
}

/** Gives the file `path` as its second name, or its only one; `ObjectExistsError` where the name is taken. */
async function claimName(temporaryPath: string, path: string): Promise<void> {
  try {
    await link(temporaryPath, path);
    return;
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === 'EEXIST') throw new ObjectExistsError('there is an object of this key', { cause: error });
    if (code === 'ENOENT' || code === 'ENOTDIR') throw error;
  }
  // No links on this file system. Whoever creates the empty file may put the whole one in its place.
  try {
    await (await open(path, 'wx', 0o600)).close();
  } catch (error) {
    if (systemErrorCode(error) !== 'EEXIST') throw error;
    throw new ObjectExistsError('there is an object of this key', { cause: error });
  }
  try {
    await rename(temporaryPath, path);
  } catch (error) {
    await rm(path, { force: true }).catch(() => {});
    throw error;
  }
}
