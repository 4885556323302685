import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Express } from 'express';
import { createApp } from '../../src/app.ts';
import { type Composition, compose } from '../../src/composition-root.ts';
import { loadConfig } from '../../src/config/env.ts';
import { loadSecrets } from '../../src/config/secrets.ts';
import { type Infrastructure, openInfrastructure } from '../../src/infrastructure.ts';
import { type Clock, systemClock } from '../../src/platform/clock/clock.ts';
import { silentLogger } from '../../src/platform/logging/logger.ts';
import { createTestDatabase, type TestDatabase } from './postgres.ts';

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
  const infrastructure = await openInfrastructure(config, secrets, { log, clock });
  const composition = compose({
    config,
    secrets,
    infrastructure,
    clock,
    log,
    version: '0.0.0-test',
    bcryptCost: CHEAP,
  });
  await composition.queue.start({ workers, supervise: workers });
  const app = createApp({
    routes: composition.routes,
    access: composition.access,
    limits: composition.limits,
    version: '0.0.0-test',
    log,
    trustProxy: config.http.trustProxy,
    corsOrigins: config.http.corsOrigins,
    publicUrl: config.http.publicUrl,
    objectHandler: infrastructure.objectHandler,
    isDraining: () => composition.readiness.draining,
  });
  return {
    app,
    composition,
    infrastructure,
    dataDirectory,
    close: async () => {
      await composition.queue.stop({ timeoutMs: 2000 });
      composition.ledger.stop();
      await infrastructure.close();
      if (!options.database) await database.drop();
      await rm(dataDirectory, { recursive: true, force: true });
    },
  };
}
