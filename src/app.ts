import type { IncomingMessage, ServerResponse } from 'node:http';
import cors from 'cors';
import express, { type Express } from 'express';
import helmet from 'helmet';
import { AppError } from './errors/app-error.ts';
import type { AccessService } from './features/access/index.ts';
import type { IdempotencyService } from './features/idempotency/index.ts';
import { docsRouter } from './http/docs-page.ts';
import { errorHandler } from './http/error-handler.ts';
import { stylesRouter } from './http/html-page.ts';
import { methodOverride } from './http/middleware/method-override.ts';
import { refuseUnmetHttp } from './http/middleware/refuse-unmet-http.ts';
import { buildOpenApi } from './http/openapi.ts';
import type { RateLimiters } from './http/rate-limits.ts';
import { requestLog } from './http/request-log.ts';
import type { Route } from './http/route.ts';
import { buildRouter } from './http/router.ts';
import type { Logger } from './platform/logging/logger.ts';

export interface AppOptions {
  readonly routes: readonly Route[];
  readonly access: AccessService;
  readonly limits: RateLimiters;
  readonly idempotency: IdempotencyService;
  readonly version: string;
  readonly log: Logger;
  readonly trustProxy: boolean | number | string[];
  readonly corsOrigins: readonly string[];
  readonly publicUrl: string | undefined;
  /** Where the store's own signed URLs point, if they point at this server. */
  readonly objectHandler: ((req: IncomingMessage, res: ServerResponse) => Promise<void>) | undefined;
  readonly isDraining: () => boolean;
}

const EXPOSED_HEADERS = [
  'x-request-id',
  'x-quota-bytes-remaining',
  'x-quota-objects-remaining',
  'etag',
  'content-range',
  'retry-after',
  'idempotency-replayed',
  'ratelimit-limit',
  'ratelimit-remaining',
  'ratelimit-reset',
  'x-error-code',
  'x-file-id',
  'x-file-name',
  'location',
  'tus-resumable',
  'tus-version',
  'tus-extension',
  'tus-max-size',
  'tus-checksum-algorithm',
  'upload-offset',
  'upload-length',
  'upload-metadata',
  'upload-expires',
];

/** The Express application, complete and not listening. */
export function createApp(options: AppOptions): Express {
  const { routes, access, limits, publicUrl, idempotency } = options;
  const app = express();
  app.disable('x-powered-by');
  // JSON answers are not worth a hash each; content has validators of its own.
  app.disable('etag');
  app.set('trust proxy', options.trustProxy);

  app.use(requestLog(options.log));
  app.use(
    helmet({
      contentSecurityPolicy: { useDefaults: false, directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] } },
      // Answers are data: what only steers documents, or browsers long gone, is not worth sending with each of them.
      crossOriginOpenerPolicy: false,
      originAgentCluster: false,
      xDnsPrefetchControl: false,
      xDownloadOptions: false,
      xPermittedCrossDomainPolicies: false,
      xXssProtection: false,
      // Content and links are meant for other origins, as far as CORS lets them.
      crossOriginResourcePolicy: { policy: 'cross-origin' },
      // Whether there is TLS is known to whoever terminates it.
      strictTransportSecurity: publicUrl?.startsWith('https:') ?? false,
    }),
  );
  if (options.corsOrigins.length > 0) {
    const settings = { origin: [...options.corsOrigins], exposedHeaders: EXPOSED_HEADERS, maxAge: 600 };
    const preflight = cors(settings);
    // An OPTIONS request that asks for no permission asks the route itself.
    const other = cors({ ...settings, preflightContinue: true });
    app.use((req, res, next) =>
      (req.headers['access-control-request-method'] === undefined ? other : preflight)(req, res, next),
    );
  }
  app.use((_req, res, next) => {
    if (options.isDraining()) res.setHeader('Connection', 'close');
    next();
  });

  app.use(refuseUnmetHttp);

  const { objectHandler } = options;
  if (objectHandler) app.use('/objects', (req, res, next) => objectHandler(restored(req), res).catch(next));
  const api = buildRouter(
    routes.filter(({ root }) => !root),
    { access, limits, publicUrl, idempotency },
  );
  app.use(['/api/v1/uploads/tus', '/api/uploads/tus'], methodOverride);
  app.use('/api/v1', api);
  app.use('/api', api);
  app.use(docsRouter(buildOpenApi(routes, options.version)));
  app.use(stylesRouter());
  app.use(
    buildRouter(
      routes.filter(({ root }) => root),
      { access, limits, publicUrl, idempotency },
    ),
  );
  app.use((req, _res, next) =>
    next(new AppError('ROUTE_NOT_FOUND', { details: { method: req.method, path: req.path } })),
  );
  app.use(errorHandler);
  return app;
}

/** Express cuts the mount path off; a signed URL is checked as the client sent it. */
function restored(req: express.Request): IncomingMessage {
  req.url = req.originalUrl;
  return req;
}
