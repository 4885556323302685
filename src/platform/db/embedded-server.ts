import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Client, DatabaseError } from 'pg';
import {
  clusterPath,
  EMBEDDED_USER,
  type EmbeddedCluster,
  initialiseCluster,
  startServer,
} from './embedded-cluster.ts';
import { disownPostmasterPid, looksLikePostmaster, type PostmasterPid, readPostmasterPid } from './postmaster-pid.ts';

/** A running server and an open connection to its database `postgres`. */
export interface RunningServer {
  readonly port: number;
  readonly client: Client;
}

const READY_TIMEOUT_MS = 600_000;
const POLL_MS = 20;
/** A server that has a pid but has long not answered is taken for something else that resembles one. */
const SILENT_TIMEOUT_MS = 30_000;

/** SQLSTATEs of a server that will answer in a moment: starting or stopping, shutting down, crashed, no connection free. */
const PASSING_STATES = new Set(['57P03', '57P01', '57P02', '53300']);
const PASSING_ERRORS = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT']);

/**
 * Joins the server of the data directory, or starts it, creating the directory where there is none; waits for one that
 * is still starting, recovering or stopping. Call it under the directory's process lock.
 * `fixedPort` allows no other port for a server that it starts, for a caller whose address is already given out.
 * @throws Error of one line: wrong password, the server's own reason not to start, or not ready within ten minutes
 */
export async function ensureServer(cluster: EmbeddedCluster, fixedPort: number | null = null): Promise<RunningServer> {
  await initialiseCluster(cluster);
  const startedAt = performance.now();
  const waitedMs = () => performance.now() - startedAt;
  let port = fixedPort ?? (await rememberedPort(cluster.directory)) ?? (await freePort());
  while (waitedMs() < READY_TIMEOUT_MS) {
    const live = await findPostmaster(cluster);
    if (live === null) {
      const outcome = await startServer(cluster, port);
      if (outcome === 'started') await rememberPort(cluster, port);
      if (outcome === 'port-taken' && fixedPort === null) port = await freePort();
      if (outcome === 'retry' || (outcome === 'port-taken' && fixedPort !== null)) await delay(POLL_MS);
      continue;
    }
    const client = await joinPostmaster(cluster, live);
    if (client === 'foreign' || (client === 'silent' && waitedMs() > SILENT_TIMEOUT_MS)) {
      await disownPostmasterPid(clusterPath(cluster.directory));
    } else if (client === 'silent' || client === 'passing' || live.port === null) {
      await delay(POLL_MS);
    } else {
      return { port: live.port, client };
    }
  }
  throw new Error(`The embedded PostgreSQL in ${cluster.directory} was not ready within ${READY_TIMEOUT_MS / 1000} s`);
}

/** Joins the server of the data directory if it runs and answers at once; else null. Starts nothing. */
export async function findServer(cluster: EmbeddedCluster): Promise<RunningServer | null> {
  const live = await findPostmaster(cluster);
  if (live === null || live.port === null) return null;
  const client = await joinPostmaster(cluster, live);
  return client instanceof Client ? { port: live.port, client } : null;
}

/** The address under which the application finds one of the server's databases. */
export function serverUrl(port: number, password: string, database: string): string {
  return `postgresql://${EMBEDDED_USER}:${encodeURIComponent(password)}@127.0.0.1:${port}/${encodeURIComponent(database)}`;
}

async function findPostmaster(cluster: EmbeddedCluster): Promise<PostmasterPid | null> {
  const path = clusterPath(cluster.directory);
  const recorded = await readPostmasterPid(path);
  if (recorded === null) return null;
  if (await looksLikePostmaster(recorded)) return recorded;
  await disownPostmasterPid(path);
  return null;
}

/**
 * A connection; or `silent` when nobody listens (yet), `passing` when the server says to come again, `foreign` when it
 * serves another data directory (the folder is a copy, made while its original was in use).
 */
async function joinPostmaster(
  cluster: EmbeddedCluster,
  { port }: PostmasterPid,
): Promise<Client | 'silent' | 'passing' | 'foreign'> {
  if (port === null) return 'silent';
  const client = new Client({
    host: '127.0.0.1',
    port,
    user: EMBEDDED_USER,
    password: cluster.password,
    database: 'postgres',
    ssl: false,
    application_name: 'pockity embedded',
    connectionTimeoutMillis: 10_000,
  });
  // A connection that breaks while nobody waits for it must not end the process.
  client.on('error', () => {});
  try {
    await client.connect();
    const { rows } = await client.query<{ data_directory: string }>('SHOW data_directory');
    if (resolve(rows[0]?.data_directory ?? '') === clusterPath(cluster.directory)) return client;
    await client.end();
    return 'foreign';
  } catch (cause) {
    await client.end().catch(() => {});
    return judgeFailure(cluster, cause);
  }
}

function judgeFailure(cluster: EmbeddedCluster, cause: unknown): 'silent' | 'passing' {
  const code = cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : null;
  if (code !== null && PASSING_STATES.has(code)) return 'passing';
  if (code === '28P01') {
    throw new Error(
      `The embedded PostgreSQL in ${cluster.directory} has another password than the one stored for it: ` +
        'restore the secrets that were made with this data',
      { cause },
    );
  }
  // Of the rest, what PostgreSQL says is final, and what the socket says (an end in mid-greeting has no code) is not.
  if (cause instanceof DatabaseError || (code !== null && !PASSING_ERRORS.has(code))) throw cause;
  return 'silent';
}

/** The port of last time, so that other processes that know it find the server again; null if there is none. */
async function rememberedPort(directory: string): Promise<number | null> {
  const port = Number(await readFile(join(directory, 'port'), 'utf8').catch(() => ''));
  return Number.isInteger(port) && port > 0 && port < 65_536 ? port : null;
}

async function rememberPort(cluster: EmbeddedCluster, port: number): Promise<void> {
  const path = join(cluster.directory, 'port');
  await writeFile(path, `${port}\n`);
  await cluster.account.own(path);
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('The system gave no free port');
  return address.port;
}
