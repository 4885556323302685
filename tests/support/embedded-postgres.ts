import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';

/** A process that shares an embedded server. */
export interface SharingProcess {
  readonly child: ChildProcess;
  /** Everything that it has said so far, in order: log messages, `ready`, `released`, `failed`. */
  readonly events: readonly string[];
  /** Waits until the server is ready, and gives its URL; throws the process's own error. */
  url(): Promise<string>;
  /** Releases the share and waits for the process's end. */
  release(): Promise<void>;
  /** kill -9, and waits for the process's end and that of its output. */
  kill(): Promise<void>;
}

/** How to start the process: as which command in front (`setpriv ...`), and from which tree. */
export interface SharingProcessOptions {
  readonly directory: string;
  readonly password?: string;
  readonly prefix?: readonly string[];
  /** Default: this repository. */
  readonly root?: string;
}

const ROOT = join(import.meta.dirname, '../..');
const DEADLINE_MS = 20_000;

/** Starts another Node that shares the embedded server of a directory, at the head of a process group of its own. */
export function startSharingProcess(options: SharingProcessOptions): SharingProcess {
  const script = join(options.root ?? ROOT, 'tests/support/embedded-postgres-process.ts');
  const args = [process.execPath, script, options.directory, options.password ?? 'secret'];
  const [file = process.execPath, ...rest] = [...(options.prefix ?? []), ...args];
  const child = spawn(file, rest, { stdio: ['pipe', 'pipe', 'pipe'], detached: true });
  const closed = once(child, 'close');
  const events: string[] = [];
  const outcome = Promise.withResolvers<string>();
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString();
  });
  createInterface({ input: child.stdout }).on('line', (line) => {
    const said: { event: string; url?: string; message?: string } = JSON.parse(line);
    events.push(said.event);
    if (said.event === 'ready') outcome.resolve(said.url ?? '');
    if (said.event === 'failed') outcome.reject(new Error(said.message));
  });
  child.once('close', (code) => outcome.reject(new Error(`ended with ${code}: ${errors}`)));
  // Whoever doesn't ask for the URL isn't interested in the error either.
  outcome.promise.catch(() => {});
  return {
    child,
    events,
    url: () => outcome.promise,
    release: async () => {
      child.stdin.write('release\n');
      const [code] = await closed;
      if (code !== 0) throw new Error(`ended with ${code}: ${errors} ${events.join(', ')}`);
    },
    kill: async () => {
      child.kill('SIGKILL');
      await closed;
    },
  };
}

/** The pid of the directory's server, by its own file; null when it doesn't run. */
export async function postmasterOf(directory: string): Promise<number | null> {
  const text = await readFile(join(directory, 'cluster/postmaster.pid'), 'utf8').catch(() => null);
  return text === null ? null : Number.parseInt(text, 10);
}

/** Runs one statement on a connection of its own and gives the first row. */
export async function queryOnce(url: string, sql: string): Promise<Record<string, unknown>> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<Record<string, unknown>>(sql);
    return rows[0] ?? {};
  } finally {
    await client.end();
  }
}

/** Asks until the answer is true, at most 20 s. */
export async function until(what: string, check: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  while (!(await check())) {
    if (performance.now() > deadline) throw new Error(`Not within ${DEADLINE_MS} ms: ${what}`);
    await delay(5);
  }
}
