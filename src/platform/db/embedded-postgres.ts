import { mkdir, realpath } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { type Client, escapeIdentifier } from 'pg';
import type { DbLog } from './db-log.ts';
import { chooseEmbeddedAccount } from './embedded-account.ts';
import { findEmbeddedBinaries } from './embedded-binaries.ts';
import { clusterPath, type EmbeddedCluster, stopServer } from './embedded-cluster.ts';
import { EmbeddedHold, isLastHold, takeHold } from './embedded-hold.ts';
import { ensureServer, findServer, serverUrl } from './embedded-server.ts';
import { withProcessLock } from './process-lock.ts';

/** Where the embedded server lives and how it is reached. */
export interface EmbeddedPostgresOptions {
  /** Holds `cluster/` (PGDATA), `server.log`, `port` and `start.lock`; created when absent. Local disk, not NFS or SMB. */
  readonly directory: string;
  /** The superuser's, fixed when the directory is first initialised; one line, not empty. */
  readonly password: string;
  readonly log: DbLog;
  /** Created when absent; default `pockity`. */
  readonly database?: string;
  /** More lines for postgresql.conf, used only when the directory is first initialised. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** A share in the embedded server. */
export interface EmbeddedPostgres {
  /** `postgresql://pockity:...@127.0.0.1:<port>/<database>`; stays true for as long as the share is held. */
  readonly url: string;
  /**
   * Gives the share up and stops the server when no other process has one; close your own connections first. A second
   * call does nothing. A process that ends without it leaves the server running for the next start to join.
   */
  release(): Promise<void>;
}

/**
 * Runs a real PostgreSQL from the binaries in node_modules, on 127.0.0.1 and a free port, or joins the one that another
 * process on the same directory started or left behind. Any number of processes may start and release at once: all of
 * it happens under one lock of the directory, and the last one out stops the server. The server outlives its starter;
 * killed, it is started again, on the same port, by whoever still holds a share.
 * @throws Error of one line that says what to do: no binaries for this platform, a user who cannot run the server, a
 * password that doesn't fit, or the server's own reason not to start
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  if (!/^[^\r\n\0]+$/.test(options.password)) throw new Error('The embedded PostgreSQL needs a password of one line');
  const startedAt = performance.now();
  const { log, password, database = 'pockity' } = options;
  const binaries = await findEmbeddedBinaries();
  const directory = await prepareDirectory(options.directory);
  const lockFile = join(directory, 'start.lock');
  const onWait = () =>
    log.info({ directory }, 'waiting for another process that starts or stops the embedded PostgreSQL');

  const { cluster, port, client } = await withProcessLock(
    lockFile,
    async () => {
      const paths = { postgres: binaries.postgres, directory, cluster: clusterPath(directory) };
      const account = await chooseEmbeddedAccount(paths);
      await account.own(lockFile);
      const cluster = { directory, binaries, account, password, settings: options.settings ?? {}, log };
      const server = await ensureServer(cluster);
      try {
        await takeHold(server.client);
        await createDatabase(server.client, database);
        return { cluster, ...server };
      } catch (error) {
        await server.client.end();
        throw error;
      }
    },
    { onWait },
  );
  log.info({ port, durationMs: Math.round(performance.now() - startedAt) }, 'embedded PostgreSQL ready');

  const hold = new EmbeddedHold({ client, log, reopen: () => withProcessLock(lockFile, () => rejoin(cluster, port)) });
  let released: Promise<void> | null = null;
  return {
    url: serverUrl(port, password, database),
    release: () => {
      released ??= hold.detach().then((own) => withProcessLock(lockFile, () => leave(cluster, own), { onWait }));
      return released;
    },
  };
}

async function prepareDirectory(path: string): Promise<string> {
  const absolute = resolve(path);
  // Only the last folder is closed to others: a user who isn't root must be able to walk to it.
  await mkdir(dirname(absolute), { recursive: true });
  await mkdir(absolute, { recursive: true, mode: 0o700 });
  return realpath(absolute);
}

async function createDatabase(client: Client, name: string): Promise<void> {
  const { rowCount } = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [name]);
  if (rowCount === 0) await client.query(`CREATE DATABASE ${escapeIdentifier(name)}`);
}

async function rejoin(cluster: EmbeddedCluster, port: number): Promise<Client> {
  const server = await ensureServer(cluster, port);
  if (server.port !== port) {
    await server.client.end();
    throw new Error(`The embedded PostgreSQL has moved from port ${port} to ${server.port}: restart this process`);
  }
  await takeHold(server.client);
  return server.client;
}

async function leave(cluster: EmbeddedCluster, own: Client | null): Promise<void> {
  const client = own ?? (await findServer(cluster))?.client ?? null;
  if (client === null) return;
  // A connection that has just broken leaves the server as it is, for others or for the next start.
  const last = await isLastHold(client).catch(() => false);
  await client.end().catch(() => {});
  if (last) await stopServer(cluster);
}
