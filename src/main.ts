import { createRequire } from 'node:module';
import { createApp } from './app.ts';
import { banner } from './banner.ts';
import { type Composition, compose } from './composition-root.ts';
import { ConfigError, loadConfig } from './config/env.ts';
import { loadSecrets } from './config/secrets.ts';
import { createHttpServer, drain, listen } from './http/server.ts';
import { type Infrastructure, openInfrastructure } from './infrastructure.ts';
import { systemClock } from './platform/clock/clock.ts';
import { createLoggers, type Loggers } from './platform/logging/logger.ts';

/** Requests under way get this long to finish; what is still running then is cut. */
const DRAIN_MS = 30_000;

const VERSION = (createRequire(import.meta.url)('../package.json') as { version: string }).version;

/** Starts one process: API, worker, or both. */
async function main(): Promise<void> {
  const config = loadConfig();
  const loggers = createLoggers(config.logLevel);
  const { log } = loggers;
  endOnCrash(loggers);
  const secrets = await loadSecrets(config);
  const infrastructure = await openInfrastructure(config, secrets, { log, clock: systemClock });
  const composition = compose({ config, secrets, infrastructure, clock: systemClock, log, version: VERSION });
  const works = config.role !== 'api';
  await composition.queue.start({ workers: works, supervise: works });
  const adminPassword = await composition.firstAdmin.ensureFirstAdmin(config.admin);
  const app = createApp({
    routes: composition.routes,
    access: composition.access,
    version: VERSION,
    log: loggers.requestLog,
    trustProxy: config.http.trustProxy,
    corsOrigins: config.http.corsOrigins,
    publicUrl: config.http.publicUrl,
    objectHandler: infrastructure.objectHandler,
    isDraining: () => composition.readiness.draining,
  });
  const server = createHttpServer(app);
  const { port } = await listen(server, config.http.port, config.http.host);
  log.info({ port, role: config.role, version: VERSION }, 'listening');
  // To standard error: standard output is the log, a JSON object a line.
  if (!config.production || adminPassword)
    process.stderr.write(banner({ config, port, version: VERSION, adminPassword }));
  stopOnSignal(loggers, async () => {
    composition.readiness.drain();
    await drain(server, DRAIN_MS);
    await stop(composition, infrastructure);
  });
}

async function stop(composition: Composition, infrastructure: Infrastructure): Promise<void> {
  await composition.queue.stop({ timeoutMs: 10_000 });
  composition.ledger.stop();
  await infrastructure.close();
}

/** A fault that nobody caught leaves the process in an unknown state: it is logged, in full, and the process ends. */
function endOnCrash({ log, flush }: Loggers): void {
  process.on('uncaughtException', (error) => {
    log.fatal({ err: error }, 'an error that nobody caught');
    flush();
    process.exit(1);
  });
}

/** The first signal drains and stops; a second one ends the process at once. */
function stopOnSignal({ log, flush }: Loggers, stopping: () => Promise<void>): void {
  let asked = false;
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (asked) process.exit(1);
      asked = true;
      log.info({ signal }, 'stopping');
      stopping().then(
        () => {
          log.info('stopped');
          flush();
          process.exit(0);
        },
        (error: unknown) => {
          log.error({ err: error }, 'could not stop in order');
          flush();
          process.exit(1);
        },
      );
    });
  }
}

main().catch((error: unknown) => {
  const lines = error instanceof ConfigError ? error.faults : [error instanceof Error ? error.message : String(error)];
  for (const line of lines) process.stderr.write(`pockity: ${line}\n`);
  process.exit(1);
});
