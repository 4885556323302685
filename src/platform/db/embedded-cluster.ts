import { randomUUID } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { DbLog } from './db-log.ts';
import type { EmbeddedAccount } from './embedded-account.ts';
import type { EmbeddedBinaries } from './embedded-binaries.ts';
import { untilReady } from './postmaster-pid.ts';
import { runCommand } from './run-command.ts';

/** The database's superuser, whom initdb creates. */
export const EMBEDDED_USER = 'pockity';

/** One data directory (`directory/cluster`), its log (`directory/server.log`), and what it takes to work on it. */
export interface EmbeddedCluster {
  /** Absolute, without symbolic links; exists. */
  readonly directory: string;
  readonly binaries: EmbeddedBinaries;
  readonly account: EmbeddedAccount;
  readonly password: string;
  /** Lines of postgresql.conf that initdb writes, beside the defaults. */
  readonly settings: Readonly<Record<string, string>>;
  readonly log: DbLog;
}

/** How a start went: `retry` when another server is in the way that may be gone, or ready, in a moment. */
export type StartOutcome = 'started' | 'port-taken' | 'retry';

const MAX_LOG_BYTES = 5 * 1024 * 1024;
const START_TIMEOUT_SECONDS = 600;

/** Written once, by initdb, into postgresql.conf, which is the operator's from then on. */
const DEFAULT_SETTINGS: Readonly<Record<string, string>> = {
  max_connections: '300',
  shared_buffers: '128MB',
  timezone: 'UTC',
  log_timezone: 'UTC',
  // The application logs its own failed statements; with them here the file would grow without end.
  log_min_messages: 'log',
  log_checkpoints: 'off',
  // Fewer processes beside a small database, and no parallel workers, which want more /dev/shm than a container has.
  io_method: 'sync',
  max_parallel_workers_per_gather: '0',
  max_logical_replication_workers: '0',
  jit: 'off',
};

/** The folder that PostgreSQL calls PGDATA. */
export function clusterPath(directory: string): string {
  return join(directory, 'cluster');
}

/**
 * Creates the data directory with initdb, where there is none. It is made beside its place and then renamed, so that a
 * process killed in the middle leaves nothing that looks finished. Call it under the directory's process lock.
 * @throws Error with initdb's own words
 */
export async function initialiseCluster(cluster: EmbeddedCluster): Promise<void> {
  const target = clusterPath(cluster.directory);
  await removeUnfinished(cluster.directory);
  if (await exists(target)) return;
  const startedAt = performance.now();
  const temporary = join(cluster.directory, `initdb-${randomUUID()}`);
  const passwordFile = `${temporary}.password`;
  try {
    await mkdir(temporary, { mode: 0o700 });
    await writeFile(passwordFile, `${cluster.password}\n`, { mode: 0o600 });
    await Promise.all([cluster.account.own(temporary), cluster.account.own(passwordFile)]);
    const args = initdbArgs(temporary, passwordFile, { ...DEFAULT_SETTINGS, ...cluster.settings });
    const result = await runCommand(cluster.account.command(cluster.binaries.initdb, args), cluster.directory);
    if (result.code !== 0) throw new Error(`PostgreSQL could not create ${target}: ${result.output}`);
    await rename(temporary, target);
    await syncFolder(cluster.directory);
  } finally {
    await rm(passwordFile, { force: true });
    await rm(temporary, { recursive: true, force: true });
  }
  cluster.log.info({ directory: target, durationMs: since(startedAt) }, 'embedded PostgreSQL initialised');
}

/**
 * Starts the server on 127.0.0.1 and the given port, and waits until it takes connections. The server is in a session of
 * its own and outlives this process. Call it under the directory's process lock.
 * @throws Error with the end of the server's log when it doesn't start for a reason that won't pass
 */
