import type { BigIntStats } from 'node:fs';
import { constants } from 'node:fs';
import { access, copyFile, type FileHandle, link, mkdir, open, readdir, rm, stat, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { addAbortSignal, Readable } from 'node:stream';
import pLimit from 'p-limit';
import { ByteBudget } from './byte-budget.ts';
import { DiskAppends } from './disk-append.ts';
import { discardTemporary } from './disk-discard.ts';
import { nullIfMissing, onDisk, reasonOfFailure, systemErrorCode } from './disk-errors.ts';
import { DiskFiles, diskEtag } from './disk-files.ts';
import { listDisk } from './disk-list.ts';
import { DiskMultiparts } from './disk-multipart.ts';
import { InvalidRangeError, ObjectNotFoundError } from './errors.ts';
import type { ByteRange, DeleteOutcome, GetOptions, ObjectHead, ObjectStore, OpenedObject } from './object-store.ts';
import type { UrlSigner } from './signed-urls.ts';

const READ_CHUNK_BYTES = 128 * 1024;
/** A sixth faster, for the few streams that memory is set aside for: chunks that many streams drop pile up until collected. */
const WIDE_CHUNK_BYTES = 256 * 1024;
const WIDE_STREAMS = 4;
const DELETES_AT_ONCE = 16;
const MAX_DELETE_KEYS = 1000;

/** What the disk store needs. */
export interface DiskObjectStoreOptions {
  /** Made where it is missing; belongs to the store alone, on one file system. */
  readonly directory: string;
  /** Signs the URLs, with the same key in every process on this directory. */
  readonly urls: UrlSigner;
  /** Smallest part but the last; 5 MiB unless told, as in S3. */
  readonly minPartBytes?: number | undefined;
}

/** The disk store, with what only its tests ask for. */
export interface DiskObjectStore extends ObjectStore {
  readonly kind: 'disk';
  /** Temporary files and open multiparts, of all keys: 0 when nothing is under way or left behind. */
  countTemporary(): Promise<number>;
}

/**
 * Objects as files under `directory`, by their keys; several processes may share it. No content type is kept:
 * PostgreSQL knows it, and whoever reads says it.
 * A put is write, fsync, rename, fsync of the folder, so an answered put survives a loss of power.
 */
export async function createDiskObjectStore(options: DiskObjectStoreOptions): Promise<DiskObjectStore> {
  const files = new DiskFiles(options.directory);
  await onDisk(() => mkdir(files.temporaryRoot, { recursive: true, mode: 0o700 }));
  const multiparts = new DiskMultiparts(files, options.minPartBytes);
  const appends = new DiskAppends(files);
  const { urls } = options;
  const wideChunks = new ByteBudget(WIDE_STREAMS * WIDE_CHUNK_BYTES);

  return {
    kind: 'disk',

    async put(key, body, { contentType: _, createOnly = false, ...source }) {
      const target = files.objectPath(key);
      const temporary = files.newTemporaryPath(key);
      const written = await files.write(temporary, { body, ...source });
      await (createOnly ? files.publishNew(temporary, target) : files.publish(temporary, target));
      return { key, ...written };
    },

    get: (key, getOptions) => openObject({ files, wideChunks }, key, getOptions),

    async head(key) {
      const path = files.objectPath(key);
      const stats = await onDisk(() => nullIfMissing(() => stat(path, { bigint: true })));
      return stats?.isFile() ? { ...toHead(key, stats), sha256: null } : null;
    },

    deleteMany: (keys) => deleteMany(files, keys),
    list: (prefix) => listDisk(files.root, prefix),

    async copy(fromKey, toKey) {
      const from = files.objectPath(fromKey);
      const target = files.objectPath(toKey);
      const temporary = files.newTemporaryPath(toKey);
      const stats = await onDisk(() => nullIfMissing(() => duplicate(from, temporary)));
      if (!stats?.isFile()) {
        await rm(temporary, { force: true });
        throw new ObjectNotFoundError(fromKey);
      }
      await files.publish(temporary, target);
      // Renaming one link over another of the same file does nothing and leaves both (rename(2)).
      await rm(temporary, { force: true });
      return { key: toKey, sizeBytes: Number(stats.size), etag: diskEtag(stats) };
    },

    createMultipart: (key) => multiparts.create(key),
    uploadPart: (key, uploadId, part) => multiparts.uploadPart(key, uploadId, part),
    listParts: (key, uploadId) => multiparts.listParts(key, uploadId),
    completeMultipart: (key, uploadId, parts) => multiparts.complete(key, uploadId, parts),
    abortMultipart: (key, uploadId) => multiparts.abort(key, uploadId),

    createAppend: (key) => appends.create(key),
    appendedBytes: (key, uploadId) => appends.appendedBytes(key, uploadId),
    append: (key, uploadId, part) => appends.append(key, uploadId, part),
    abortAppend: (key, uploadId) => appends.abort(key, uploadId),
    completeAppend: (key, uploadId, sizeBytes) => appends.complete(key, uploadId, sizeBytes),

    discardTemporary: async (keys) => discardTemporary(files, keys),

    presignGet: async (key, presignOptions) => urls.get(key, presignOptions),
    presignPut: async (key, presignOptions) => urls.put(key, presignOptions),
    presignPart: async (key, presignOptions) => urls.part(key, presignOptions),

    // The handler of the URLs holds to all of it.
    probe: async () => ({ conditionalPut: true, signedChecksum: true, refusesUnsigned: true }),

    countTemporary: async () => (await onDisk(() => readdir(files.temporaryRoot))).length,
    ping: () => onDisk(() => access(files.temporaryRoot, constants.R_OK | constants.W_OK)),
    close: async () => {},
  };
}

function toHead(key: string, stats: BigIntStats): ObjectHead {
  return { key, sizeBytes: Number(stats.size), etag: diskEtag(stats), lastModified: stats.mtime };
}

async function openObject(
  { files, wideChunks }: { readonly files: DiskFiles; readonly wideChunks: ByteBudget },
  key: string,
  { range, signal }: GetOptions = {},
): Promise<OpenedObject> {
  const path = files.objectPath(key);
  signal?.throwIfAborted();
  const handle = await onDisk(() => nullIfMissing(() => open(path, 'r')));
  if (!handle) throw new ObjectNotFoundError(key);
  try {
    const stats = await onDisk(() => handle.stat({ bigint: true }));
    if (!stats.isFile()) throw new ObjectNotFoundError(key);
    const head = toHead(key, stats);
    if (range && (range.start >= head.sizeBytes || range.end < range.start || range.start < 0)) {
      throw new InvalidRangeError(`bytes ${range.start}-${range.end} of ${head.sizeBytes}`);
    }
    signal?.throwIfAborted();
    const end = Math.min(range?.end ?? Number.POSITIVE_INFINITY, head.sizeBytes - 1);
    const body = await readFrom(handle, { start: range?.start ?? 0, end }, wideChunks);
    return { head, body: signal ? addAbortSignal(signal, body) : body };
  } catch (error) {
    await handle.close().catch(() => {});
    throw error;
  }
}

/** The open file keeps the content it had, whatever is put in its place meanwhile. */
async function readFrom(handle: FileHandle, { start, end }: ByteRange, wideChunks: ByteBudget): Promise<Readable> {
  if (end < start) {
    await handle.close();
    return Readable.from([]);
  }
  const isWide = end - start >= WIDE_CHUNK_BYTES && wideChunks.tryTake(WIDE_CHUNK_BYTES);
  const highWaterMark = isWide ? WIDE_CHUNK_BYTES : READ_CHUNK_BYTES;
  const body = handle.createReadStream({ start, end, highWaterMark });
  if (isWide) body.once('close', () => wideChunks.giveBack(WIDE_CHUNK_BYTES));
  return body;
}

/**
 * A second name for the same bytes: objects are replaced and never written to, so a hard link is a copy that takes
 * no time and no room. File systems that have no links get the bytes copied by the system.
 */
async function duplicate(from: string, to: string): Promise<BigIntStats> {
  try {
    await link(from, to);
    return await stat(to, { bigint: true });
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT' || systemErrorCode(error) === 'ENOTDIR') throw error;
  }
  await copyFile(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
  const handle = await open(to, 'r+');
  try {
    await handle.datasync();
    return await handle.stat({ bigint: true });
  } finally {
    await handle.close();
  }
}

async function deleteMany(files: DiskFiles, keys: readonly string[]): Promise<readonly DeleteOutcome[]> {
  if (keys.length > MAX_DELETE_KEYS) throw new TypeError(`at most ${MAX_DELETE_KEYS} keys in one call`);
  const limit = pLimit(DELETES_AT_ONCE);
  const paths = keys.map((key) => files.objectPath(key));
  const unlinked = await Promise.all(
    paths.map((path) => limit(() => reasonOfFailure(() => onDisk(() => nullIfMissing(() => unlink(path)))))),
  );
  // "Deleted" is what lets the tombstone go, so it may not come undone by a loss of power.
  const folders = new Map<string, Promise<string | null>>();
  for (const folder of new Set(paths.map((path) => dirname(path)))) {
    folders.set(
      folder,
      limit(() => reasonOfFailure(() => files.syncDirectory(folder))),
    );
  }
  return Promise.all(
    keys.map(async (key, index): Promise<DeleteOutcome> => {
      const reason = unlinked[index] ?? (await folders.get(dirname(files.objectPath(key)))) ?? null;
      return reason === null ? { key, deleted: true } : { key, deleted: false, reason };
    }),
  );
}
