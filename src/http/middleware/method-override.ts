import type { NextFunction, Request, Response } from 'express';

/** For clients whose surroundings know no PATCH nor DELETE: a POST that says what it stands for (tus 1.0). */
export function methodOverride(req: Request, _res: Response, next: NextFunction): void {
  const wanted = req.headers['x-http-method-override'];
  if (req.method === 'POST' && typeof wanted === 'string' && /^(?:PATCH|DELETE|HEAD)$/i.test(wanted)) {
    req.method = wanted.toUpperCase();
  }
  next();
}
