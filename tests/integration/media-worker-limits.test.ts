import { spawn } from 'node:child_process';
import { chmod, mkdir, readdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import sharp from 'sharp';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { mediaKindOf } from '../../src/platform/media/media-kinds.ts';
import type { MediaWorkerOptions } from '../../src/platform/media/media-worker.ts';
import { MediaBench } from '../support/media.ts';

const MIB = 1024 * 1024;
const VIDEO = Buffer.alloc(1000, 1);

let bench: MediaBench;
let photo: Buffer;
let large: Buffer;
beforeAll(async () => {
  const picture = (edge: number) =>
    sharp({ create: { width: edge, height: edge, channels: 3, background: '#ff0000' } });
  photo = await picture(100).jpeg().toBuffer();
  large = await picture(3800).jpeg({ progressive: true }).toBuffer();
});
afterEach(() => bench.stop());

async function start(options: Partial<MediaWorkerOptions> = {}): Promise<MediaBench> {
  bench = await MediaBench.start(options);
  return bench;
}

/** A folder in which ffmpeg and ffprobe are this script. */
async function fakePrograms(folder: string, script: string): Promise<string> {
  const programs = join(folder, 'programs');
  await mkdir(programs, { recursive: true });
  for (const name of ['ffmpeg', 'ffprobe']) {
    await writeFile(join(programs, name), `#!/bin/sh\n${script}\n`);
    await chmod(join(programs, name), 0o755);
  }
  return `${programs}:/usr/bin:/bin`;
}

/** Programs that say who they are, and then do nothing. */
function sleeping(folder: string): Promise<string> {
  return fakePrograms(folder, `echo $$ $PPID > ${folder}/pids; exec sleep 1000`);
}

/** ffprobe's and its parent's. */
async function pidsIn(folder: string): Promise<number[]> {
  return vi.waitFor(async () => {
    const pids = (await readFile(join(folder, 'pids'), 'utf8')).trim().split(' ').map(Number);
    if (pids.length < 2) throw new Error('not written yet');
    return pids;
  }, 20_000);
}

async function alive(pids: readonly number[]): Promise<number[]> {
  const stats = await Promise.all(
    pids.map(async (pid) => [pid, await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '')] as const),
  );
  // What nobody has collected yet is dead all the same.
  return stats.filter(([, stat]) => stat !== '' && !/\) Z /.test(stat)).map(([pid]) => pid);
}

describe('memory', () => {
  it.each([
    ['by the kernel', {}],
    ['by looking at it', { path: '/nowhere' }],
  ])('is bounded %s', async (_how, options) => {
    await start({ memoryBytes: 115 * MIB, ...options });
    expect(await bench.refusal(large, 'image/jpeg')).toMatchObject({ code: 'memory' });
    expect(bench.seen[0]?.peakBytes).toBeLessThan(180 * MIB);
    expect((await bench.read(photo, 'image/jpeg')).thumbnails).toHaveLength(3);
    expect(await bench.leftovers()).toEqual([]);
  });

  it('is enough for the same picture otherwise', async () => {
    await start();
    expect((await bench.read(large, 'image/jpeg')).metadata).toMatchObject({ width: 3800 });
  });
});

describe('time', () => {
  it('is bounded, for ffmpeg too', async () => {
    await start();
    const { folder } = bench;
    const quick = await MediaBench.start({ timeoutMs: 1500, path: await sleeping(folder) });
    expect(await quick.refusal(VIDEO, 'video/mp4')).toMatchObject({
      code: 'timeout',
      reason: 'the file takes longer than 1.5 s',
    });
    expect(await quick.leftovers()).toEqual([]);
    const pids = await pidsIn(folder);
    await vi.waitFor(async () => expect(await alive(pids)).toEqual([]));
    expect((await quick.read(photo, 'image/jpeg')).thumbnails).toHaveLength(3);
    await quick.stop();
  });
});

describe('the process', () => {
  it('has nothing of ours but its file', async () => {
    await start();
    const { folder } = bench;
    const script = `env > ${folder}/env; ls -l /proc/$PPID/fd > ${folder}/fds; exit 1`;
    const other = await MediaBench.start({ path: await fakePrograms(folder, script) });
    process.env['MEDIA_TEST_SECRET'] = 'do not tell';
    expect(await other.refusal(VIDEO, 'video/mp4')).toMatchObject({ code: 'broken' });
    delete process.env['MEDIA_TEST_SECRET'];
    await other.stop();
    const names = (await readFile(join(folder, 'env'), 'utf8')).split('\n').map((line) => line.split('=')[0]);
    const known = [
      'LC_ALL',
      'MALLOC_ARENA_MAX',
      'PATH',
      'PWD',
      'TMPDIR',
      'UV_THREADPOOL_SIZE',
      'OLDPWD',
      'SHLVL',
      '_',
      '',
    ];
    expect(names.filter((name) => !known.includes(name ?? '') && !name?.startsWith('NODE_CHANNEL_'))).toEqual([]);
    const fds = await readFile(join(folder, 'fds'), 'utf8');
    expect(fds).not.toMatch(/\.log|\.sqlite|TCP/);
    // Sockets are its channel to us and pipes to ffprobe.
    expect(fds.match(/socket:/g)?.length ?? 0).toBeLessThanOrEqual(4);
  });

  it.each([
    ['killed', (pid: number) => process.kill(pid, 'SIGKILL')],
    ['asked to end', (pid: number) => process.kill(pid, 'SIGTERM')],
  ])('that somebody else has %s is no fault of the file', async (_how, end) => {
    await start();
    const { folder } = bench;
    const other = await MediaBench.start({ path: await sleeping(folder) });
    const failed = other.read(VIDEO, 'video/mp4').catch((error: unknown) => error);
    const [ffprobe = 0, child = 0] = await pidsIn(folder);
    end(child);
    expect(await failed).toMatchObject({ name: 'Error', message: expect.stringContaining('was ended by') });
    await vi.waitFor(async () => expect(await alive([ffprobe, child])).toEqual([]));
    expect(await other.leftovers()).toEqual([]);
    await other.stop();
  });

  it('ends with us, and ffmpeg with it', async () => {
    await start();
    const { folder } = bench;
    await writeFile(join(folder, 'input'), VIDEO);
    const script = join(import.meta.dirname, '../support/media-parent-process.ts');
    const parent = spawn(process.execPath, [script, folder, 'video/mp4', await sleeping(folder)], { stdio: 'ignore' });
    const pids = await pidsIn(folder);
    expect(await alive(pids)).toEqual(pids);
    parent.kill('SIGKILL');
    await vi.waitFor(async () => expect(await alive(pids)).toEqual([]), 5000);
    expect(await readdir(join(folder, 'work'))).toEqual([]);
  });
});

