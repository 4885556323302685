import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Clock } from '../clock/clock.ts';
import { assertObjectKey } from './object-key.ts';
import type { PresignedRequest, PresignGetOptions, PresignPartOptions, PresignPutOptions } from './object-store.ts';
import { signedHeaders } from './signed-headers.ts';

const PATH = '/objects/';
const MAX_EXPIRY_SECONDS = 604_800;
const MIN_SIGNING_KEY_BYTES = 32;

/** What a signed URL permits. */
export type ObjectAccess =
  | {
      readonly method: 'GET';
      readonly key: string;
      /** Content-Type of the answer. */
      readonly contentType: string;
      /** Content-Disposition of the answer. */
      readonly contentDisposition: string | null;
    }
  | {
      readonly method: 'PUT';
      readonly key: string;
      /** The exact length of the body. */
      readonly sizeBytes: number;
      /** The exact Content-Type of the request; null where any will do, as for parts. */
      readonly contentType: string | null;
      /** Hex SHA-256 of the body; null where it may be any. */
      readonly sha256: string | null;
      /** Only where there is no object of this key yet. */
      readonly createOnly: boolean;
      /** The part of an open multipart upload that the body becomes, or null for an object. */
      readonly part: { readonly uploadId: string; readonly partNumber: number } | null;
    };

export type GetAccess = Extract<ObjectAccess, { method: 'GET' }>;
export type PutAccess = Extract<ObjectAccess, { method: 'PUT' }>;

/** A signed URL's access, or why it gives none. */
export type SignedAccess =
  | { readonly ok: true; readonly access: ObjectAccess }
  | { readonly ok: false; readonly reason: 'invalid' | 'expired' };

/**
 * Signs URLs of this server's `/objects/` with HMAC-SHA256 and reads them back. Method, key, expiry, length, content
 * type, part and the answer's headers are all under the signature; nothing in the URL is believed before it holds.
 */
export class UrlSigner {
  readonly #signingKey: Buffer;
  readonly #clock: Clock;

  constructor(signingKey: Buffer, clock: Clock) {
    if (signingKey.byteLength < MIN_SIGNING_KEY_BYTES) throw new TypeError('a signing key has at least 32 bytes');
    this.#signingKey = signingKey;
    this.#clock = clock;
  }

  get(key: string, { contentType, contentDisposition, ...options }: PresignGetOptions): PresignedRequest {
    const access = { method: 'GET', key, contentType, contentDisposition: contentDisposition ?? null } as const;
    return this.presign(access, options);
  }

  put(key: string, { sizeBytes, contentType, ...options }: PresignPutOptions): PresignedRequest {
    const { sha256, createOnly = false } = options;
    const body = { sizeBytes, contentType, sha256: sha256 ?? null };
    return this.presign({ method: 'PUT', key, ...body, createOnly, part: null }, options);
  }

  part(key: string, { sizeBytes, uploadId, partNumber, sha256, ...options }: PresignPartOptions): PresignedRequest {
    const body = { sizeBytes, contentType: null, sha256: sha256 ?? null };
    const part = { uploadId, partNumber };
    return this.presign({ method: 'PUT', key, ...body, createOnly: false, part }, options);
  }

  /** `expiresInSeconds` 1..604,800; `publicOrigin` without a path. */
  presign(
    access: ObjectAccess,
    { expiresInSeconds, publicOrigin }: { readonly expiresInSeconds: number; readonly publicOrigin: string },
  ): PresignedRequest {
    assertObjectKey(access.key);
    if (!(expiresInSeconds >= 1 && expiresInSeconds <= MAX_EXPIRY_SECONDS)) {
      throw new TypeError('a signed URL holds for 1..604,800 seconds');
    }
    const expiresAtSeconds = Math.floor(this.#clock.now().getTime() / 1000) + Math.floor(expiresInSeconds);
    const query = toQuery(access, expiresAtSeconds);
    query.set('signature', this.#sign(access.method, access.key, query).toString('base64url'));
    const path = access.key.split('/').map(encodeURIComponent).join('/');
    return {
      method: access.method,
      url: `${publicOrigin.replace(/\/+$/, '')}${PATH}${path}?${query}`,
      headers: access.method === 'PUT' ? signedHeaders(access) : {},
      expiresAt: new Date(expiresAtSeconds * 1000),
    };
  }

  /** `pathAndQuery` is the request's target as it came, from `/objects/` on. */
  verify(method: 'GET' | 'PUT', pathAndQuery: string): SignedAccess {
    const [path = '', search = ''] = splitOnce(pathAndQuery, '?');
    const key = decodeKey(path);
    if (key === null) return { ok: false, reason: 'invalid' };
    const query = new URLSearchParams(search);
    const signature = Buffer.from(query.get('signature') ?? '', 'base64url');
    query.delete('signature');
    const expected = this.#sign(method, key, query);
    if (signature.byteLength !== expected.byteLength || !timingSafeEqual(signature, expected)) {
      return { ok: false, reason: 'invalid' };
    }
    if (this.#clock.now().getTime() >= Number(query.get('expires')) * 1000) return { ok: false, reason: 'expired' };
    return { ok: true, access: fromQuery(method, key, query) };
  }

  #sign(method: string, key: string, query: URLSearchParams): Buffer {
    // JSON keeps the fields apart whatever is in them; all parameters are signed, in the order in which they stand.
    const signed = JSON.stringify(['pockity-object-url-1', method, key, [...query]]);
    return createHmac('sha256', this.#signingKey).update(signed).digest();
  }
}

function toQuery(access: ObjectAccess, expiresAtSeconds: number): URLSearchParams {
  const query = new URLSearchParams({ expires: String(expiresAtSeconds) });
  if (access.contentType !== null) query.set('type', access.contentType);
  if (access.method === 'GET') {
    if (access.contentDisposition !== null) query.set('disposition', access.contentDisposition);
    return query;
  }
  query.set('size', String(access.sizeBytes));
  if (access.sha256 !== null) query.set('sha256', access.sha256);
  if (access.createOnly) query.set('createOnly', 'true');
  if (access.part) {
    query.set('uploadId', access.part.uploadId);
    query.set('partNumber', String(access.part.partNumber));
  }
  return query;
}

/** Only for a query whose signature holds: it was made by `toQuery`. */
function fromQuery(method: 'GET' | 'PUT', key: string, query: URLSearchParams): ObjectAccess {
  const contentType = query.get('type');
  if (method === 'GET') {
    const contentDisposition = query.get('disposition');
    return { method, key, contentType: contentType ?? 'application/octet-stream', contentDisposition };
  }
  const uploadId = query.get('uploadId');
  const part = uploadId === null ? null : { uploadId, partNumber: Number(query.get('partNumber')) };
  return {
    method,
    key,
    sizeBytes: Number(query.get('size')),
    contentType,
    sha256: query.get('sha256'),
    createOnly: query.has('createOnly'),
    part,
  };
}

function decodeKey(path: string): string | null {
  if (!path.startsWith(PATH)) return null;
  try {
    return decodeURIComponent(path.slice(PATH.length));
  } catch {
    return null;
  }
}

function splitOnce(text: string, separator: string): readonly string[] {
  const index = text.indexOf(separator);
  return index === -1 ? [text] : [text.slice(0, index), text.slice(index + 1)];
}
