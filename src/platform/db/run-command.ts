import { spawn } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';

/** A program with its arguments, and the user to run it as where that isn't this process's own. */
export interface Command {
  readonly file: string;
  readonly args: readonly string[];
  readonly uid?: number;
  readonly gid?: number;
}

/** `code` is null when a signal ended the program; `output` is stdout and stderr as they came. */
export interface CommandResult {
  readonly code: number | null;
  readonly output: string;
}

/**
 * Runs a program to its end, in its own session, so that a Ctrl-C in the terminal doesn't reach it or what it starts.
 * It gets no environment of ours (a database server that outlives us shouldn't carry our secrets), except on Windows,
 * where programs don't run without it.
 * @throws Error of spawn (ENOENT, EACCES, EPERM) when the program cannot be started
 */
export async function runCommand(command: Command, cwd: string): Promise<CommandResult> {
  const windows = process.platform === 'win32';
  const child = spawn(command.file, [...command.args], {
    cwd,
    detached: !windows,
    windowsHide: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(windows ? {} : { env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' } }),
    ...(command.uid === undefined ? {} : { uid: command.uid }),
    ...(command.gid === undefined ? {} : { gid: command.gid }),
  });
  const chunks: Buffer[] = [];
  const { promise: closed, resolve: onClose } = Promise.withResolvers<void>();
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk));
  child.once('close', () => onClose());
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', resolve);
  });
  // A server that the program started may hold the pipes open for ever (Windows): the rest of the output is worth 200 ms.
  await Promise.race([closed, delay(200, undefined, { ref: false })]);
  child.stdout.destroy();
  child.stderr.destroy();
  return { code, output: Buffer.concat(chunks).toString('utf8').trim() };
}
