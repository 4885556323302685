// The process that decodes one stranger's file and ends. Started by child-process.ts, under its limits.
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { constants, setPriority } from 'node:os';
import { createInterface } from 'node:readline';
import type { MediaKind } from '../media-kinds.ts';
import { toMediaMetadata } from '../media-metadata.ts';
import type { ChildAnswer, ChildTask } from './protocol.ts';
import { CHANNEL_FD, READY } from './protocol.ts';
import { answerOf } from './refusal.ts';

const SELF_CHECK_MS = 20;

/** Reads a file and writes its thumbnails beside it. */
type Decoder = (task: ChildTask) => Promise<Pick<ChildAnswer & { state: 'done' }, 'metadata' | 'thumbnails'>>;

// Threads and programs that are started from now on inherit it.
setPriority(constants.priority.PRIORITY_LOW);

const channel = new Socket({ fd: CHANNEL_FD });
channel.on('error', () => {});
const lines = createInterface({ input: channel });
let folder: string | undefined;
// Nobody is left to end us: with us goes ffmpeg, which is in our group.
channel.once('close', () => {
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  if (process.platform === 'win32') process.exit(1);
  process.kill(0, 'SIGKILL');
});

const decode = await load(process.argv[2] as MediaKind);
once(lines, 'line').then(([line]) => {
  const task = JSON.parse(line) as ChildTask;
  folder = task.folder;
  if (process.platform !== 'linux') checkOwnMemory(task.memoryBytes);
  decode(task)
    .then((done): ChildAnswer => ({ ...done, state: 'done', metadata: toMediaMetadata(done.metadata) }), answerOf)
    .then(answer);
});
say(READY);

async function load(kind: MediaKind): Promise<Decoder> {
  if (kind === 'image') return (await import('./image.ts')).loadImageDecoder();
  if (kind === 'pdf') return (await import('./pdf.ts')).loadPdfDecoder();
  return (await import('./video.ts')).decodeVideo;
}

function answer(message: ChildAnswer): void {
  say(message);
}

function say(message: unknown): void {
  channel.write(`${JSON.stringify(message)}\n`);
}

/** Where nobody can look at us from outside. It cannot run while pdfium does. */
function checkOwnMemory(memoryBytes: number): void {
  setInterval(() => {
    if (process.memoryUsage.rss() <= memoryBytes) return;
    answer({ state: 'refused', code: 'memory', reason: 'the file takes too much memory' });
  }, SELF_CHECK_MS).unref();
}
