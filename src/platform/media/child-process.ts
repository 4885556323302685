import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { CHANNEL_FD, type ChildAnswer, type ChildTask, childAnswer, MAX_SAID_BYTES, READY } from './child/protocol.ts';
import { linesOf, nextMessage } from './child-lines.ts';
import { limitGrowth, memoryWithChildren } from './process-memory.ts';

const MAIN = join(import.meta.dirname, 'child/main.ts');
/** A busy machine may take so long until a process has begun; that is not the file's fault. */
const START_MS = 30_000;
const WATCH_MS = 20;
const STACK_KIB = 2048;
const MAX_FILE_MIB = 64;
/** Small heaps: what is large is native. */
const NODE_FLAGS = ['--max-old-space-size=96', '--v8-pool-size=1', '--no-warnings'];

/** What one child may take. */
export interface ChildLimits {
  /** From the moment that it has the file, until it has to have answered. */
  readonly timeoutMs: number;
  /** Resident, with what it starts. */
  readonly memoryBytes: number;
  /** The folders in which it finds programs. */
  readonly path: string;
  /** util-linux's program, where there is one. */
  readonly prlimit: string | null;
}

export interface ChildResult {
  readonly answer: ChildAnswer;
  /** 0 where nobody can look. */
  readonly peakBytes: number;
}

/**
 * Has one file read by a process of its own, which has neither our environment nor any of our files, and is killed with all
 * that it has started as soon as it has answered or gone past a limit. A limit or a crash is a `refused` answer.
 * @throws Error when it cannot be started, or somebody else killed it; the reason of `signal`
 */
export async function runChild(task: ChildTask, limits: ChildLimits, signal: AbortSignal): Promise<ChildResult> {
  signal.throwIfAborted();
  const child = start(task, limits);
  // It may be gone when it is written to; `ended` tells.
  child.on('error', () => {});
  const channel = channelOf(child);
  const lines = linesOf(channel, MAX_SAID_BYTES);
  const over = new AbortController();
  const stop = AbortSignal.any([signal, over.signal]);
  const memory = { peakBytes: 0 };
  try {
    await ready(child, lines, stop);
    if (limits.prlimit && child.pid)
      await limitGrowth(child.pid, { prlimit: limits.prlimit, maxBytes: limits.memoryBytes });
    const answer = await Promise.race([
      answered(channel, lines, task),
      ended(child, stop),
      timedOut(limits.timeoutMs, stop),
      tooMuch(child, { limitBytes: limits.memoryBytes, memory }, stop),
    ]);
    return { answer, peakBytes: memory.peakBytes };
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    over.abort();
    await kill(child);
    channel.destroy();
  }
}

function start(task: ChildTask, limits: ChildLimits): ChildProcess {
  const node = [process.execPath, ...NODE_FLAGS, MAIN, task.kind];
  const [file = '', ...args] =
    process.platform === 'win32' ? node : ['/bin/sh', '-c', shellLimits(limits), 'sh', ...node];
  return spawn(file, args, {
    cwd: task.folder,
    detached: process.platform !== 'win32',
    windowsHide: true,
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
    // Few threads and arenas: each keeps memory that it has freed.
    env: { PATH: limits.path, LC_ALL: 'C', TMPDIR: task.folder, UV_THREADPOOL_SIZE: '2', MALLOC_ARENA_MAX: '2' },
  });
}

/**
 * No core dumps of strangers' files, small stacks, bounded files and, should nobody be left who kills it while pdfium
 * loops, bounded processor time.
 */
function shellLimits({ timeoutMs }: ChildLimits): string {
  const seconds = Math.ceil(timeoutMs / 1000) * 2 + 5;
  const lines = [`-c 0`, `-s ${STACK_KIB}`, `-f ${MAX_FILE_MIB * 2048}`, `-t ${seconds}`];
  // What the system refuses is tried in a subshell, as a refusal ends the shell.
  return `${lines.map((line) => `(ulimit ${line}) 2>/dev/null && ulimit ${line}`).join('; ')}; exec "$@"`;
}

/** Not Node's own: that takes messages of any length, and parses them before anybody is asked. */
function channelOf(child: ChildProcess): Duplex {
  const channel = child.stdio[CHANNEL_FD];
  // Of a process that could not be started.
  if (!(channel instanceof Duplex)) return new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
  channel.on('error', () => {});
  return channel;
}

async function ready(child: ChildProcess, lines: AsyncGenerator<string>, signal: AbortSignal): Promise<void> {
  const stop = AbortSignal.any([signal, AbortSignal.timeout(START_MS)]);
  const quit = new AbortController();
  const waiting = AbortSignal.any([stop, quit.signal]);
  const gone = once(child, 'exit', { signal: waiting }).then(([code, by]) => {
    throw new Error(`the media process did not start (${code ?? by})`);
  });
  try {
    const first = await Promise.race([nextMessage(lines), gone]);
    if (first !== READY) throw new Error('the media process did not start as it should');
  } finally {
    quit.abort();
    gone.catch(() => {});
  }
}

async function answered(channel: Duplex, lines: AsyncGenerator<string>, task: ChildTask): Promise<ChildAnswer> {
  channel.write(`${JSON.stringify(task)}\n`);
  const answer = childAnswer.safeParse(await nextMessage(lines));
  return answer.success ? answer.data : refused('broken', 'the decoder gave no proper answer');
}

/** Ended without an answer. A decoder aborts when it gets no memory, and crashes on what it doesn't understand. */
async function ended(child: ChildProcess, signal: AbortSignal): Promise<ChildAnswer> {
  const [code, by] = (await once(child, 'exit', { signal })) as [number | null, NodeJS.Signals | null];
  // The last message may still be on its way.
  await delay(100, undefined, { signal });
  if (by === 'SIGABRT' || by === 'SIGTRAP' || by === 'SIGILL' || code === 134)
    return refused('memory', 'the file takes too much memory');
  if (by === 'SIGKILL' || by === 'SIGTERM' || by === 'SIGINT') throw new Error(`the media process was ended by ${by}`);
  return refused('broken', 'the file crashed its decoder');
}

async function timedOut(timeoutMs: number, signal: AbortSignal): Promise<ChildAnswer> {
  await delay(timeoutMs, undefined, { signal });
  return refused('timeout', `the file takes longer than ${timeoutMs / 1000} s`);
}

async function tooMuch(
  child: ChildProcess,
  { limitBytes, memory }: { readonly limitBytes: number; readonly memory: { peakBytes: number } },
  signal: AbortSignal,
): Promise<ChildAnswer> {
  for (;;) {
    const { residentBytes, peakBytes } = await memoryWithChildren(child.pid ?? 0);
    memory.peakBytes = Math.max(memory.peakBytes, peakBytes);
    if (residentBytes > limitBytes) return refused('memory', 'the file takes too much memory');
    await delay(WATCH_MS, undefined, { signal });
  }
}

function refused(code: (ChildAnswer & { state: 'refused' })['code'], reason: string): ChildAnswer {
  return { state: 'refused', code, reason };
}

/** With all that it has started: it leads a group of its own. */
async function kill(child: ChildProcess): Promise<void> {
  const exited = child.exitCode !== null || child.signalCode !== null || child.pid === undefined;
  if (child.pid !== undefined) signalGroup(child.pid);
  if (!exited) await once(child, 'exit');
}

function signalGroup(pid: number): void {
  try {
    process.kill(process.platform === 'win32' ? pid : -pid, 'SIGKILL');
  } catch {
    // Nobody of it is left.
  }
}
