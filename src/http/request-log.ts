import type { NextFunction, Request, Response } from 'express';
import type { Logger } from '../platform/logging/logger.ts';
import { requestIdOf } from './request-context.ts';

declare module 'http' {
  interface IncomingMessage {
    /** Names the request in logs, audit entries and answers. */
    id: string;
    /** The declared path of the route that took the request, such as `/api/otp/verify/:otp`. */
    routePath?: string;
  }
  interface ServerResponse {
    /** What a 5xx was caused by, for the log. */
    err?: Error;
    /** The code of a failure, for the log. */
    failureCode?: string;
  }
}

/**
 * Gives each request its id and, when it has ended, one line: who asked what, how it ended, how long it took. Headers,
 * bodies, parameters and queries (which may hold codes and signatures) stay out of it. Straight on pino: pino-http makes a child logger for
 * each request, at a tenth of the cost of a whole read (bench/).
 */
export function requestLog(log: Logger) {
  return (req: Request, res: Response, next: NextFunction): void => {
    const startedAt = performance.now();
    req.id = requestIdOf(req);
    res.setHeader('x-request-id', req.id);
    res.once('close', () => {
      const aborted = !res.writableFinished;
      const line = {
        requestId: req.id,
        method: req.method,
        // Not the path as sent: parameters may be secrets (one-time codes) or none of the log's business (file names).
        path: req.routePath ?? pathOf(req.originalUrl),
        remoteAddress: req.socket.remoteAddress,
        status: aborted && !res.headersSent ? null : res.statusCode,
        ...(res.failureCode === undefined ? {} : { code: res.failureCode }),
        durationMs: Math.round((performance.now() - startedAt) * 10) / 10,
      };
      if (res.err) log.error({ ...line, err: res.err }, 'request failed');
      else if (aborted) log.warn(line, 'request cut off');
      else log.info(line, 'request');
    });
    next();
  };
}

/** Of a request that no route took. What follows `/s/` opens a public link, wherever else the path is wrong. */
function pathOf(url: string): string {
  const query = url.indexOf('?');
  return (query < 0 ? url : url.slice(0, query)).replace(/\/s\/[^/]+/gi, '/s/:token');
}
