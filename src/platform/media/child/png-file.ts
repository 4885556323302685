import { type FileHandle, open } from 'node:fs/promises';
import { TEXT_CHUNKS } from '../../images/png-texts.ts';

const SIGNATURE = Buffer.from('89504e470d0a1a0a', 'hex');
const HEAD_BYTES = 8;
const CHECKSUM_BYTES = 4;
const COPY_BYTES = 1024 * 1024;

/**
 * The path of the same PNG without its texts (see `withoutTexts`): a copy at `target` if it has any. Whatever is no PNG is
 * left alone.
 */
export async function pngWithoutTexts(path: string, target: string): Promise<string> {
  await using file = await open(path);
  const { size } = await file.stat();
  const head = Buffer.alloc(HEAD_BYTES);
  await file.read(head, 0, HEAD_BYTES, 0);
  if (!head.equals(SIGNATURE)) return path;
  const kept: [from: number, to: number][] = [];
  let from = 0;
  let at = HEAD_BYTES;
  while (at + HEAD_BYTES + CHECKSUM_BYTES <= size) {
    await file.read(head, 0, HEAD_BYTES, at);
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

async function copyRange(file: FileHandle, copy: FileHandle, [from, to]: [number, number]): Promise<void> {
  const bytes = Buffer.alloc(Math.min(COPY_BYTES, to - from));
  for (let at = from; at < to; ) {
    const { bytesRead } = await file.read(bytes, 0, Math.min(bytes.length, to - at), at);
    if (bytesRead === 0) return;
    await copy.write(bytes, 0, bytesRead);
    at += bytesRead;
  }
}
