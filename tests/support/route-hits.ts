import { appendFileSync, mkdirSync, rmSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import type { Express } from 'express';

/** Where test processes note which routes they have called and what came of it; read by scripts/check-route-tests.ts. */
const FOLDER = join(import.meta.dirname, '../../coverage/route-hits');

const noted = new Set<string>();

/** Vitest's globalSetup: what an earlier run has noted is no proof. */
export function setup(): void {
  rmSync(FOLDER, { recursive: true, force: true });
  mkdirSync(FOLDER, { recursive: true });
}

/** The same application, which notes each route that it serves with the status and the code of the error. */
export function recordingHits(app: Express): Express {
  const inner = app as unknown as { handle(req: IncomingMessage, res: ServerResponse, next?: unknown): void };
  const handle = inner.handle;
  inner.handle = function recorded(req, res, next) {
    res.once('finish', () => note(`${req.method} ${req.routePath} ${res.statusCode} ${res.failureCode ?? '-'}`));
    handle.call(this, req, res, next);
  };
  return app;
}

function note(hit: string): void {
  if (noted.has(hit)) return;
  noted.add(hit);
  appendFileSync(join(FOLDER, `${process.pid}.txt`), `${hit}\n`);
}
