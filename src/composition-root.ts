import type { Config } from './config/env.ts';
import type { Secrets } from './config/secrets.ts';
import { AccessRepository, AccessService } from './features/access/index.ts';
import { IngestService } from './features/ingest/index.ts';
import {
  expireReservationsJob,
  LedgerRepository,
  LedgerService,
  purgeTombstonesJob,
  registerLedgerJobs,
  TombstoneRepository,
  TombstoneService,
} from './features/ledger/index.ts';
import { deletePrefixJob, FileRepository, registerStorageJobs, StorageService, storageRoutes } from './features/storage/index.ts';
import { ReadinessService, systemRoutes } from './features/system/index.ts';
import type { Route } from './http/route.ts';
import type { Infrastructure } from './infrastructure.ts';
import type { Clock } from './platform/clock/clock.ts';
import { AccessTokens } from './platform/crypto/access-token.ts';
import { PasswordHasher } from './platform/crypto/password-hasher.ts';
import { newId } from './platform/crypto/random.ts';
import type { Logger } from './platform/logging/logger.ts';
import type { JobQueue } from './platform/queue/job-queue.ts';
import { PgBossQueue } from './platform/queue/pg-boss-queue.ts';

export interface CompositionInput {
  readonly config: Config;
  readonly secrets: Secrets;
  readonly infrastructure: Infrastructure;
  readonly clock: Clock;
  readonly log: Logger;
  readonly version: string;
}

/** The services of one process, wired; nothing runs yet. */
export interface Composition {
  readonly routes: readonly Route[];
  readonly access: AccessService;
  readonly queue: JobQueue;
  readonly readiness: ReadinessService;
  readonly ledger: LedgerService;
  readonly tombstones: TombstoneService;
}

/** The only place that knows who needs whom. */
export function compose(input: CompositionInput): Composition {
  const { config, secrets, infrastructure, clock, log, version } = input;
  const { database, store, budget } = infrastructure;
  const queue = new PgBossQueue({
    url: infrastructure.databaseUrl,
    jobs: [expireReservationsJob, purgeTombstonesJob, deletePrefixJob],
    log,
  });
  const tokens = new AccessTokens(secrets.jwtSecret, clock);
  const secretHasher = new PasswordHasher({ cost: 10, concurrency: 2, maxWaiting: 500 });

  const access = new AccessService({ repository: new AccessRepository(database), tokens, secretHasher, log });
  const ledger = new LedgerService({ repository: new LedgerRepository(database), log });
  const tombstones = new TombstoneService({ repository: new TombstoneRepository(database), store, log });
  const ingest = new IngestService({ ledger, store, budget, maxFileBytes: config.limits.maxFileBytes, log });
  const storage = new StorageService({
    files: new FileRepository(database),
    ledger,
    ingest,
    store,
    clock,
    enqueuePrefixDeletion: async (deletion) => {
      const id = newId();
      await queue.enqueue(null, deletePrefixJob, deletion);
      return id;
    },
    nudgePurge: () => undefined,
  });
  const readiness = new ReadinessService({
    pingDatabase: () => database.ping(),
    pingObjectStore: () => store.ping(),
    clock,
  });
  registerLedgerJobs(queue, ledger, tombstones);
  registerStorageJobs(queue, storage);

  return {
    routes: [...systemRoutes({ version, clock, readiness }), ...storageRoutes(storage, clock)],
    access,
    queue,
    readiness,
    ledger,
    tombstones,
  };
}
