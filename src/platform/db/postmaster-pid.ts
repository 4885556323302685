import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { runCommand } from './run-command.ts';

/** What a server says of itself in its data directory's `postmaster.pid`. */
export interface PostmasterPid {
  readonly pid: number;
  /** Null until the server has got that far. */
  readonly port: number | null;
  /** It takes connections, or did when it was killed. */
  readonly ready: boolean;
}

/** A pid that no system gives out: Linux ends at 4 194 304, macOS at 99 998. */
const NOBODYS_PID = 2_147_483_647;
const READY_POLL_MS = 5;

/** Reads the text of a `postmaster.pid` (one to a line: pid, folder, start, port, ..., status); null if it isn't one. */
export function parsePostmasterPid(text: string): PostmasterPid | null {
  const lines = text.split('\n');
  const pid = Math.abs(Number.parseInt(lines[0] ?? '', 10));
  const port = Number.parseInt(lines[3] ?? '', 10);
  if (!Number.isSafeInteger(pid) || pid === 0) return null;
  return { pid, port: port > 0 && port < 65_536 ? port : null, ready: lines[7]?.trim() === 'ready' };
}

/** Reads the `postmaster.pid` of a data directory; null when there is none, or an empty one. */
export async function readPostmasterPid(cluster: string): Promise<PostmasterPid | null> {
  const text = await readFile(join(cluster, 'postmaster.pid'), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
  return parsePostmasterPid(text);
}

/**
 * Says whether a living process with the pid is a server that could have written the file. The pid alone says nothing: it
 * may have been given to another process since, which is the rule rather than the exception in a restarted container.
 * A yes is confirmed by connecting and asking for the data directory.
 */
export async function looksLikePostmaster({ pid, port }: Pick<PostmasterPid, 'pid' | 'port'>): Promise<boolean> {
  if (!isAlive(pid)) return false;
  if (process.platform === 'win32') return true;
  const command = process.platform === 'linux' ? await linuxCommandLine(pid) : await bsdCommandLine(pid);
  return isPostmasterCommand(command, port);
}

/** True for the command line (arguments parted by blanks) of a server that was started by us for that port. */
export function isPostmasterCommand(command: string, port: number | null): boolean {
  if (!/(^|\/)postgres\s/.test(command)) return false;
  return port === null || ` ${command} `.includes(` -p ${port} `);
}

/** Waits until the server of a data directory takes connections; ends without that, too, when the signal says so. */
export async function untilReady(cluster: string, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const recorded = await readPostmasterPid(cluster);
    if (recorded?.ready === true && recorded.pid !== NOBODYS_PID) return;
    await delay(READY_POLL_MS);
  }
}

/**
 * Makes a `postmaster.pid` whose pid now belongs to somebody else harmless, so that the next server starts. The file is
 * kept but for the pid, because the server finds orphaned children of a killed predecessor by the rest of it, and must.
 */
export async function disownPostmasterPid(cluster: string): Promise<void> {
  const path = join(cluster, 'postmaster.pid');
  const text = await readFile(path, 'utf8').catch(() => null);
  // A server that was about to end has removed it meanwhile.
  if (text === null) return;
  const [, ...rest] = text.split('\n');
  await writeFile(path, [String(NOBODYS_PID), ...rest].join('\n'));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

/** Empty for a process that is gone, and for a zombie. */
async function linuxCommandLine(pid: number): Promise<string> {
  const text = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  return text.replaceAll('\0', ' ');
}

async function bsdCommandLine(pid: number): Promise<string> {
  const result = await runCommand({ file: 'ps', args: ['-ww', '-o', 'command=', '-p', String(pid)] }, '/');
  return result.code === 0 ? result.output : '';
}
