import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, readlink, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { Client } from 'pg';
import { eventually } from './client-eventually.ts';
import { ServerProcess, type ServerProcessOptions } from './server-process.ts';

const FOLDER_PREFIX = 'pockity-acceptance-';
const CODE_LINE = /^Your code: (\d{6})$/m;

/** An object as it lies on the disk. */
export interface StoredObject {
  /** Path below `objects/`. */
  readonly key: string;
  readonly sizeBytes: number;
}

/** An empty DATA_DIR of a test's own, the services that run on it, and what they leave there. */
export class ServerPlace {
  readonly adminEmail = 'admin@localhost';
  readonly adminPassword = randomBytes(12).toString('base64url');
  readonly directory: string;
  readonly dataDirectory: string;
  readonly #servers: ServerProcess[] = [];

  private constructor(directory: string) {
    this.directory = directory;
    this.dataDirectory = join(directory, 'data');
  }

  static async open(): Promise<ServerPlace> {
    await removeAbandoned();
    return new ServerPlace(await mkdtemp(join(tmpdir(), `${FOLDER_PREFIX}${process.pid}-`)));
  }

  /** Starts one more service here; it is on its way, not ready. */
  spawn(env: Readonly<Record<string, string>> = {}, options: Pick<ServerProcessOptions, 'log'> = {}): ServerProcess {
    const server = ServerProcess.spawn({
      ...options,
      logFile: join(this.directory, `server-${this.#servers.length}.log`),
      env: {
        DATA_DIR: this.dataDirectory,
        HOST: '127.0.0.1',
        PORT: '0',
        LOG_LEVEL: 'info',
        ADMIN_EMAIL: this.adminEmail,
        ADMIN_PASSWORD: this.adminPassword,
        RATE_LIMIT_AUTH: 'off',
        RATE_LIMIT_UPLOAD: 'off',
        RATE_LIMIT_API: 'off',
        ...env,
      },
    });
    this.#servers.push(server);
    return server;
  }

  /** Starts one more service here and waits until it is ready. */
  start(
    env: Readonly<Record<string, string>> = {},
    options: Pick<ServerProcessOptions, 'log'> = {},
  ): Promise<ServerProcess> {
    return this.spawn(env, options).ready();
  }

  /** All services that were started here, ended ones too. */
  get servers(): readonly ServerProcess[] {
    return this.#servers;
  }

  /** The code of the latest verification mail to this address; waits for it. */
  latestOtp(address: string): Promise<string> {
    return eventually(`a mail with a code for ${address}`, async () => {
      const mails = await this.mailsTo(address);
      return mails.flatMap((mail) => CODE_LINE.exec(mail)?.[1] ?? []).at(-1);
    });
  }

  /** The mails in the outbox to this address, oldest first, as they would be sent. */
  async mailsTo(address: string): Promise<string[]> {
    const folder = join(this.dataDirectory, 'outbox');
    const names = await readdir(folder).catch(() => []);
    const ready = names.filter((name) => name.endsWith('.eml')).sort();
    const mails = await Promise.all(ready.map((name) => readFile(join(folder, name), 'utf8')));
    return mails.filter((mail) => /^To: (.*)$/m.exec(mail)?.[1]?.includes(address) === true);
  }

  /** The objects on disk, temporary files left out, by key. */
  async objects(prefix = ''): Promise<StoredObject[]> {
    const files = (await this.#filesBelow('objects')).filter(({ key }) => !key.startsWith('.tmp/'));
    return files.filter(({ key }) => key.startsWith(prefix)).sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  /** Temporary files of transfers that are under way or were left behind. */
  temporaries(): Promise<StoredObject[]> {
    return this.#filesBelow('objects/.tmp');
  }

  async #filesBelow(folder: string): Promise<StoredObject[]> {
    const root = join(this.dataDirectory, folder);
    const entries = await readdir(root, { recursive: true, withFileTypes: true }).catch(() => []);
    const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
    const sizes = await Promise.all(files.map((path) => stat(path).catch(() => null)));
    return files.flatMap((path, i) => {
      const found = sizes[i];
      return found ? [{ key: relative(root, path), sizeBytes: found.size }] : [];
    });
  }

  /** Runs a statement in the embedded database, for what HTTP cannot show or hasten. */
  async query<Row extends object>(sql: string, values: readonly unknown[] = []): Promise<Row[]> {
    const secrets: { postgresPassword: string } = JSON.parse(
      await readFile(join(this.dataDirectory, 'secrets.json'), 'utf8'),
    );
    const port = Number(await readFile(join(this.dataDirectory, 'postgres/port'), 'utf8'));
    const client = new Client({
      host: '127.0.0.1',
      port,
      user: 'pockity',
      password: secrets.postgresPassword,
      database: 'pockity',
    });
    await client.connect();
    try {
      return (await client.query<Row>(sql, [...values])).rows;
    } finally {
      await client.end();
    }
  }

  /** The pid of the embedded database's server; null when none runs. */
  async postgresPid(): Promise<number | null> {
    const text = await readFile(join(this.dataDirectory, 'postgres/cluster/postmaster.pid'), 'utf8').catch(() => '');
    const pid = Number.parseInt(text, 10);
    return pid > 0 && isAlive(pid) ? pid : null;
  }

  /** Every process whose working folder is this place's database: postmaster, backends, whatever else. Linux only. */
  async databaseProcesses(): Promise<number[]> {
    const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
    const folders = await Promise.all(pids.map((pid) => readlink(`/proc/${pid}/cwd`).catch(() => '')));
    return pids.flatMap((pid, i) => (folders[i]?.startsWith(this.dataDirectory) ? [Number(pid)] : []));
  }

  /** Stops all services, and the database should they have left it running, and removes the folder. */
  async close(): Promise<void> {
    const stopped = await Promise.allSettled(this.#servers.map((server) => server.stop()));
    const slow = this.#servers.filter(({ exited }) => !exited);
    await Promise.all(slow.map((server) => server.kill9()));
    const pid = await this.postgresPid();
    if (pid !== null) {
      process.kill(pid, 'SIGINT');
      await eventually('the embedded database has stopped', () => !isAlive(pid), { withinMs: 20_000 });
    }
    await rm(this.directory, { recursive: true, force: true, maxRetries: 5 });
    const failure = stopped.find((outcome) => outcome.status === 'rejected');
    if (failure) throw failure.reason;
  }
}

/** Folders of runs that were killed. Their services have stopped themselves (see `server-leash.ts`). */
async function removeAbandoned(): Promise<void> {
  const names = (await readdir(tmpdir())).filter((name) => name.startsWith(FOLDER_PREFIX));
  const abandoned = names.filter((name) => !isAlive(Number.parseInt(name.slice(FOLDER_PREFIX.length), 10)));
  await Promise.allSettled(abandoned.map((name) => rm(join(tmpdir(), name), { recursive: true, force: true })));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
