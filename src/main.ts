import { loadConfig, ConfigError, type Config } from './config/env.ts';
import { loadSecrets } from './config/secrets.ts';
import { createApp } from './app.ts';
import { compose } from './composition-root.ts';
import { createHttpServer, drain, listen } from './http/server.ts';
import { openInfrastructure } from './infrastructure.ts';
import { systemClock } from './platform/clock/clock.ts';
import { createLogger } from './platform/logging/logger.ts';

const config = loadConfig();
const log = createLogger(config.logLevel);
const secrets = await loadSecrets(config);
const infrastructure = await openInfrastructure(config, secrets, { log, clock: systemClock });
const c = compose({ config, secrets, infrastructure, clock: systemClock, log, version: '0.1.0' });
await c.queue.start({ workers: true, supervise: true });
const app = createApp({ routes: c.routes, access: c.access, version: '0.1.0', log, trustProxy: config.http.trustProxy, corsOrigins: config.http.corsOrigins, publicUrl: config.http.publicUrl, objectHandler: infrastructure.objectHandler, isDraining: () => c.readiness.draining });
const server = createHttpServer(app);
const { port } = await listen(server, config.http.port, config.http.host);
log.info({ port }, 'listening');
