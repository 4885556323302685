import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { refuseBrokenRequest } from './broken-request.ts';

/** Silence on a connection after which it is cut: a body that stops coming holds its reservation no longer. */
const SILENCE_MS = 50_000;
const HEADERS_MS = 15_000;
const KEEP_ALIVE_MS = 65_000;
const SWEEP_MS = 100;
/** A connection that has just been made may have its request on the way. */
const FIRST_REQUEST_MS = 1_000;

/** The connections of a server, each with its last response; none before the first request. */
type Connections = Map<Duplex, ServerResponse | undefined>;

const connectionsOf = new WeakMap<Server, Connections>();

/** An HTTP server with limits for slow clients and none for long uploads that keep moving. */
export function createHttpServer(app: RequestListener): Server {
  const server = createServer(
    {
      headersTimeout: HEADERS_MS,
      // An upload may take hours; it is cut when it falls silent, not when it is long.
      requestTimeout: 0,
      connectionsCheckingInterval: 5_000,
      keepAliveTimeout: KEEP_ALIVE_MS,
      // The app refuses a request without Host, and one with an unknown Expect, in the API's own form.
      requireHostHeader: false,
    },
    app,
  );
  server.timeout = SILENCE_MS;
  // A client that asks before it sends is answered by the route, once it is known that the body is wanted.
  server.on('checkContinue', app);
  server.on('checkExpectation', app);
  const connections: Connections = new Map();
  connectionsOf.set(server, connections);
  server.on('connection', (socket) => {
    connections.set(socket, undefined);
    socket.once('close', () => connections.delete(socket));
  });
  const remember: RequestListener = (req, res) => {
    if (connections.has(req.socket)) connections.set(req.socket, res);
  };
  for (const event of ['request', 'checkContinue', 'checkExpectation']) server.prependListener(event, remember);
  server.on('clientError', (error, socket) => refuseBrokenRequest(error, socket, connections.get(socket)));
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

export interface DrainOptions {
  /** How long connections are still taken, so that a balancer learns of the end by asking and not by being refused. */
  readonly graceMs: number;
  /** How long after that requests under way may take; what is left then is cut. */
  readonly timeoutMs: number;
}

/** Takes no new connection after the grace, and waits for requests under way. */
export async function drain(server: Server, { graceMs, timeoutMs }: DrainOptions): Promise<void> {
  if (graceMs > 0) await delay(graceMs);
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  const closedAt = performance.now();
  // `close` waits for idle connections too; those are of no use to anybody now.
  const sweep = setInterval(() => {
    server.closeIdleConnections();
    if (performance.now() - closedAt >= FIRST_REQUEST_MS) cutSilent(connectionsOf.get(server));
  }, SWEEP_MS);
  const deadline = setTimeout(() => server.closeAllConnections(), timeoutMs);
  await closed;
  clearInterval(sweep);
  clearTimeout(deadline);
}

/** `closeIdleConnections` knows only those that have had a request, and leaves those with half a header. */
function cutSilent(connections: Connections = new Map()): void {
  for (const [socket, response] of connections) {
    if (response === undefined || response.writableFinished) socket.destroy();
  }
}
