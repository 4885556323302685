import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Config } from './config/env.ts';
import type { Secrets } from './config/secrets.ts';
import { UploadSessionRepository } from './features/uploads/index.ts';
import type { Clock } from './platform/clock/clock.ts';
import { deriveKey } from './platform/crypto/seal.ts';
import { Database } from './platform/db/database.ts';
import { startEmbeddedPostgres } from './platform/db/embedded-postgres.ts';
import { databaseFault } from './platform/db/errors.ts';
import { migrate } from './platform/db/migrate.ts';
import type { Logger } from './platform/logging/logger.ts';
import { ByteBudget } from './platform/object-store/byte-budget.ts';
import { createDiskObjectStore } from './platform/object-store/disk-object-store.ts';
import type { ObjectStore } from './platform/object-store/object-store.ts';
import { createSignedObjectHandler } from './platform/object-store/signed-object-handler.ts';
import { UrlSigner } from './platform/object-store/signed-urls.ts';
import { prepareSpool } from './platform/object-store/spool.ts';

const MIGRATIONS = fileURLToPath(new URL('../prisma/migrations', import.meta.url));
/** What all uploads of the process together may hold in memory. */
const BUFFER_BYTES = 64 * 1024 * 1024;

/** What the services stand on: connected, migrated, ready. */
export interface Infrastructure {
  readonly database: Database;
  readonly databaseUrl: string;
  readonly store: ObjectStore;
  /** Signs URLs of this server: all of the disk store, PUTs into an S3 store that clients may not reach. */
  readonly urls: UrlSigner;
  /** Serves them. */
  readonly objectHandler: ((req: IncomingMessage, res: ServerResponse) => Promise<void>) | undefined;
  readonly budget: ByteBudget;
  close(): Promise<void>;
}

/** Starts or joins what the configuration names. On failure nothing is left open. */
export async function openInfrastructure(
  config: Config,
  secrets: Secrets,
  { log, clock }: { readonly log: Logger; readonly clock: Clock },
): Promise<Infrastructure> {
  const closers: (() => Promise<void>)[] = [];
  const close = async () => {
    for (const closer of closers.splice(0).reverse()) await closer();
  };
  try {
    const databaseUrl = config.databaseUrl ?? (await embedded(config, secrets, log, closers));
    await migrate({ url: databaseUrl, migrationsDirectory: MIGRATIONS, log }).catch((error: unknown) => {
      if (!config.databaseUrl || databaseFault(error) !== 'unavailable') throw error;
      throw new Error(`DATABASE_URL: the database does not answer: ${messageOf(error)}`, { cause: error });
    });
    const database = new Database({ url: databaseUrl, maxConnections: config.databasePoolSize, log });
    closers.push(() => database.close());
    const budget = new ByteBudget(BUFFER_BYTES);
    await prepareSpool(config.spoolDirectory);
    const sessions = new UploadSessionRepository(database);
    const urls = new UrlSigner(deriveKey(secrets.encryptionKey, 'object-url'), clock);
    const store = await openStore(config, { clock, budget, urls });
    closers.push(() => store.close());
    // A store that is away may come back: the process starts, says so, and is not ready until then.
    await store.ping().catch((error: unknown) => log.error({ err: error }, 'the object store does not answer'));
    const objectHandler = createSignedObjectHandler(
      { store, urls },
      {
        onError: (error) => log.error({ err: error }, 'a signed URL failed'),
        mayStore: (key) => sessions.awaits(key),
        // Seen on the way in, it need not be read again when the upload is completed.
        onStored: ({ key, sha256 }) => sessions.noteReceived(key, sha256),
      },
    );
    return { database, databaseUrl, store, urls, objectHandler, budget, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function embedded(
  config: Config,
  secrets: Secrets,
  log: Logger,
  closers: (() => Promise<void>)[],
): Promise<string> {
  const postgres = await startEmbeddedPostgres({
    directory: join(config.dataDirectory, 'postgres'),
    password: secrets.postgresPassword,
    log,
  });
  closers.push(() => postgres.release());
  return postgres.url;
}

async function openStore(
  config: Config,
  { clock, budget, urls }: { readonly clock: Clock; readonly budget: ByteBudget; readonly urls: UrlSigner },
): Promise<ObjectStore> {
  if (config.objectStore.kind === 'disk') {
    return createDiskObjectStore({ directory: config.objectStore.directory, urls });
  }
  // Only where it is used: the AWS SDK takes some 30 MiB.
  const { createS3ObjectStore } = await import('./platform/object-store/s3-object-store.ts');
  const { kind: _kind, ...options } = config.objectStore;
  return createS3ObjectStore({ ...options, clock, bufferBudget: budget, spoolDirectory: config.spoolDirectory });
}

/** Node gathers the failures of several addresses in an error without a message of its own. */
function messageOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(messageOf).join('; ');
  return error instanceof Error ? error.message : String(error);
}
