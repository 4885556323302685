import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { type Thumbnail, thumbnailPath } from './child/protocol.ts';
import { MediaRefusedError } from './errors.ts';

/** 1024 by 1024 pixels take less even uncompressed. */
const MAX_BYTES = 4 * 1024 * 1024;
const HEAD_BYTES = 12;
/** On Windows there are neither. */
const { O_RDONLY, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants;

/**
 * The thumbnail that a process has put into its folder. It may have been taken over, so nothing is believed: no link is
 * followed, no pipe waited for, and what is too large or no WebP is refused.
 * @throws MediaRefusedError broken
 */
export async function readThumbnail(folder: string, size: Thumbnail['size']): Promise<Buffer> {
  const file = await open(thumbnailPath(folder, size), O_RDONLY | O_NOFOLLOW | O_NONBLOCK).catch((error: unknown) => {
    throw improper(error);
  });
  try {
    const stat = await file.stat();
    if (!stat.isFile() || stat.size <= HEAD_BYTES || stat.size >= MAX_BYTES) throw improper();
    const bytes = await readWhole(file, stat.size);
    const isWebp = bytes.toString('latin1', 0, 4) === 'RIFF' && bytes.toString('latin1', 8, HEAD_BYTES) === 'WEBP';
    if (!isWebp) throw improper();
    return bytes;
  } finally {
    await file.close();
  }
}

/** So many bytes and no more, should it grow meanwhile. */
async function readWhole(file: FileHandle, sizeBytes: number): Promise<Buffer> {
  const bytes = Buffer.alloc(sizeBytes);
  for (let at = 0; at < sizeBytes; ) {
    const { bytesRead } = await file.read(bytes, at, sizeBytes - at, at);
    if (bytesRead === 0) throw improper();
    at += bytesRead;
  }
  return bytes;
}

function improper(cause?: unknown): MediaRefusedError {
  return new MediaRefusedError('broken', 'the decoder left no proper thumbnails', { cause });
}
