import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Request, type Response, Router } from 'express';
import { answerEarly, bodyIsPending } from './lingering-close.ts';

const STYLES = readFileSync(fileURLToPath(new URL('pages.css', import.meta.url)));
const STYLES_PATH = '/styles/pages.css';

/** Where pages have their looks from; another one with every change, so that it may be kept. */
export const STYLES_URL = `${STYLES_PATH}?v=${createHash('sha256').update(STYLES).digest('hex').slice(0, 12)}`;

/** No script at all, nothing from elsewhere, forms only to here. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "style-src 'self'",
  "form-action 'self'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
].join('; ');

const PAGE_TYPE = 'text/html; charset=utf-8';

/** The styles of pages; their answers are no part of the API. */
export function stylesRouter(): Router {
  return Router().get(STYLES_PATH, (_req, res) => {
    res.setHeader('Content-Type', 'text/css; charset=utf-8');
    res.setHeader('Cache-Control', 'public, max-age=31536000, immutable');
    res.end(STYLES);
  });
}

/** Whether somebody with a browser asks; whoever takes anything is a program. */
export function prefersHtml(req: Request): boolean {
  return req.accepts(['application/json', 'text/html']) === 'text/html';
}

/** Sends a page that is nobody else's to keep, find or frame, and that tells nobody where its links come from. */
export function sendPage(res: Response, status: number, text: string): void {
  keepPrivate(res);
  res.setHeader('Content-Security-Policy', CONTENT_SECURITY_POLICY);
  res.setHeader('Cache-Control', 'no-store');
  if (bodyIsPending(res)) {
    answerEarly(res, status, { type: PAGE_TYPE, text });
    return;
  }
  res.status(status);
  res.setHeader('Content-Type', PAGE_TYPE);
  res.setHeader('Content-Length', Buffer.byteLength(text));
  res.end(text);
}

/** For answers at addresses that are secrets: not to be found, nor told on. */
export function keepPrivate(res: Response): void {
  res.setHeader('Referrer-Policy', 'no-referrer');
  res.setHeader('X-Robots-Tag', 'noindex');
  res.vary('Accept');
}
