// First, before anything uses the thread pool that it sizes.
import './config/thread-pool.ts';

import { createRequire } from 'node:module';
import { createApp } from './app.ts';
import { banner } from './banner.ts';
import { compose } from './composition-root.ts';
import { type Config, ConfigError, loadConfig } from './config/env.ts';
import { loadSecrets } from './config/secrets.ts';
import { createHttpServer, drain, listen } from './http/server.ts';
import { openInfrastructure } from './infrastructure.ts';
import { Lifecycle } from './lifecycle.ts';
import { systemClock } from './platform/clock/clock.ts';
import { createLoggers, type Loggers } from './platform/logging/logger.ts';

/** In production a balancer may go on asking /readyz this long before connections are refused. */
const DRAIN_GRACE_MS = 3_000;
/** Requests under way get this long to finish; what is still running then is cut. */
const DRAIN_MS = 30_000;
const JOBS_STOP_MS = 10_000;

const VERSION = (createRequire(import.meta.url)('../package.json') as { version: string }).version;

/** Starts one process: API, worker, or both. */
async function start(config: Config, loggers: Loggers, lifecycle: Lifecycle): Promise<void> {
  const { log, requestLog } = loggers;
  const secrets = await loadSecrets(config);
  const infrastructure = await lifecycle.step(
    () => openInfrastructure(config, secrets, { log, clock: systemClock }),
    ({ close }) => close(),
  );
  const { access, firstAdmin, idempotency, limits, probed, queue, readiness, routes } = await lifecycle.step(
    () => compose({ config, secrets, infrastructure, clock: systemClock, log, version: VERSION }),
    (composition) => composition.stop(),
  );
  const works = config.role !== 'api';
  await lifecycle.step(
    () => queue.start({ workers: works, supervise: works }),
    () => queue.stop({ timeoutMs: JOBS_STOP_MS }),
  );
  // Whoever signs uploads has to know; until it does, it is careful.
  if (config.role !== 'worker') void probed.start();
  const adminPassword = await lifecycle.step(() => firstAdmin.ensureFirstAdmin(config.admin));
  const { trustProxy, corsOrigins, publicUrl, host, port: wantedPort } = config.http;
  const app = createApp({
    // Who only works is asked only whether it lives: whatever else it served, a balancer would take it for an API.
    routes: config.role === 'worker' ? routes.filter(({ tag }) => tag === 'System') : routes,
    access,
    limits,
    idempotency,
    version: VERSION,
    log: requestLog,
    trustProxy,
    corsOrigins,
    publicUrl,
    objectHandler: config.role === 'worker' ? undefined : infrastructure.objectHandler,
    isDraining: () => readiness.draining,
  });
  const server = createHttpServer(app);
  const { port } = await lifecycle.step(
    () => listen(server, wantedPort, host),
    async () => {
      readiness.drain();
      await drain(server, { graceMs: config.production ? DRAIN_GRACE_MS : 0, timeoutMs: DRAIN_MS });
    },
  );
  lifecycle.started();
  if (config.production && publicUrl === undefined) log.warn('PUBLIC_URL is not set: links in mails have no host');
  log.info({ port, role: config.role, version: VERSION }, 'listening');
  // To standard error: standard output is the log, a JSON object a line.
  if (!config.production || adminPassword) {
    process.stderr.write(banner({ config, port, version: VERSION, adminPassword }));
  }
}

function linesOf(error: unknown): readonly string[] {
  if (error instanceof ConfigError) return error.faults;
  return [error instanceof Error ? error.message : String(error)];
}

try {
  const config = loadConfig();
  const loggers = createLoggers(config.logLevel);
  const lifecycle = new Lifecycle(loggers);
  await start(config, loggers, lifecycle).catch((error: unknown) => lifecycle.fail(error, linesOf(error)));
} catch (error) {
  for (const line of linesOf(error)) process.stderr.write(`pockity: ${line}\n`);
  process.exit(1);
}
