import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Request } from 'express';
import { AppError } from '../errors/app-error.ts';
import type { Credentials } from '../features/access/index.ts';
import type { IdempotencyAttempt } from '../features/idempotency/index.ts';
import { ipAddressOf } from '../platform/rate-limit/address-key.ts';

/** Where a request comes from: what audit entries and links need. */
export interface RequestContext {
  readonly requestId: string;
  /** By `TRUST_PROXY`; null when the socket is gone already or a proxy's header holds no address. */
  readonly ip: string | null;
  readonly userAgent: string | null;
  /**
   * Scheme and host that the client reached us by, without a trailing slash. Reading it throws VALIDATION_FAILED where
   * the request's Host is none.
   */
  readonly publicOrigin: string;
  /** Where the request came with an `Idempotency-Key`: marks what is recorded as its effect. */
  readonly idempotency?: IdempotencyAttempt | undefined;
}

const CLIENT_REQUEST_ID = /^[A-Za-z0-9._-]{1,64}$/;
const MAX_USER_AGENT = 512;
/** RFC 3986 section 3.2.2, an IPv6 address only roughly, and a port. */
const HOST = /^(?:\[[0-9a-f:.]+\]|(?:[\w.~!$&'()*+,;=-]|%[0-9a-f]{2})+)(?::\d{1,5})?$/i;

/** The client's own id where it is well-formed, else a new one. */
export function requestIdOf(req: IncomingMessage): string {
  const given = req.headers['x-request-id'];
  return typeof given === 'string' && CLIENT_REQUEST_ID.test(given) ? given : randomUUID();
}

/** `publicUrl` wins over what the request says. Worked out only where it is asked for: most requests never do. */
export function contextOf(
  req: Request,
  publicUrl: string | undefined,
  idempotency?: IdempotencyAttempt,
): RequestContext {
  return {
    requestId: req.id,
    idempotency,
    get ip() {
      return ipAddressOf(req.ip);
    },
    get userAgent() {
      return req.headers['user-agent']?.slice(0, MAX_USER_AGENT) ?? null;
    },
    get publicOrigin() {
      return publicUrl ?? originOf(req);
    },
  };
}

function originOf(req: Request): string {
  const scheme = req.protocol === 'https' ? 'https' : 'http';
  const host = req.headers.host ?? 'localhost';
  const origin = `${scheme}://${host}`;
  // The pattern keeps out what a URL would take for user, path or query; the parser knows ports and addresses.
  if (HOST.test(host) && URL.canParse(origin)) return origin;
  throw new AppError('VALIDATION_FAILED', { details: [{ path: 'host', message: 'is not a well-formed host[:port]' }] });
}

/** What the request shows of itself; nothing is proven here. */
export function credentialsOf(req: Request): Credentials {
  const { authorization } = req.headers;
  const bearer = authorization === undefined ? undefined : /^Bearer +([^\s]+)$/i.exec(authorization)?.[1];
  return {
    accessKeyId: single(req.headers['x-access-key-id']),
    secretKey: single(req.headers['x-secret-key']),
    // A header that is no bearer token is a failed attempt, not an absent one.
    bearer: authorization === undefined ? undefined : (bearer ?? ''),
    get ip() {
      return ipAddressOf(req.ip);
    },
  };
}

function single(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}
