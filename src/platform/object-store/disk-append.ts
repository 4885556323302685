import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { copyFile, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { AppendTurns, assertOffset } from './append-turns.ts';
import { BreakableBody } from './body-chunks.ts';
import { nullIfMissing, onDisk } from './disk-errors.ts';
import { type DiskFiles, diskEtag } from './disk-files.ts';
import { MultipartNotFoundError, OffsetMismatchError } from './errors.ts';
import type { Appended, AppendedBody, StoredObject } from './object-store.ts';
import { OverlappedWriter } from './overlapped-writer.ts';

const UPLOAD_ID = /^[0-9a-f]{32}$/;
const STATE = /^([0-9a-f]{16})\.(idle|[0-9a-f]{16})\.state$/;
const IDLE = 'idle';
/** A look between two names finds none; so many times in a row it is gone. */
const LOOKS = 5;
const LOOK_AGAIN_MS = 2;

/** Which file holds what is durable, and who may write to it. */
interface State {
  readonly data: string;
  /** The token of a writer that has not said that it is done, or `idle`. */
  readonly writer: string;
}

/**
 * Appendable uploads of the disk store. An upload is the folder `.tmp/<hash of key>.<upload id>.append` with the bytes,
 * whose length is what is durable, and an empty file whose name is the state. A state is left by a rename, which one of
 * several succeeds with: who begins to write takes the idle one, and what it wrote counts as taken in when the rename back
 * has succeeded.
 * Of a writer that has not given the upload back nobody knows whether it is dead or asleep, so nobody writes to its file
 * again: who goes on copies it first, and the sleeper wakes to a file without a name. Thus a file has one writer at a time,
 * whatever its caller believes about locks.
 */
export class DiskAppends {
  readonly #files: DiskFiles;
  readonly #turns = new AppendTurns();

  constructor(files: DiskFiles) {
    this.#files = files;
  }

  async create(key: string): Promise<{ readonly uploadId: string }> {
    const uploadId = randomBytes(16).toString('hex');
    const folder = this.#folder(key, uploadId);
    const state = { data: newToken(), writer: IDLE };
    await onDisk(async () => {
      await mkdir(folder, { mode: 0o700 });
      for (const path of [dataPath(folder, state), statePath(folder, state)]) {
        await (await open(path, 'wx', 0o600)).close();
      }
    });
    await this.#files.syncDirectory(folder);
    await this.#files.syncDirectory(this.#files.temporaryRoot);
    return { uploadId };
  }

  async appendedBytes(key: string, uploadId: string): Promise<number> {
    const { sizeBytes } = await look(this.#folder(key, uploadId));
    return sizeBytes;
  }

  append(key: string, uploadId: string, { offset, body, signal }: AppendedBody): Promise<Appended> {
    return this.#turns.take(key, uploadId, async () => {
      const folder = this.#folder(key, uploadId);
      const mine = await this.#claim(folder, offset);
      const source = new BreakableBody(body, signal);
      let appendedBytes: number;
      try {
        appendedBytes = await appendTo(folder, mine, source);
      } catch (error) {
        // No more is written by this one; what it wrote is whole, so the next need not copy.
        await release(folder, mine).catch(() => {});
        throw error;
      }
      await release(folder, mine);
      return { offset: offset + appendedBytes, broken: source.broken };
    });
  }

  async complete(key: string, uploadId: string, sizeBytes: number): Promise<StoredObject> {
    const target = this.#files.objectPath(key);
    return this.#turns.take(key, uploadId, async () => {
      const folder = this.#folder(key, uploadId);
      const mine = await this.#claim(folder, sizeBytes).catch(async (error: unknown) => {
        // The object is there: a process died before it had removed the folder.
        if (error instanceof MultipartNotFoundError && (await isThere(target))) await removeFolder(folder);
        throw error;
      });
      try {
        const stats = await onDisk(() => stat(dataPath(folder, mine), { bigint: true }));
        await this.#files.move(dataPath(folder, mine), target);
        await removeFolder(folder);
        return { key, sizeBytes, etag: diskEtag(stats) };
      } catch (error) {
        await release(folder, mine).catch(() => {});
        throw error;
      }
    });
  }

  async abort(key: string, uploadId: string): Promise<void> {
    await removeFolder(this.#folder(key, uploadId));
  }

  /** Becomes the only writer of an upload of which `expectedBytes` are durable. */
  async #claim(folder: string, expectedBytes: number): Promise<State> {
    const { state, sizeBytes } = await look(folder);
    assertOffset(sizeBytes, expectedBytes);
    if (state.writer === IDLE) {
      const mine = { data: state.data, writer: newToken() };
      await pass(folder, state, mine);
      const now = await onDisk(() => nullIfMissing(() => stat(dataPath(folder, mine))));
      // Another has taken it, written, and given it back since the look.
      if (now?.size === expectedBytes) return mine;
      await release(folder, mine).catch(() => {});
      throw new OffsetMismatchError('another request wrote to this upload', now?.size ?? null);
    }
    const mine = { data: newToken(), writer: newToken() };
    try {
      await this.#copy(dataPath(folder, state), dataPath(folder, mine), expectedBytes);
      await this.#files.syncDirectory(folder);
      await pass(folder, state, mine);
    } catch (error) {
      await rm(dataPath(folder, mine), { force: true }).catch(() => {});
      throw error;
    }
    await this.#files.syncDirectory(folder);
    await onDisk(() => rm(dataPath(folder, state), { force: true }));
    return mine;
  }

  /** What is written to `from` meanwhile, behind the first `sizeBytes`, is left behind. */
  async #copy(from: string, to: string, sizeBytes: number): Promise<void> {
    const flags = constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE;
    const copied = await onDisk(() => nullIfMissing(() => copyFile(from, to, flags).then(() => open(to, 'r+'))));
    if (!copied) throw new OffsetMismatchError('another request went on with this upload', null);
    try {
      await onDisk(async () => {
        assertOffset(Math.min((await copied.stat()).size, sizeBytes), sizeBytes);
        await copied.truncate(sizeBytes);
        await copied.sync();
      });
    } finally {
      await copied.close();
    }
  }

  #folder(key: string, uploadId: string): string {
    // Becomes part of a path, and may have passed through a client.
    if (!UPLOAD_ID.test(uploadId)) throw new MultipartNotFoundError('no such upload');
    return join(this.#files.temporaryRoot, `${this.#files.temporaryPrefix(key)}${uploadId}.append`);
  }
}

