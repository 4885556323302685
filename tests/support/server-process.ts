import { type ChildProcess, spawn } from 'node:child_process';
import { appendFileSync, closeSync, openSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually } from './client-eventually.ts';

const ROOT = join(import.meta.dirname, '../..');
const LEASH = join(import.meta.dirname, 'server-leash.ts');
const READY_WITHIN_MS = 30_000;
/** Draining may take 30 s, the jobs and the database some more. */
const STOP_WITHIN_MS = 50_000;
const LOG_TAIL_LINES = 120;

/** The whole environment of a service but PATH, HOME and the like, and where its output goes. */
export interface ServerProcessOptions {
  readonly env: Readonly<Record<string, string>>;
  readonly logFile: string;
  /** `pipe`: the service writes to this process, which keeps the log until `closeLog`. */
  readonly log?: 'file' | 'pipe';
}

/** The real service (`node src/main.ts`) as a child process. */
export class ServerProcess {
  readonly #child: ChildProcess;
  readonly #logFile: string;
  readonly #exit: Promise<number | null>;
  #exited = false;
  #baseUrl = '';

  private constructor(options: ServerProcessOptions) {
    this.#logFile = options.logFile;
    const log = openSync(options.logFile, 'a');
    const output = options.log === 'pipe' ? 'pipe' : log;
    this.#child = spawn(process.execPath, ['--import', LEASH, 'src/main.ts'], {
      cwd: ROOT,
      env: { ...bareEnvironment(), ...options.env },
      stdio: ['pipe', output, output],
    });
    closeSync(log);
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on('data', (text: Buffer) => appendFileSync(options.logFile, text));
    }
    this.#exit = new Promise((resolve, reject) => {
      this.#child.once('error', reject);
      this.#child.once('exit', (code) => {
        this.#exited = true;
        resolve(code);
      });
    });
  }

  /** Starts the service without waiting for anything. */
  static spawn(options: ServerProcessOptions): ServerProcess {
    return new ServerProcess(options);
  }

  /** Waits until `/readyz` says yes. An error with the log when the process ends before, or takes more than 30 s. */
  async ready(): Promise<this> {
    const port = await eventually('the service listens', () => this.#port() ?? (this.#exited ? 0 : null), {
      withinMs: READY_WITHIN_MS,
    }).catch((error: unknown) => Promise.reject(this.#failure('did not listen in time', error)));
    if (port === 0) throw this.#failure(`ended with code ${await this.#exit} before it listened`);
    this.#baseUrl = `http://127.0.0.1:${port}`;
    await eventually('the service is ready', async () => (await fetch(`${this.#baseUrl}/readyz`)).ok, {
      withinMs: READY_WITHIN_MS,
    }).catch((error: unknown) => Promise.reject(this.#failure('did not become ready in time', error)));
    return this;
  }

  /** `http://127.0.0.1:<port>`, known once it is ready. */
  get baseUrl(): string {
    return this.#baseUrl;
  }

  get pid(): number {
    const { pid } = this.#child;
    if (pid === undefined) throw new Error('the service could not be started');
    return pid;
  }

  get exited(): boolean {
    return this.#exited;
  }

  /** The exit code, once there is one; null after a signal. */
  exitCode(): Promise<number | null> {
    return this.#exit;
  }

  /** Asks the service to stop and waits for its end; answers the exit code. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    if (!this.#exited) this.#child.kill(signal);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(this.#failure(`did not stop within ${STOP_WITHIN_MS} ms`)), STOP_WITHIN_MS);
    });
    try {
      return await Promise.race([this.#exit, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** `kill -9`: nothing of the service gets to say anything. Its database stays running. */
  async kill9(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#exit;
  }

  /** Resident memory now, in bytes. Linux only. */
  rssBytes(): number {
    const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8'))?.[1];
    return Number(kibibytes) * 1024;
  }

  /** Reads the log no longer: what the service writes from now on meets a closed pipe. Needs `log: 'pipe'`. */
  closeLog(): void {
    this.#child.stdout?.destroy();
    this.#child.stderr?.destroy();
  }

  /** All that the service has written so far. */
  log(): Promise<string> {
    return readFile(this.#logFile, 'utf8');
  }

  /** The last lines of the log, for a failed test's report. */
  logTail(): string {
    return readFileSync(this.#logFile, 'utf8').trimEnd().split('\n').slice(-LOG_TAIL_LINES).join('\n');
  }

  async #port(): Promise<number | null> {
    const port = /"port":(\d+)[^\n]*"msg":"listening"/.exec(await this.log())?.[1];
    return port === undefined ? null : Number(port);
  }

  #failure(what: string, cause?: unknown): Error {
    return new Error(`the service ${what}; its log:\n${this.logTail()}`, { cause });
  }
}

/** What any program needs; nothing that would configure the service (DATABASE_URL, S3_*, ...) gets through. */
function bareEnvironment(): Record<string, string> {
  const names = ['PATH', 'HOME', 'TMPDIR', 'LANG', 'LC_ALL', 'SystemRoot'];
  return Object.fromEntries(
    names.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name] ?? '']])),
  );
}
