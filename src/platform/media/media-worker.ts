import { rm } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import pLimit from 'p-limit';
import type { Logger } from '../logging/logger.ts';
import { type ChildAnswer, type ChildTask, contentPath } from './child/protocol.ts';
import { runChild } from './child-process.ts';
import { readThumbnail } from './child-result.ts';
import { MediaRefusedError } from './errors.ts';
import { findProgram } from './find-program.ts';
import { demuxerOf, type MediaKind } from './media-kinds.ts';
import { type MediaMetadata, toMediaMetadata } from './media-metadata.ts';
import { makeFolder, spool } from './spool.ts';
import type { ThumbnailSize } from './thumbnail-sizes.ts';

const MIB = 1024 * 1024;
const DEFAULT_PATH = '/usr/local/bin:/usr/bin:/bin:/opt/homebrew/bin';

export interface MediaWorkerOptions {
  readonly log: Pick<Logger, 'debug' | 'warn'>;
  /** Files at once, each in a process of its own; 1. */
  readonly concurrency?: number;
  /** Of any file, as it is copied to the disk first: 1 GiB. Images end at 128 MiB, PDFs at 96 MiB. */
  readonly maxInputBytes?: number;
  /** Resident memory of the process with what it starts: 256 MiB. */
  readonly memoryBytes?: number;
  /** From when the content is there: 10 s. */
  readonly timeoutMs?: number;
  /** Width times height: 100 million. */
  readonly maxPixels?: number;
  /** Folders of ffmpeg, ffprobe and prlimit; by default the usual ones. */
  readonly path?: string;
  readonly temporaryDirectory: string;
}

export interface MediaInput {
  readonly kind: MediaKind;
  readonly contentType: string;
  readonly sizeBytes: number;
  /** Streams the whole content. */
  readonly open: (signal: AbortSignal) => Promise<Readable>;
}

export interface MediaResult {
  readonly metadata: MediaMetadata;
  /** All three sizes, or none: a sound without a cover, a video or HEIC whose codec is not known here. */
  readonly thumbnails: readonly {
    readonly size: ThumbnailSize;
    readonly width: number;
    readonly height: number;
    readonly webp: Buffer;
  }[];
}

/** Makes thumbnails and metadata of strangers' files, each in a process of its own that it cannot outgrow. */
export class MediaWorker {
  readonly #options: Required<MediaWorkerOptions>;
  readonly #limit: ReturnType<typeof pLimit>;
  readonly #stopping = new AbortController();
  readonly #running = new Set<Promise<unknown>>();
  #programs: Promise<Programs> | undefined;

  constructor(options: MediaWorkerOptions) {
    const defaults = { concurrency: 1, maxInputBytes: 1024 * MIB, memoryBytes: 256 * MIB, timeoutMs: 10_000 };
    this.#options = { ...defaults, maxPixels: 100_000_000, path: DEFAULT_PATH, ...options };
    this.#limit = pLimit(this.#options.concurrency);
  }

