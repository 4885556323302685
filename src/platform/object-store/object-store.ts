import type { Readable } from 'node:stream';

/** One stored object as the store describes it. */
export interface ObjectHead {
  readonly key: string;
  readonly sizeBytes: number;
  /** The store's own validator, without quotes; opaque. */
  readonly etag: string;
  readonly contentType: string;
  readonly lastModified: Date;
}

/** One line of a listing. */
export type ObjectListEntry = Pick<ObjectHead, 'key' | 'sizeBytes' | 'lastModified'>;

/** First and last byte, both inclusive, as in RFC 9110 section 14. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

export interface PutOptions {
  readonly contentType: string;
  /** The exact length where it is known; the put fails with `LengthMismatchError` when the body differs. */
  readonly sizeBytes?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface GetOptions {
  readonly range?: ByteRange | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface OpenedObject {
  readonly head: ObjectHead;
  /** The bytes (of the range); the reader must consume or destroy it. */
  readonly body: Readable;
}

/** What became of one key of a batch delete. An absent key counts as deleted. */
export type DeleteOutcome =
  | { readonly key: string; readonly deleted: true }
  | { readonly key: string; readonly deleted: false; readonly reason: string };

export interface MultipartPart {
  /** 1..10,000 */
  readonly partNumber: number;
  readonly etag: string;
  readonly sizeBytes: number;
}

/** A URL that carries its own permission, and the request that it permits. */
export interface PresignedRequest {
  readonly method: 'GET' | 'PUT';
  readonly url: string;
  /** Headers that the client must send exactly so: they are part of the signature. */
  readonly headers: Readonly<Record<string, string>>;
  readonly expiresAt: Date;
}

export interface PresignGetOptions {
  /** 1..604,800 */
  readonly expiresInSeconds: number;
  /** Value of Content-Disposition in the answer. */
  readonly contentDisposition?: string | undefined;
  readonly contentType?: string | undefined;
  /** Origin (scheme and host) that clients reach this server by; used by stores whose URLs point at this server. */
  readonly publicOrigin: string;
}

export interface PresignPutOptions {
  /** 1..604,800 */
  readonly expiresInSeconds: number;
  /** Signed: a body of another length is refused. */
  readonly sizeBytes: number;
  /** Signed: another content type is refused. */
  readonly contentType: string;
  readonly publicOrigin: string;
}

/**
 * Where bytes live. Two implementations (disk, S3) pass one contract test.
 *
 * Keys are 1..1024 bytes, segments divided by `/`, composed by the server and never taken from a client.
 * A put is atomic: readers see the whole object or none. A put that fails or is aborted leaves nothing that
 * `list` shows or that costs space once `discard` has run for its key.
 * Methods throw `ObjectNotFoundError`, `StoreUnavailableError`, `StoreFullError`, `LengthMismatchError` from
 * `./errors.ts`, or the reason of the given signal.
 */
export interface ObjectStore {
  readonly kind: 'disk' | 's3';
  /** Streams a body of known or unknown length into `key`; memory stays bounded whatever the length. */
  put(key: string, body: Readable | Uint8Array, options: PutOptions): Promise<ObjectHead>;
  get(key: string, options?: GetOptions): Promise<OpenedObject>;
  head(key: string): Promise<ObjectHead | null>;
  /** Up to 1000 keys in one call to the store; answers one outcome for each key, in the same order. */
  deleteMany(keys: readonly string[]): Promise<readonly DeleteOutcome[]>;
  /** All objects whose key begins with `prefix`, in no promised order, a bounded page at a time. */
  list(prefix: string): AsyncIterable<ObjectListEntry>;
  /** Server-side copy; overwrites `toKey` whole. */
  copy(fromKey: string, toKey: string): Promise<ObjectHead>;
  createMultipart(key: string, options: { readonly contentType: string }): Promise<{ readonly uploadId: string }>;
  /** Parts but the last hold 5 MiB..5 GiB; a part number sent again replaces the part. */
  uploadPart(
    key: string,
    uploadId: string,
    part: { readonly partNumber: number; readonly body: Readable | Uint8Array; readonly sizeBytes: number },
  ): Promise<MultipartPart>;
  listParts(key: string, uploadId: string): Promise<readonly MultipartPart[]>;
  /** Joins the named parts in the order given; a part that is absent or has another etag is `InvalidPartError`. */
  completeMultipart(
    key: string,
    uploadId: string,
    parts: readonly Pick<MultipartPart, 'partNumber' | 'etag'>[],
  ): Promise<ObjectHead>;
  /** Idempotent: an unknown upload is fine. */
  abortMultipart(key: string, uploadId: string): Promise<void>;
  /** Removes whatever an interrupted put or multipart of `key` may have left (temporary files, open multiparts) and the object itself. */
  discard(key: string): Promise<void>;
  presignGet(key: string, options: PresignGetOptions): Promise<PresignedRequest>;
  presignPut(key: string, options: PresignPutOptions): Promise<PresignedRequest>;
  /** Cheap proof that the store answers; throws `StoreUnavailableError`. */
  ping(): Promise<void>;
  close(): Promise<void>;
}
