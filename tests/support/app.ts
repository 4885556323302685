import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Express } from 'express';
import { createApp } from '../../src/app.ts';
import type { CompositionInput } from '../../src/composition/basis.ts';
import { type Composition, compose } from '../../src/composition-root.ts';
import { type Config, loadConfig } from '../../src/config/env.ts';
import { loadSecrets } from '../../src/config/secrets.ts';
import { type Infrastructure, openInfrastructure } from '../../src/infrastructure.ts';
import { type Clock, systemClock } from '../../src/platform/clock/clock.ts';
import { Database } from '../../src/platform/db/database.ts';
import { silentLogger } from '../../src/platform/logging/logger.ts';
import { ByteBudget } from '../../src/platform/object-store/byte-budget.ts';
import type { ObjectStore } from '../../src/platform/object-store/object-store.ts';
import { UrlSigner } from '../../src/platform/object-store/signed-urls.ts';
import { createTestDatabase, type TestDatabase } from './postgres.ts';
import { recordingHits } from './route-hits.ts';

/** The whole service in this process, on a database of its own and the disk store; not listening. */
export interface TestApp {
  readonly app: Express;
  readonly composition: Composition;
  readonly infrastructure: Infrastructure;
  readonly dataDirectory: string;
  close(): Promise<void>;
}

/** As little bcrypt as it knows: what is tested is not its slowness. */
const CHEAP = { password: 4, secret: 4 };

/** Tests are quicker than people; those of the limits set their own. */
const NO_LIMITS = { RATE_LIMIT_AUTH: 'off', RATE_LIMIT_UPLOAD: 'off', RATE_LIMIT_API: 'off' };

export interface TestAppOptions {
  /** Overrides variables. */
  readonly environment?: Record<string, string>;
  readonly clock?: Clock;
  /** Smaller limits of photo forms. */
  readonly photoForms?: CompositionInput['photoForms'];
  /** Smaller limits of what is done with folders at once. */
  readonly folderLimits?: CompositionInput['folderLimits'];
  /** A store that fails where a test wants it to. */
  readonly wrapStore?: (store: ObjectStore) => ObjectStore;
  /** Whether jobs run. */
  readonly workers?: boolean;
  /** Of the caller, who drops it; else the app has one of its own. */
  readonly database?: TestDatabase;
}

/** Composes the service as `main.ts` does. */
export async function startTestApp(options: TestAppOptions = {}): Promise<TestApp> {
  const { clock = systemClock, workers = false } = options;
  const database = options.database ?? (await createTestDatabase());
  const dataDirectory = await mkdtemp(join(tmpdir(), 'pockity-test-app-'));
  const config = loadConfig({
    NODE_ENV: 'test',
    DATA_DIR: dataDirectory,
    DATABASE_URL: database.url,
    ...NO_LIMITS,
    ...options.environment,
  });
  const secrets = await loadSecrets(config);
  const log = silentLogger();
  const opened = await openInfrastructure(config, secrets, { log, clock });
  const infrastructure = { ...opened, store: options.wrapStore?.(opened.store) ?? opened.store };
  const composition = compose({
    config,
    secrets,
    infrastructure,
    clock,
    log,
    version: '0.0.0-test',
    bcryptCost: CHEAP,
    ...(options.photoForms && { photoForms: options.photoForms }),
    ...(options.folderLimits && { folderLimits: options.folderLimits }),
  });
  await composition.queue.start({ workers, supervise: workers });
  await composition.probed.start();
  const app = appOf(composition, config, infrastructure);
  return {
    app,
    composition,
    infrastructure,
    dataDirectory,
    close: async () => {
      await composition.queue.stop({ timeoutMs: 2000 });
      await composition.stop();
      await infrastructure.close();
      if (!options.database) await database.drop();
      await rm(dataDirectory, { recursive: true, force: true });
    },
  };
}

/** The service without its database: nothing listens where it should be. */
export async function startAppWithoutDatabase(environment: Readonly<Record<string, string>>): Promise<Express> {
  const config = loadConfig({ NODE_ENV: 'test', ...NO_LIMITS, ...environment });
  const secrets = await loadSecrets(config);
  const log = silentLogger();
  const databaseUrl = 'postgresql://nobody@127.0.0.1:1/nothing';
  const infrastructure: Infrastructure = {
    database: new Database({ url: databaseUrl, maxConnections: 2, log }),
    databaseUrl,
    store: { ping: async () => undefined } as ObjectStore,
    urls: new UrlSigner(Buffer.alloc(32), systemClock),
    objectHandler: undefined,
    budget: new ByteBudget(0),
    close: async () => undefined,
  };
  const composition = compose({
    config,
    secrets,
    infrastructure,
    clock: systemClock,
    log,
    version: '0.0.0-test',
    bcryptCost: CHEAP,
  });
  return appOf(composition, config, infrastructure);
}

function appOf(composition: Composition, config: Config, infrastructure: Infrastructure): Express {
  return recordingHits(
    createApp({
      routes: composition.routes,
      access: composition.access,
      limits: composition.limits,
      idempotency: composition.idempotency,
      version: '0.0.0-test',
      log: silentLogger(),
      trustProxy: config.http.trustProxy,
      corsOrigins: config.http.corsOrigins,
      publicUrl: config.http.publicUrl,
      objectHandler: infrastructure.objectHandler,
      isDraining: () => composition.readiness.draining,
    }),
  );
}