async function isThere(path: string): Promise<boolean> {
  return (await onDisk(() => nullIfMissing(() => stat(path)))) !== null;
}

function removeFolder(folder: string): Promise<void> {
  return onDisk(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));
}

function newToken(): string {
  return randomBytes(8).toString('hex');
}

function dataPath(folder: string, { data }: State): string {
  return join(folder, `${data}.data`);
}

function statePath(folder: string, { data, writer }: State): string {
  return join(folder, `${data}.${writer}.state`);
}

/** The state and what is durable in it. A killed process may have written more than it flushed. */
async function look(folder: string): Promise<{ readonly state: State; readonly sizeBytes: number }> {
  for (let looks = 0; looks < LOOKS; looks += 1) {
    if (looks > 0) await delay(LOOK_AGAIN_MS);
    const names = await onDisk(() => nullIfMissing(() => readdir(folder)));
    if (!names) break;
    const state = stateIn(names);
    const sizeBytes = state && (await durableBytes(dataPath(folder, state)));
    if (state && sizeBytes !== null) return { state, sizeBytes };
  }
  throw new MultipartNotFoundError('no such upload');
}

function stateIn(names: readonly string[]): State | null {
  for (const name of names) {
    const [, data, writer] = STATE.exec(name) ?? [];
    if (data !== undefined && writer !== undefined) return { data, writer };
  }
  return null;
}

function durableBytes(path: string): Promise<number | null> {
  return onDisk(async () => {
    const handle = await nullIfMissing(() => open(path, 'r+'));
    if (!handle) return null;
    try {
      // Before the flush: what comes later may not be durable.
      const { size } = await handle.stat();
      await handle.datasync();
      return size;
    } finally {
      await handle.close();
    }
  });
}

/** Leaves one state for another; `OffsetMismatchError` where somebody else has left it, `MultipartNotFoundError`. */
async function pass(folder: string, from: State, to: State): Promise<void> {
  const passed = await onDisk(() =>
    nullIfMissing(() => rename(statePath(folder, from), statePath(folder, to)).then(() => true)),
  );
  if (!passed) await refuse(folder);
}

function release(folder: string, mine: State): Promise<void> {
  return pass(folder, mine, { data: mine.data, writer: IDLE });
}

async function refuse(folder: string): Promise<never> {
  if (await isThere(folder)) {
    throw new OffsetMismatchError('another request went on with this upload', null);
  }
  throw new MultipartNotFoundError('the upload was ended while the bytes came in');
}

/** Answers how many bytes it has appended and flushed. */
async function appendTo(folder: string, mine: State, body: BreakableBody): Promise<number> {
  const handle = await onDisk(() =>
    nullIfMissing(() => open(dataPath(folder, mine), constants.O_WRONLY | constants.O_APPEND)),
  );
  if (!handle) return refuse(folder);
  // Only spares the room: what one that was given up writes is in nobody's way.
  const assertMine = async (): Promise<void> => {
    if (!(await isThere(statePath(folder, mine)))) await refuse(folder);
  };
  const writer = new OverlappedWriter(handle, assertMine);
  let appendedBytes = 0;
  try {
    try {
      for await (const chunk of body.chunks()) {
        appendedBytes += chunk.byteLength;
        await writer.write(chunk);
      }
      await writer.finish();
    } finally {
      await writer.settle();
    }
    await onDisk(() => handle.datasync());
    return appendedBytes;
  } finally {
    await handle.close();
  }
}
