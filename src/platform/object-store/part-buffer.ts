import { randomUUID } from 'node:crypto';
import { type FileHandle, open, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { ByteBudget } from './byte-budget.ts';
import { onDisk } from './disk-errors.ts';

const FIRST_BLOCK_BYTES = 16 * 1024;
const LARGEST_BLOCK_BYTES = 1024 * 1024;
const READ_CHUNK_BYTES = 256 * 1024;

/** A part up to this size is held in memory while the budget lasts; a larger one goes to a file from its first byte. */
const MAX_PART_IN_MEMORY_BYTES = 8 * 1024 * 1024;

/** Where parts are held. */
export interface PartBufferOptions {
  readonly budget: ByteBudget;
  /** Folder for the files of parts that memory has no room for. */
  readonly spoolDirectory: string;
}

interface Block {
  readonly bytes: Buffer;
  usedBytes: number;
}

/**
 * Holds one part of an upload of unknown length until it is whole, since S3 wants a part's length before its bytes.
 *
 * Memory is taken in blocks as the bytes arrive (16 KiB, doubling to 1 MiB), never for the whole part in advance: a
 * slow client holds about what it has sent. Arriving chunks are copied into the blocks, so that many tiny chunks do
 * not each keep a network buffer alive. When the process-wide budget has no more, or the part is larger than 8 MiB,
 * the part moves to a file that has no name any more: nothing waits for memory, slow clients cannot starve fast
 * ones, parts may grow to 4 GiB as 5 TiB in 10,000 parts needs, and a killed process leaves no file behind.
 */
export class PartBuffer {
  readonly capacityBytes: number;
  readonly #options: PartBufferOptions;
  #blocks: Block[] = [];
  #takenBytes = 0;
  #file: FileHandle | null = null;
  #sizeBytes = 0;

  constructor(capacityBytes: number, options: PartBufferOptions) {
    this.capacityBytes = capacityBytes;
    this.#options = options;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Adds what fits and returns the rest, empty when all of it fitted. */
  async append(chunk: Buffer): Promise<Buffer> {
    const fitting = chunk.subarray(0, this.capacityBytes - this.#sizeBytes);
    const unheld = this.#file ? fitting : this.#hold(fitting);
    if (unheld.byteLength > 0) {
      const file = this.#file ?? (await this.#spill());
      await onDisk(() => file.writeFile(unheld));
    }
    this.#sizeBytes += fitting.byteLength;
    return chunk.subarray(fitting.byteLength);
  }

  /** The bytes from the first on; may be called again for another try, once the stream before is done with. */
  read(): Readable {
    if (this.#sizeBytes === 0) return Readable.from([]);
    if (!this.#file) {
      return Readable.from(
        this.#blocks.map(({ bytes, usedBytes }) => bytes.subarray(0, usedBytes)),
        { objectMode: false },
      );
    }
    const range = { start: 0, end: this.#sizeBytes - 1 };
    return this.#file.createReadStream({ ...range, autoClose: false, highWaterMark: READ_CHUNK_BYTES });
  }

  /** Gives memory and file back; idempotent. */
  async dispose(): Promise<void> {
    this.#releaseMemory();
    const file = this.#file;
    this.#file = null;
    await file?.close();
  }

  /** Copies into memory what the budget allows and returns the rest. */
  #hold(bytes: Buffer): Buffer {
    let rest = bytes;
    while (rest.byteLength > 0) {
      const block = this.#blockWithRoom();
      if (!block) break;
      const copied = rest.copy(block.bytes, block.usedBytes);
      block.usedBytes += copied;
      rest = rest.subarray(copied);
    }
    return rest;
  }

  #blockWithRoom(): Block | null {
    const last = this.#blocks.at(-1);
    if (last && last.usedBytes < last.bytes.byteLength) return last;
    if (this.capacityBytes > MAX_PART_IN_MEMORY_BYTES) return null;
    // As much again as there is, so that blocks stay few and at most half of what is held is empty.
    const wantedBytes = Math.min(Math.max(this.#takenBytes, FIRST_BLOCK_BYTES), LARGEST_BLOCK_BYTES);
    const blockBytes = Math.min(wantedBytes, this.capacityBytes - this.#takenBytes);
    if (blockBytes <= 0 || !this.#options.budget.tryTake(blockBytes)) return null;
    this.#takenBytes += blockBytes;
    const block = { bytes: Buffer.allocUnsafeSlow(blockBytes), usedBytes: 0 };
    this.#blocks.push(block);
    return block;
  }

  async #spill(): Promise<FileHandle> {
    const path = join(this.#options.spoolDirectory, `pockity-part-${randomUUID()}`);
    const file = await onDisk(() => open(path, 'wx+', 0o600));
    this.#file = file;
    await onDisk(async () => {
      await unlink(path);
      for (const { bytes, usedBytes } of this.#blocks) await file.writeFile(bytes.subarray(0, usedBytes));
    });
    this.#releaseMemory();
    return file;
  }

  #releaseMemory(): void {
    this.#blocks = [];
    this.#options.budget.giveBack(this.#takenBytes);
    this.#takenBytes = 0;
  }
}
