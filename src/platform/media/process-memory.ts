import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';

/** Of one process, in bytes: resident now and at the most, and what it has mapped to write to. */
export interface ProcessMemory {
  readonly residentBytes: number;
  readonly peakBytes: number;
  readonly dataBytes: number;
}

/** As Linux tells it; null for a process that is gone, and elsewhere. */
export async function memoryOf(pid: number): Promise<ProcessMemory | null> {
  const status = await readFile(`/proc/${pid}/status`, 'latin1').catch(() => '');
  const field = (name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? Number.NaN) * 1024;
  const memory = { residentBytes: field('VmRSS'), peakBytes: field('VmHWM'), dataBytes: field('VmData') };
  return Number.isNaN(memory.residentBytes) ? null : memory;
}

/** Of a process and those that it has started itself. */
export async function memoryWithChildren(pid: number): Promise<Pick<ProcessMemory, 'residentBytes' | 'peakBytes'>> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'latin1').catch(() => '');
  const pids = [pid, ...children.split(' ').filter(Boolean).map(Number)];
  const all = await Promise.all(pids.map(memoryOf));
  const sum = (name: 'residentBytes' | 'peakBytes') => all.reduce((bytes, one) => bytes + (one?.[name] ?? 0), 0);
  return { residentBytes: sum('residentBytes'), peakBytes: sum('peakBytes') };
}

/**
 * From now on the kernel refuses a process what would take it past so many bytes (RLIMIT_DATA), by `prlimit` of util-linux.
 * Not earlier, as V8 maps half a gigabyte at its start that it never touches. False where it cannot be done.
 */
export async function limitGrowth(pid: number, options: { readonly prlimit: string; readonly maxBytes: number }) {
  const now = await memoryOf(pid);
  if (now === null) return false;
  const dataBytes = now.dataBytes + Math.max(options.maxBytes - now.residentBytes, 0);
  const program = spawn(options.prlimit, [`--pid=${pid}`, `--data=${dataBytes}`], { stdio: 'ignore', env: {} });
  const [code] = await once(program, 'exit').catch(() => [null]);
  return code === 0;
}
