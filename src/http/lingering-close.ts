import type { Response } from 'express';

/** How long a refused client may go on sending before it is cut off. */
const LINGER_MS = 5_000;

/**
 * Sends a whole response to a client that is still sending its body, and closes. Closing at once would reset the
 * connection and, with it, the answer that the client has not read yet: so the answer goes out first, the rest of the
 * body is read and thrown away for a while, and only then does the response end.
 */
export function answerEarly(
  res: Response,
  status: number,
  { type, text }: { readonly type: string; readonly text: string },
): void {
  const { req } = res;
  res.status(status);
  res.setHeader('Connection', 'close');
  res.setHeader('Content-Type', type);
  res.setHeader('Content-Length', Buffer.byteLength(text));
  res.write(text);
  const timer = setTimeout(end, LINGER_MS);
  req.once('end', end).once('close', end);
  req.resume();
  function end(): void {
    clearTimeout(timer);
    req.off('end', end).off('close', end);
    res.end();
  }
}

/** True while a body was announced and has not come in whole. */
export function bodyIsPending({ req }: Response): boolean {
  const announced = req.headers['transfer-encoding'] !== undefined || Number(req.headers['content-length'] ?? 0) > 0;
  return announced && !req.complete && !req.destroyed;
}
