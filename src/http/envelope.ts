import type { Response } from 'express';
import type { AppError } from '../errors/app-error.ts';
import { sendPage } from './html-page.ts';
import { answerEarly, bodyIsPending } from './lingering-close.ts';

declare module 'http' {
  interface ServerResponse {
    /** Of a route that people look at: a failure as HTML. */
    failurePage?: ((failure: AppError) => string) | null;
  }
}

/** Sends API.md's success envelope. */
export function sendSuccess(
  res: Response,
  status: number,
  message: string,
  data: unknown,
  meta: Readonly<Record<string, unknown>> | null,
): void {
  sendJson(res, status, { success: true, message, data, meta });
}

/** As `res.json`, without its look at content types, validators and settings on the way. */
function sendJson(res: Response, status: number, body: object): void {
  const text = JSON.stringify(body);
  res.statusCode = status;
  res.setHeader('Content-Type', 'application/json; charset=utf-8');
  res.setHeader('Content-Length', Buffer.byteLength(text));
  // Tokens, secrets and what belongs to somebody: nothing between here and the client may keep an answer.
  res.setHeader('Cache-Control', 'no-store');
  res.end(text);
}

/** Sends API.md's failure envelope; the HTTP status is that of the code. */
export function sendFailure(res: Response, error: AppError): void {
  const { httpStatusCode } = error;
  if (error.retryAfterSeconds !== undefined) res.setHeader('Retry-After', String(error.retryAfterSeconds));
  if (httpStatusCode === 401) res.setHeader('WWW-Authenticate', 'Bearer realm="pockity"');
  if (res.failurePage) {
    sendPage(res, httpStatusCode, res.failurePage(error));
    return;
  }
  // No body will tell.
  if (res.req.method === 'HEAD') res.setHeader('x-error-code', error.code);
  const body = failureBody(error, res.req.id);
  if (bodyIsPending(res))
    answerEarly(res, httpStatusCode, { type: 'application/json; charset=utf-8', text: JSON.stringify(body) });
  else sendJson(res, httpStatusCode, body);
}

/** API.md's failure envelope. */
export function failureBody({ code, details, httpStatusCode, message }: AppError, requestId: string): object {
  return { success: false, message, error: { code, details, httpStatusCode, requestId } };
}
