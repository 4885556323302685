import type { FileHandle } from 'node:fs/promises';
import { onDisk } from './disk-errors.ts';

/** Gathered at the most while a write is under way. */
const GATHER_BYTES = 1024 * 1024;
/** Flushed in the background as it goes, so that the last fsync of a large file does not stall everybody. */
const FLUSH_EVERY_BYTES = 32 * 1024 * 1024;

/** Appends to a file by few large writes that overlap with the coming of the bytes. One caller at a time. */
export class OverlappedWriter {
  readonly #handle: FileHandle;
  readonly #beforeWrite: (() => Promise<void>) | undefined;
  #gathered: Uint8Array[] = [];
  #gatheredBytes = 0;
  #unflushedBytes = 0;
  #writing: Promise<void> | null = null;
  #flushing: Promise<void> = Promise.resolve();

  /** `beforeWrite` is asked before each write; what it throws ends the writing. */
  constructor(handle: FileHandle, beforeWrite?: () => Promise<void>) {
    this.#handle = handle;
    this.#beforeWrite = beforeWrite;
  }

  /** Takes the chunk over; waits only when more is gathered than should be. Throws what an earlier write failed with. */
  async write(chunk: Uint8Array): Promise<void> {
    this.#gathered.push(chunk);
    this.#gatheredBytes += chunk.byteLength;
    if (this.#writing !== null && this.#gatheredBytes < GATHER_BYTES) return;
    await this.#writing;
    await this.#flushSometimes();
    this.#start();
  }

  /** Waits until everything is written; the last flush is the caller's. */
  async finish(): Promise<void> {
    await this.#writing;
    if (this.#gatheredBytes > 0) this.#start();
    await this.#writing;
    await this.#flushing;
  }

  /** Waits until nothing is under way; never throws. */
  async settle(): Promise<void> {
    await Promise.allSettled([this.#writing, this.#flushing]);
  }

  #start(): void {
    const chunks = this.#gathered;
    this.#unflushedBytes += this.#gatheredBytes;
    this.#gathered = [];
    this.#gatheredBytes = 0;
    const writing = onDisk(async () => {
      await this.#beforeWrite?.();
      await writeAll(this.#handle, chunks);
    });
    this.#writing = writing;
    // A failure stays where the next call meets it; success clears the way for a write without gathering.
    writing.then(
      () => {
        if (this.#writing === writing) this.#writing = null;
      },
      () => undefined,
    );
  }

  /** At most two such steps of a file wait in the page cache. */
  async #flushSometimes(): Promise<void> {
    if (this.#unflushedBytes < FLUSH_EVERY_BYTES) return;
    this.#unflushedBytes = 0;
    await this.#flushing;
    this.#flushing = onDisk(() => this.#handle.datasync());
    this.#flushing.catch(() => undefined);
  }
}

/** Writes all of it, however many turns the system takes. */
export async function writeAll(handle: FileHandle, chunks: readonly Uint8Array[]): Promise<void> {
  const [only] = chunks;
  if (chunks.length === 1 && only) {
    // Half as costly for small bodies as `FileHandle.writeFile`.
    for (let done = 0; done < only.byteLength; ) done += (await handle.write(only, done)).bytesWritten;
    return;
  }
  const totalBytes = chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0);
  const { bytesWritten } = await handle.writev([...chunks]);
  if (bytesWritten < totalBytes) await writeAll(handle, [Buffer.concat(chunks).subarray(bytesWritten)]);
}
