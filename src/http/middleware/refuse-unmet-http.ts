import type { NextFunction, Request, Response } from 'express';
import { AppError } from '../../errors/app-error.ts';

/** Refuses what HTTP/1.1 forbids (no Host, RFC 9112 section 3.2) or we can't meet (Expect, RFC 9110 section 10.1.1). */
export function refuseUnmetHttp(req: Request, _res: Response, next: NextFunction): void {
  const { host, expect } = req.headers;
  if (req.httpVersion !== '1.1') next();
  else if (host === undefined) next(invalid('host', 'is required'));
  else if (expect !== undefined && expect.toLowerCase() !== '100-continue') {
    next(invalid('expect', 'nothing but 100-continue can be met'));
  } else next();
}

function invalid(path: string, message: string): AppError {
  return new AppError('VALIDATION_FAILED', { details: [{ path, message }] });
}
