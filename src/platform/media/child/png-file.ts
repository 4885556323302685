import { type FileHandle, open } from 'node:fs/promises';
import { TEXT_CHUNKS } from '../../images/png-texts.ts';
import { MediaRefusedError } from '../errors.ts';

const SIGNATURE = Buffer.from('89504e470d0a1a0a', 'hex');
const HEAD_BYTES = 8;
const CHECKSUM_BYTES = 4;
const COPY_BYTES = 1024 * 1024;
/** What is read at once to find where chunks begin. */
const WINDOW_BYTES = 64 * 1024;
/** Pictures have hundreds; a megabyte of the smallest data chunks that encoders write is some ten thousand. */
const MAX_CHUNKS = 100_000;

/**
 * The path of the same PNG without its texts (see `withoutTexts`): a copy at `target` if it has any. Whatever is no PNG is
 * left alone.
 * @throws MediaRefusedError broken, of more chunks than any picture has
 */
export async function pngWithoutTexts(path: string, target: string): Promise<string> {
  await using file = await open(path);
  const { size } = await file.stat();
  const window = new Window(file);
  if (!(await window.at(0)).equals(SIGNATURE)) return path;
  const kept: [from: number, to: number][] = [];
  let from = 0;
  let at = HEAD_BYTES;
  for (let chunks = 1; at + HEAD_BYTES + CHECKSUM_BYTES <= size; chunks += 1) {
    if (chunks > MAX_CHUNKS) throw new MediaRefusedError('broken', 'the image has too many parts');
    const head = await window.at(at);
    const end = at + HEAD_BYTES + head.readUInt32BE(0) + CHECKSUM_BYTES;
    if (TEXT_CHUNKS.has(head.toString('latin1', 4))) {
      kept.push([from, at]);
      from = end;
    }
    at = end;
  }
  if (kept.length === 0) return path;
  kept.push([Math.min(from, size), size]);
  await using copy = await open(target, 'wx', 0o600);
  for (const range of kept) await copyRange(file, copy, range);
  return target;
}

/** Heads of chunks, which lie close together where there are many: read in blocks. */
class Window {
  readonly #file: FileHandle;
  readonly #bytes = Buffer.alloc(WINDOW_BYTES);
  #from = 0;
  #to = 0;

  constructor(file: FileHandle) {
    this.#file = file;
  }

  /** Shorter at the end of the file. */
  async at(position: number): Promise<Buffer> {
    if (position < this.#from || position + HEAD_BYTES > this.#to) {
      const { bytesRead } = await this.#file.read(this.#bytes, 0, WINDOW_BYTES, position);
      this.#from = position;
      this.#to = position + bytesRead;
    }
    const start = position - this.#from;
    return this.#bytes.subarray(start, Math.min(start + HEAD_BYTES, this.#to - this.#from));
  }
}

async function copyRange(file: FileHandle, copy: FileHandle, [from, to]: [number, number]): Promise<void> {
  const bytes = Buffer.alloc(Math.min(COPY_BYTES, to - from));
  for (let at = from; at < to; ) {
    const { bytesRead } = await file.read(bytes, 0, Math.min(bytes.length, to - at), at);
    if (bytesRead === 0) return;
    await copy.write(bytes, 0, bytesRead);
    at += bytesRead;
  }
}
