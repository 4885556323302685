import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { refuseBrokenRequest } from './broken-request.ts';

/** Silence on a connection after which it is cut: a body that stops coming holds its reservation no longer. */
const SILENCE_MS = 50_000;
const HEADERS_MS = 15_000;
const KEEP_ALIVE_MS = 65_000;

/** An HTTP server with limits for slow clients and none for long uploads that keep moving. */
export function createHttpServer(app: RequestListener): Server {
  const server = createServer(
    {
      headersTimeout: HEADERS_MS,
      // An upload may take hours; it is cut when it falls silent, not when it is long.
      requestTimeout: 0,
      connectionsCheckingInterval: 5_000,
      keepAliveTimeout: KEEP_ALIVE_MS,
    },
    app,
  );
  server.timeout = SILENCE_MS;
  // A client that asks before it sends is answered by the route, once it is known that the body is wanted.
  server.on('checkContinue', app);
  const responses = new WeakMap<Duplex, ServerResponse>();
  const remember: RequestListener = (req, res) => void responses.set(req.socket, res);
  server.prependListener('request', remember).prependListener('checkContinue', remember);
  server.on('clientError', (error, socket) => refuseBrokenRequest(error, socket, responses.get(socket)));
  return server;
}

/** Answers the address once it listens. */
export function listen(server: Server, port: number, host: string): Promise<{ readonly port: number }> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      const address = server.address();
      resolve({ port: typeof address === 'object' && address ? address.port : port });
    });
  });
}

/** Takes no new connection and waits for requests under way, `timeoutMs` at most; then cuts what is left. */
export async function drain(server: Server, timeoutMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  // `close` waits for idle keep-alive connections too; those are of no use to anybody now.
  const sweep = setInterval(() => server.closeIdleConnections(), 100);
  const deadline = setTimeout(() => server.closeAllConnections(), timeoutMs);
  await closed;
  clearInterval(sweep);
  clearTimeout(deadline);
}