export async function startServer(cluster: EmbeddedCluster, port: number): Promise<StartOutcome> {
  const logFile = join(cluster.directory, 'server.log');
  const logStart = await rotateLog(logFile);
  const command = cluster.account.command(cluster.binaries.pgCtl, [
    'start',
    '-D',
    // Relative to the working directory: pg_ctl hands these two to a shell, to which a $ in a path would mean something.
    'cluster',
    '-l',
    'server.log',
    '-w',
    '-t',
    String(START_TIMEOUT_SECONDS),
    '-o',
    `-p ${port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=`,
  ]);
  const waiting = new AbortController();
  // pg_ctl looks ten times a second, for a server that needs a third of that; but only pg_ctl knows when it has failed.
  const ready = untilReady(clusterPath(cluster.directory), waiting.signal);
  const result = await Promise.race([runCommand(command, cluster.directory), ready]).finally(() => waiting.abort());
  if (result === undefined || result.code === 0) return 'started';
  const serverLog = await readFrom(logFile, logStart);
  const outcome = outcomeOfLog(serverLog);
  if (outcome !== null) return outcome;
  throw new Error(
    `The embedded PostgreSQL does not start: ${lastLines(`${result.output}\n${serverLog}`)} (${logFile})`,
  );
}

/** Stops the server, ending its connections, and waits until it has. Call it under the directory's process lock. */
export async function stopServer(cluster: EmbeddedCluster): Promise<void> {
  const args = ['stop', '-D', 'cluster', '-m', 'fast', '-w', '-t', '60'];
  const result = await runCommand(cluster.account.command(cluster.binaries.pgCtl, args), cluster.directory);
  if (result.code === 0) cluster.log.info({}, 'embedded PostgreSQL stopped');
  else cluster.log.warn({ output: result.output }, 'embedded PostgreSQL did not stop in time');
}

/** What the server's last words mean for another attempt; null when another attempt would end the same. */
export function outcomeOfLog(serverLog: string): Exclude<StartOutcome, 'started'> | null {
  if (serverLog.includes('could not create any TCP/IP sockets')) return 'port-taken';
  // The children of a killed server see that it is gone, and end, within moments.
  if (serverLog.includes('pre-existing shared memory block')) return 'retry';
  // A process that was killed just now had started a server, which had not yet written its file when we looked.
  if (serverLog.includes('lock file "postmaster.pid" already exists')) return 'retry';
  return null;
}

function initdbArgs(target: string, passwordFile: string, settings: Readonly<Record<string, string>>): string[] {
  return [
    `--pgdata=${target}`,
    '--encoding=UTF8',
    '--locale=C',
    // Order stays bytewise as in C, while lower(), upper() and ILIKE know more letters than those of ASCII.
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    '--auth=scram-sha-256',
    `--username=${EMBEDDED_USER}`,
    `--pwfile=${passwordFile}`,
    '--no-instructions',
    ...(settings['fsync'] === 'off' ? ['--no-sync'] : []),
    ...Object.entries(settings).map(([name, value]) => `--set=${name}=${value}`),
  ];
}

async function removeUnfinished(directory: string): Promise<void> {
  const names = (await readdir(directory)).filter((name) => name.startsWith('initdb-'));
  // Where the killed process's initdb still writes, a removal may fail; the next start sees to it.
  await Promise.allSettled(names.map((name) => rm(join(directory, name), { recursive: true, force: true })));
}

/** Gives the size of the log, beyond which everything belongs to the coming start. Keeps one older file. */
async function rotateLog(logFile: string): Promise<number> {
  const size = (await stat(logFile).catch(() => null))?.size ?? 0;
  if (size === 0) return 0;
  if (size < MAX_LOG_BYTES) return size;
  await rename(logFile, `${logFile}.1`);
  return 0;
}

async function readFrom(path: string, offset: number): Promise<string> {
  const bytes = await readFile(path).catch(() => Buffer.alloc(0));
  return bytes.subarray(offset).toString('utf8');
}

function lastLines(text: string): string {
  return text.trim().split('\n').slice(-8).join(' | ');
}

async function syncFolder(path: string): Promise<void> {
  // Windows cannot open a folder; its rename is as durable as it gets.
  if (process.platform === 'win32') return;
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null)) !== null;
}

function since(startedAt: number): number {
  return Math.round(performance.now() - startedAt);
}
