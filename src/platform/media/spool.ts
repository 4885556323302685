import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';

const PREFIX = 'media-';
/** No job lasts as long: what is older was left by a process that was killed. */
const STALE_MS = 24 * 3600 * 1000;
/** A store that sends nothing for so long will not. */
const STALL_MS = 30_000;

/** A folder that nobody else may look into; what killed processes left beside it is removed. */
export async function makeFolder(parent: string): Promise<string> {
  await mkdir(parent, { recursive: true });
  await removeStale(parent);
  return mkdtemp(join(parent, PREFIX));
}

async function removeStale(parent: string): Promise<void> {
  const names = (await readdir(parent)).filter((name) => name.startsWith(PREFIX));
  for (const name of names) {
    const age = await stat(join(parent, name)).then(
      ({ mtimeMs }) => Date.now() - mtimeMs,
      () => 0,
    );
    if (age > STALE_MS) await rm(join(parent, name), { recursive: true, force: true });
  }
}

/**
 * Writes a stream of exactly so many bytes to a new file.
 * @throws Error when it ends early, goes on, or sends nothing for half a minute
 */
export async function spool(source: Readable, target: string, sizeBytes: number): Promise<void> {
  const stalled = new AbortController();
  const timer = setTimeout(() => stalled.abort(new Error('the content stopped coming')), STALL_MS);
  let seen = 0;
  const counted = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      seen += chunk.length;
      timer.refresh();
      done(seen > sizeBytes ? new Error('the content is longer than it should be') : null, chunk);
    },
  });
  try {
    await pipeline(source, counted, createWriteStream(target, { flags: 'wx', mode: 0o600 }), {
      signal: stalled.signal,
    });
  } finally {
    clearTimeout(timer);
  }
  if (seen !== sizeBytes) throw new Error('the content is shorter than it should be');
}
