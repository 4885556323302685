import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { AppError } from '../errors/app-error.ts';
import { failureBody } from './envelope.ts';

/**
 * Answers what Node's parser gave up on (no HTTP, headers too large, a body that ended early) in the API's own form
 * where an answer can still be read, and closes. `current` is the response that is under way on the connection.
 */
export function refuseBrokenRequest(
  error: Error & { readonly code?: string },
  socket: Duplex,
  current: ServerResponse | undefined,
): void {
  const underWay = current && !current.writableEnded ? current : undefined;
  if (!socket.writable || error.code === 'ECONNRESET' || underWay?.headersSent) {
    socket.destroy();
    return;
  }
  const given = underWay?.getHeader('x-request-id');
  const requestId = typeof given === 'string' ? given : randomUUID();
  const fault = new AppError('VALIDATION_FAILED', { details: [faultOf(error.code)] });
  const body = JSON.stringify(failureBody(fault, requestId));
  const head = [
    'HTTP/1.1 400 Bad Request',
    `x-request-id: ${requestId}`,
    'Content-Type: application/json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy());
}

/** By llhttp's and node:http's codes. */
function faultOf(code: string | undefined): { readonly path: string; readonly message: string } {
  switch (code) {
    case 'HPE_INVALID_EOF_STATE':
      return { path: 'body', message: 'ended before its announced length' };
    case 'HPE_HEADER_OVERFLOW':
      return { path: 'headers', message: 'are too large' };
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return { path: 'headers', message: 'did not come in time' };
    default:
      return { path: 'request', message: 'is not well-formed HTTP/1.1' };
  }
}
