import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { databaseFault } from '../db/errors.ts';
import { negotiateContent } from './content-negotiation.ts';
import {
  ChecksumMismatchError,
  LengthMismatchError,
  MultipartNotFoundError,
  ObjectExistsError,
  ObjectNotFoundError,
  StoreFullError,
  StoreUnavailableError,
} from './errors.ts';
import type { ObjectStore } from './object-store.ts';
import { receiveBody } from './receive-signed.ts';
import { signedHeaders } from './signed-headers.ts';
import type { GetAccess, PutAccess, UrlSigner } from './signed-urls.ts';

type Handler = (req: IncomingMessage, res: ServerResponse) => Promise<void>;

/** What the handler tells to others and asks them. */
export interface SignedObjectHandlerOptions {
  /** Gets what a client does not: the causes of answers of 500 and above. */
  readonly onError?: ((error: unknown) => void) | undefined;
  /** Whether anybody waits for an object of this key, asked before a byte is read: a URL outlives what it was signed for. */
  readonly mayStore?: ((key: string) => Promise<boolean>) | undefined;
  /**
   * Gets all that a signed PUT has stored, before the client is answered. False where nobody waits for it any more, and
   * then it sees to its removal. What it throws is a 503 where the database is away, else a 500, and the object stays.
   */
  readonly onStored?: ((stored: StoredByUrl) => Promise<boolean>) | undefined;
}

/** An object, or a part of it, that came by a signed URL. */
export interface StoredByUrl {
  readonly key: string;
  /** Hex, of the whole object as it came; null for a part. */
  readonly sha256: string | null;
}

/** Where the objects are, and who has signed the URLs. */
export interface SignedObjects {
  readonly store: Pick<ObjectStore, 'head' | 'get' | 'put' | 'uploadPart'>;
  readonly urls: Pick<UrlSigner, 'verify'>;
}

const DRAIN_BYTES = 256 * 1024;

/** A refusal as it goes to the client: codes as S3 names them, so that clients of either store read the same. */
const REFUSALS = {
  AccessDenied: { status: 403, message: 'The URL has expired' },
  SignatureDoesNotMatch: { status: 403, message: 'The request is not the one that the URL was signed for' },
  NoSuchKey: { status: 404, message: 'There is no such object' },
  NoSuchUpload: { status: 404, message: 'There is no such upload, or it has ended' },
  MethodNotAllowed: { status: 405, message: 'The URL knows GET, HEAD and PUT' },
  PreconditionFailed: { status: 412, message: 'A precondition of the request does not hold' },
  BadDigest: { status: 400, message: 'The SHA-256 of the body is not the one that the URL was signed for' },
  InvalidRange: { status: 416, message: 'The range lies outside the object' },
  IncompleteBody: { status: 400, message: 'The body is shorter than announced' },
  InternalError: { status: 500, message: 'Something went wrong here' },
  ServiceUnavailable: { status: 503, message: 'The store, or what it depends on, does not answer' },
  InsufficientStorage: { status: 507, message: 'The server has no room left' },
} as const satisfies Record<string, { status: number; message: string }>;

type RefusalCode = keyof typeof REFUSALS;

/**
 * Answers the URLs that a `UrlSigner` signs: GET and HEAD (with ranges and preconditions) and PUT of exactly the
 * signed length, type and SHA-256. Mount it where `/objects/` arrives; it answers every request and never rejects.
 */
export function createSignedObjectHandler(
  { store, urls }: SignedObjects,
  { onError, ...hooks }: SignedObjectHandlerOptions = {},
): Handler {
  return async (req, res) => {
    res.setHeader('x-content-type-options', 'nosniff');
    // Stored content never runs as part of this origin, whatever type it was signed with.
    res.setHeader('content-security-policy', "sandbox; default-src 'none'");
    try {
      const method = req.method === 'HEAD' ? 'GET' : req.method;
      if (method !== 'GET' && method !== 'PUT') {
        res.setHeader('allow', 'GET, HEAD, PUT');
        return await refuse(req, res, 'MethodNotAllowed');
      }
      const signed = urls.verify(method, requestTarget(req));
      if (!signed.ok)
        return await refuse(req, res, signed.reason === 'expired' ? 'AccessDenied' : 'SignatureDoesNotMatch');
      if (signed.access.method === 'GET') await sendObject(store, signed.access, req, res);
      else await receiveObject({ store, ...hooks }, signed.access, req, res);
    } catch (error) {
      const code = refusalOf(error);
      if (REFUSALS[code].status >= 500 && !req.socket.destroyed) onError?.(error);
      // Too late for a status: the cut connection is the only honest answer.
      if (res.headersSent || req.socket.destroyed) res.destroy();
      else await refuse(req, res, code);
    }
  };
}

