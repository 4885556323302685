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
import { createDiskObjectHandler } from './platform/object-store/disk-object-handler.ts';
import { createDiskObjectStore } from './platform/object-store/disk-object-store.ts';
import type { ObjectStore } from './platform/object-store/object-store.ts';
import { prepareSpool } from './platform/object-store/spool.ts';

const MIGRATIONS = fileURLToPath(new URL('../prisma/migrations', import.meta.url));
/** What all uploads of the process together may hold in memory. */
const BUFFER_BYTES = 64 * 1024 * 1024;

/** What the services stand on: connected, migrated, ready. */
export interface Infrastructure {
  readonly database: Database;
  readonly databaseUrl: string;
  readonly store: ObjectStore;
  /** Serves the disk store's signed URLs; absent where the store has an address of its own. */
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
    const { store, objectHandler } = await openStore(config, secrets, { log, clock, budget, sessions });
    closers.push(() => store.close());
    // A store that is away may come back: the process starts, says so, and is not ready until then.
    await store.ping().catch((error: unknown) => log.error({ err: error }, 'the object store does not answer'));
    return { database, databaseUrl, store, objectHandler, budget, close };
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
  secrets: Secrets,
  {
    log,
    clock,
    budget,
    sessions,
  }: {
    readonly log: Logger;
    readonly clock: Clock;
    readonly budget: ByteBudget;
    readonly sessions: UploadSessionRepository;
  },
): Promise<Pick<Infrastructure, 'store' | 'objectHandler'>> {
  if (config.objectStore.kind === 's3') {
    // Only where it is used: the AWS SDK takes some 30 MiB.
    const { createS3ObjectStore } = await import('./platform/object-store/s3-object-store.ts');
    const { kind: _kind, ...options } = config.objectStore;
    return {
      store: createS3ObjectStore({ ...options, clock, bufferBudget: budget, spoolDirectory: config.spoolDirectory }),
      objectHandler: undefined,
    };
  }
  const store = await createDiskObjectStore({
    directory: config.objectStore.directory,
    signingKey: deriveKey(secrets.encryptionKey, 'object-url'),
    clock,
  });
  const objectHandler = createDiskObjectHandler(store, {
    onError: (error) => log.error({ err: error }, 'a signed URL failed'),
    // Seen on the way in, it need not be read again when the upload is completed.
    onStored: ({ key, sha256 }) => sessions.noteReceived(key, sha256),
  });
  return { store, objectHandler };
}

/** Node gathers the failures of several addresses in an error without a message of its own. */
function messageOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(messageOf).join('; ');
  return error instanceof Error ? error.message : String(error);
}
