import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { MediaRefusedError } from '../../src/platform/media/errors.ts';
import { mediaKindOf } from '../../src/platform/media/media-kinds.ts';
import { type MediaResult, MediaWorker, type MediaWorkerOptions } from '../../src/platform/media/media-worker.ts';

const run = promisify(execFile);

/** What a worker writes to the log of each file. */
interface Seen {
  readonly peakBytes: number;
  readonly durationMs: number;
}

/** A worker on a folder of its own. */
export class MediaBench {
  readonly seen: Seen[] = [];
  readonly worker: MediaWorker;
  readonly folder: string;

  private constructor(folder: string, options: Partial<MediaWorkerOptions>) {
    this.folder = folder;
    const log = {
      debug: (fields: Seen) => this.seen.push(fields),
      warn: () => {},
    } as unknown as MediaWorkerOptions['log'];
    this.worker = new MediaWorker({ log, temporaryDirectory: join(folder, 'work'), ...options });
  }

  static async start(options: Partial<MediaWorkerOptions> = {}): Promise<MediaBench> {
    return new MediaBench(await mkdtemp(join(tmpdir(), 'pockity-media-')), options);
  }

  read(bytes: Buffer, contentType: string, signal?: AbortSignal): Promise<MediaResult> {
    const kind = mediaKindOf(contentType);
    if (kind === null) throw new Error(`no media: ${contentType}`);
    const open = async () => Readable.from(pieces(bytes));
    return this.worker.process({ kind, contentType, sizeBytes: bytes.length, open }, signal);
  }

  /** What the file is refused with. */
  async refusal(bytes: Buffer, contentType: string): Promise<MediaRefusedError> {
    const error = await this.read(bytes, contentType).then(
      (result) => new Error(`taken: ${JSON.stringify(result.metadata)}`),
      (thrown: unknown) => thrown,
    );
    if (error instanceof MediaRefusedError) return error;
    throw error;
  }

  /** What lies in its folder for temporary files. */
  leftovers(): Promise<string[]> {
    return readdir(join(this.folder, 'work')).catch(() => []);
  }

  /** What ffmpeg makes with these arguments, in a file of this name. */
  async ffmpeg(name: string, ...args: string[]): Promise<Buffer> {
    const file = join(this.folder, name);
    await run('ffmpeg', ['-v', 'error', '-y', ...args, file]);
    return readFile(file);
  }

  async stop(): Promise<void> {
    await this.worker.stop();
    await rm(this.folder, { recursive: true, force: true });
  }
}

function* pieces(bytes: Buffer) {
  for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536);
}
