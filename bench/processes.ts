import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';

const MIB = 1024 ** 2;
export const ADMIN_PASSWORD = 'only for this bench';

export interface Child {
  readonly url: string;
  readonly pid: number;
  readonly dataDirectory: string;
  readonly databaseUrl: string;
  stop(): Promise<void>;
}

/** Starts the service as `npm start` does, on an empty folder and a free port. */
export async function startService(dataDirectory: string): Promise<Child> {
  const child = launch(join(import.meta.dirname, '../src/main.ts'), {
    DATA_DIR: dataDirectory,
    PORT: '0',
    HOST: '127.0.0.1',
    ADMIN_PASSWORD,
    LOG_LEVEL: 'info',
    // Nobody is refused, but everything is counted.
    RATE_LIMIT_AUTH: 'off',
    RATE_LIMIT_UPLOAD: '999999999/s',
    RATE_LIMIT_API: '999999999/s',
  });
  const port = await portFrom(child);
  const { postgresPassword } = JSON.parse(await readFile(join(dataDirectory, 'secrets.json'), 'utf8')) as {
    postgresPassword: string;
  };
  const postgresPort = (await readFile(join(dataDirectory, 'postgres/port'), 'utf8')).trim();
  const databaseUrl = `postgresql://pockity:${postgresPassword}@127.0.0.1:${postgresPort}/pockity`;
  return toChild(child, port, dataDirectory, databaseUrl);
}

/** Starts one of `bench/limits`, which prints its port as JSON. */
export async function startLimit(name: string, environment: Record<string, string>): Promise<Child> {
  const child = launch(join(import.meta.dirname, `limits/${name}.ts`), environment);
  return toChild(child, await portFrom(child), '', '');
}

function launch(script: string, environment: Record<string, string>): ChildProcess {
  const { DATABASE_URL: _unused, ...inherited } = process.env;
  return spawn(process.execPath, [script], {
    env: { ...inherited, ...environment },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
}

/** The first JSON line that names a port; what follows is read and thrown away, so that the child never blocks. */
async function portFrom(child: ChildProcess): Promise<number> {
  if (!child.stdout) throw new Error('the child has no output');
  const lines = createInterface({ input: child.stdout });
  return new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`a child ended with ${code} before it listened`)));
    lines.on('line', (line) => {
      const parsed = line.startsWith('{') ? (JSON.parse(line) as { port?: number; msg?: string }) : {};
      if (parsed.port && (parsed.msg === undefined || parsed.msg === 'listening')) resolve(parsed.port);
    });
  });
}

function toChild(child: ChildProcess, port: number, dataDirectory: string, databaseUrl: string): Child {
  return {
    url: `http://127.0.0.1:${port}`,
    pid: child.pid ?? 0,
    dataDirectory,
    databaseUrl,
    stop: async () => {
      if (child.exitCode !== null) return;
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      await ended;
    },
  };
}

/** RSS in MiB once it has stopped falling. */
export async function idleMemory(child: Child): Promise<number> {
  let last = residentMiB(child);
  for (let turn = 0; turn < 10; turn += 1) {
    await delay(500);
    last = Math.min(last, residentMiB(child));
  }
  return last;
}

/** Samples RSS until it is stopped; answers the most, in MiB. */
export function peakMemory(child: Child): { stop(): number } {
  let peak = 0;
  const timer = setInterval(() => {
    peak = Math.max(peak, residentMiB(child));
  }, 50);
  return {
    stop: () => {
      clearInterval(timer);
      return peak;
    },
  };
}

function residentMiB({ pid }: Child): number {
  const pages = Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]);
  return (pages * 4096) / MIB;
}