/** Express takes the mount path off `url` and keeps the whole in `originalUrl`. */
function requestTarget(req: IncomingMessage & { readonly originalUrl?: string }): string {
  return req.originalUrl ?? req.url ?? '';
}

async function sendObject(
  store: SignedObjects['store'],
  access: GetAccess,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const head = await store.head(access.key);
  if (!head) return refuse(req, res, 'NoSuchKey');
  const answer = negotiateContent(req.method ?? 'GET', req.headers, head);
  for (const [name, value] of Object.entries(answer.headers)) res.setHeader(name, value);
  res.setHeader('cache-control', 'private');
  if (answer.status === 412) return refuse(req, res, 'PreconditionFailed');
  if (answer.status === 416) return refuse(req, res, 'InvalidRange');
  res.statusCode = answer.status;
  if (answer.status === 304) return void res.end();
  res.setHeader('content-type', access.contentType);
  if (access.contentDisposition !== null) res.setHeader('content-disposition', access.contentDisposition);
  if (req.method === 'HEAD') return void res.end();
  const opened = await store.get(access.key, { range: answer.status === 206 ? answer.range : undefined });
  if (opened.head.etag !== head.etag) {
    // Replaced since its head was read: what was negotiated is not what was opened.
    opened.body.destroy();
    return sendObject(store, access, req, res);
  }
  await pipeline(opened.body, res);
}

async function receiveObject(
  { store, mayStore, onStored }: Pick<SignedObjects, 'store'> & Omit<SignedObjectHandlerOptions, 'onError'>,
  access: PutAccess,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  // No other length gets past this line, so the body cannot be longer: Node's parser ends it at Content-Length.
  const isAsSigned = Object.entries(signedHeaders(access)).every(([name, value]) => req.headers[name] === value);
  if (!isAsSigned) return refuse(req, res, 'SignatureDoesNotMatch');
  const { key, part } = access;
  if ((await mayStore?.(key)) === false) return refuse(req, res, 'NoSuchUpload');
  const { etag, sha256 } = await receiveBody(store, access, req);
  // It may have ended while the body came.
  if ((await onStored?.({ key, sha256: part ? null : sha256 })) === false) return refuse(req, res, 'NoSuchUpload');
  res.setHeader('etag', `"${etag}"`);
  res.statusCode = 200;
  res.end();
}

function refusalOf(error: unknown): RefusalCode {
  if (error instanceof ObjectNotFoundError) return 'NoSuchKey';
  if (error instanceof MultipartNotFoundError) return 'NoSuchUpload';
  if (error instanceof LengthMismatchError) return 'IncompleteBody';
  if (error instanceof ChecksumMismatchError) return 'BadDigest';
  if (error instanceof ObjectExistsError) return 'PreconditionFailed';
  if (error instanceof StoreFullError) return 'InsufficientStorage';
  if (error instanceof StoreUnavailableError) return 'ServiceUnavailable';
  // What the hooks ask.
  if (databaseFault(error) === 'unavailable') return 'ServiceUnavailable';
  return 'InternalError';
}

async function refuse(req: IncomingMessage, res: ServerResponse, code: RefusalCode): Promise<void> {
  const { status, message } = REFUSALS[code];
  const known = res.getHeader('x-request-id');
  const requestId = typeof known === 'string' ? known : randomUUID();
  const body = JSON.stringify({
    success: false,
    message,
    error: { code, details: null, httpStatusCode: status, requestId },
  });
  // A small body is read off so that the connection can go on; a large one, or one without a length, is cut.
  const announcedBytes = Number(req.headers['content-length'] ?? (req.headers['transfer-encoding'] ? Infinity : 0));
  if (announcedBytes > DRAIN_BYTES) res.setHeader('connection', 'close');
  else req.resume();
  if (status === 503) res.setHeader('retry-after', '1');
  res.statusCode = status;
  res.setHeader('x-request-id', requestId);
  res.setHeader('content-type', 'application/json; charset=utf-8');
  res.setHeader('content-length', Buffer.byteLength(body));
  res.end(req.method === 'HEAD' ? undefined : body);
}