describe('a file', () => {
  it('that cannot be fetched may be tried again', async () => {
    await start();
    const input = { kind: 'image', contentType: 'image/jpeg', sizeBytes: photo.length } as const;
    const failing = async () => Promise.reject(new Error('the store is away'));
    await expect(bench.worker.process({ ...input, open: failing })).rejects.toThrow('the store is away');
    const short = async () => Readable.from([photo.subarray(10)]);
    await expect(bench.worker.process({ ...input, open: short })).rejects.toThrow('shorter than it should be');
    const long = async () => Readable.from([photo, photo]);
    await expect(bench.worker.process({ ...input, open: long })).rejects.toThrow('longer than it should be');
    expect(await bench.leftovers()).toEqual([]);
  });

  it('that is too large is not fetched', async () => {
    await start({ maxInputBytes: MIB });
    const open = async () => Promise.reject(new Error('opened'));
    const input = { kind: 'image', contentType: 'image/jpeg', sizeBytes: MIB + 1, open } as const;
    await expect(bench.worker.process(input)).rejects.toMatchObject({
      code: 'too_large',
      reason: 'the file is larger than 1 MiB',
    });
  });

  it('for which there is no ffmpeg is not fetched', async () => {
    await start({ path: '/nowhere' });
    const open = async () => Promise.reject(new Error('opened'));
    const input = { kind: 'video', contentType: 'video/mp4', sizeBytes: 10, open } as const;
    await expect(bench.worker.process(input)).rejects.toMatchObject({
      code: 'unsupported',
      reason: 'ffmpeg is not installed',
    });
  });

  it('is let go of when its caller gives up, wherever it is', async () => {
    await start();
    const path = await sleeping(bench.folder);
    const other = await MediaBench.start({ path });
    const giveUp = new AbortController();
    const reading = other.read(VIDEO, 'video/mp4', giveUp.signal);
    const waiting = other.read(photo, 'image/jpeg', giveUp.signal);
    const pids = await pidsIn(bench.folder);
    giveUp.abort(new Error('enough'));
    await expect(reading).rejects.toThrow('enough');
    await expect(waiting).rejects.toThrow('enough');
    await vi.waitFor(async () => expect(await alive(pids)).toEqual([]));
    const stuck = new AbortController();
    const input = { kind: 'image', contentType: 'image/jpeg', sizeBytes: 9 } as const;
    const fetching = other.worker.process({ ...input, open: async () => new Readable({ read() {} }) }, stuck.signal);
    await vi.waitFor(async () => expect(await other.leftovers()).toHaveLength(1));
    stuck.abort(new Error('too slow'));
    await expect(fetching).rejects.toThrow('too slow');
    expect(await other.leftovers()).toEqual([]);
    await other.stop();
  });

  it('of a worker that is stopped is let go of', async () => {
    await start();
    const other = await MediaBench.start({ path: await sleeping(bench.folder) });
    const reading = other.read(VIDEO, 'video/mp4').catch((error: unknown) => error);
    const pids = await pidsIn(bench.folder);
    await other.worker.stop();
    expect(await alive(pids)).toEqual([]);
    expect(await reading).toMatchObject({ name: 'Error', message: 'the media worker has been stopped' });
    expect(await other.leftovers()).toEqual([]);
    await expect(other.read(photo, 'image/jpeg')).rejects.toThrow('has been stopped');
    await other.stop();
  });
});

describe('what a killed process has left', () => {
  it('is removed after a day, and nothing else', async () => {
    await start();
    const work = join(bench.folder, 'work');
    for (const name of ['media-old', 'media-new', 'other']) await mkdir(join(work, name), { recursive: true });
    for (const name of ['media-old', 'other']) await utimes(join(work, name), 0, Date.now() / 1000 - 90_000);
    await bench.read(photo, 'image/jpeg');
    expect((await bench.leftovers()).sort()).toEqual(['media-new', 'other']);
  });
});

describe('mediaKindOf', () => {
  it.each([
    ['image/jpeg', 'image'],
    ['IMAGE/PNG; charset=binary', 'image'],
    ['application/pdf', 'pdf'],
    ['video/mp4', 'video'],
    ['audio/mpeg', 'audio'],
    ['image/svg+xml', null],
    ['image/vnd.adobe.photoshop', null],
    ['text/html', null],
    ['application/vnd.apple.mpegurl', null],
    ['audio/x-mpegurl', null],
    ['video/constructor', null],
    ['', null],
  ])('%s: %s', (type, kind) => expect(mediaKindOf(type)).toBe(kind));
});