  /**
   * Copies the content to a private file, which is always removed, and reads it. Waits for its turn; `signal` ends it at any
   * time with its reason.
   * @throws MediaRefusedError: final. Any other error is none of the file's: trying again may help.
   */
  async process(input: MediaInput, signal?: AbortSignal): Promise<MediaResult> {
    const stop = AbortSignal.any([this.#stopping.signal, ...(signal ? [signal] : [])]);
    stop.throwIfAborted();
    if (input.sizeBytes === 0) throw new MediaRefusedError('broken', 'the file is empty');
    if (input.sizeBytes > this.#options.maxInputBytes)
      throw new MediaRefusedError('too_large', `the file is larger than ${this.#options.maxInputBytes / MIB} MiB`);
    const programs = await this.#findPrograms();
    const ffmpeg = ffmpegFor(input, programs);
    const run = this.#limit(() => this.#run(input, { programs, ffmpeg, signal: stop }));
    this.#running.add(run);
    return run.finally(() => this.#running.delete(run));
  }

  /** Ends what is under way, with its processes and files; nothing is begun after. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the media worker has been stopped'));
    await Promise.allSettled(this.#running);
  }

  async #run(input: MediaInput, turn: Turn): Promise<MediaResult> {
    turn.signal.throwIfAborted();
    const { maxPixels, memoryBytes, timeoutMs, path, log } = this.#options;
    const folder = await makeFolder(this.#options.temporaryDirectory);
    try {
      await copy(input, contentPath(folder), turn.signal);
      const { kind, sizeBytes } = input;
      const task: ChildTask = { kind, folder, sizeBytes, maxPixels, memoryBytes, ffmpeg: turn.ffmpeg };
      const limits = { timeoutMs, memoryBytes, path, prlimit: turn.programs.prlimit };
      const began = performance.now();
      const { answer, peakBytes } = await runChild(task, limits, turn.signal);
      const durationMs = Math.round(performance.now() - began);
      log.debug({ kind, sizeBytes, peakBytes, durationMs, state: answer.state }, 'media file read');
      return await within(timeoutMs, collect(answer, folder));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  #findPrograms(): Promise<Programs> {
    this.#programs ??= findPrograms(this.#options.path);
    return this.#programs;
  }
}

interface Programs {
  readonly ffmpeg: string | null;
  readonly ffprobe: string | null;
  readonly prlimit: string | null;
}

interface Turn {
  readonly programs: Programs;
  readonly ffmpeg: ChildTask['ffmpeg'];
  readonly signal: AbortSignal;
}

async function findPrograms(path: string): Promise<Programs> {
  const [ffmpeg, ffprobe, prlimit] = await Promise.all([
    findProgram('ffmpeg', path),
    findProgram('ffprobe', path),
    process.platform === 'linux' ? findProgram('prlimit', path) : null,
  ]);
  return { ffmpeg, ffprobe, prlimit };
}

/** Before anything is copied: without ffmpeg there is nothing to be done with a video. */
function ffmpegFor({ kind, contentType }: MediaInput, { ffmpeg, ffprobe }: Programs): ChildTask['ffmpeg'] {
  if (kind !== 'video' && kind !== 'audio') return null;
  const demuxer = demuxerOf(contentType);
  if (demuxer === null) throw new MediaRefusedError('unsupported', 'files of this type are not read');
  if (ffmpeg === null || ffprobe === null) throw new MediaRefusedError('unsupported', 'ffmpeg is not installed');
  return { ffmpeg, ffprobe, demuxer };
}

async function copy(input: MediaInput, target: string, signal: AbortSignal): Promise<void> {
  const source = await input.open(signal);
  const end = () => source.destroy(signal.reason);
  signal.addEventListener('abort', end, { once: true });
  try {
    await spool(source, target, input.sizeBytes);
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener('abort', end);
    source.destroy();
  }
}

async function collect(answer: ChildAnswer, folder: string): Promise<MediaResult> {
  if (answer.state === 'refused') throw new MediaRefusedError(answer.code, answer.reason);
  if (answer.state === 'failed') throw new Error(`the media process failed: ${answer.reason}`);
  const thumbnails = answer.thumbnails.map(async ({ size, width, height }) => {
    return { size, width, height, webp: await readThumbnail(folder, size) };
  });
  return { metadata: toMediaMetadata(answer.metadata), thumbnails: await Promise.all(thumbnails) };
}

/** A disk that a process has put where its folder was may never answer. */
async function within<T>(timeoutMs: number, work: Promise<T>): Promise<T> {
  const over = new AbortController();
  const late = delay(timeoutMs, undefined, { signal: over.signal }).then(() => {
    throw new MediaRefusedError('timeout', 'what the decoder left cannot be read in time');
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    over.abort();
    late.catch(() => {});
  }
}
