import type { Readable } from 'node:stream';

/** One stored object as the store describes it. */
export interface ObjectHead {
  readonly key: string;
  readonly sizeBytes: number;
  /** The store's own validator, without quotes; opaque. */
  readonly etag: string;
  readonly lastModified: Date;
  /** Hex SHA-256 of the whole object where the store keeps one; only `head` asks for it. */
  readonly sha256?: string | null | undefined;
}

/** What a write has left in the store. */
export type StoredObject = Pick<ObjectHead, 'key' | 'sizeBytes' | 'etag'>;

/** One line of a listing. */
export type ObjectListEntry = Pick<ObjectHead, 'key' | 'sizeBytes' | 'lastModified'>;

/** First and last byte, both inclusive, as in RFC 9110 section 14. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** Looks at a body on its way in. */
export interface BodyWatch {
  /** Sees each chunk before it is passed on. */
  readonly onChunk?: ((chunk: Uint8Array) => void) | undefined;
  /** Asked once the body is whole and before anything is stored; what it throws undoes the write. Not asked by S3 of none. */
  readonly check?: (() => void) | undefined;
}

export interface PutOptions extends BodyWatch {
  /** Given to S3 as metadata; reads take the type from the database, so `head` and `get` do not return it. */
  readonly contentType: string;
  /** The exact length where it is known; the put fails with `LengthMismatchError` when the body differs. */
  readonly sizeBytes?: number | undefined;
  /**
   * `ObjectExistsError` where there is an object of this key; on S3 only for bodies of known length up to 5 GiB, and only
   * where `probe` says `conditionalPut`.
   */
  readonly createOnly?: boolean | undefined;
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
  /** Value of Content-Type in the answer; signed. */
  readonly contentType: string;
  /** Value of Content-Disposition in the answer; signed. */
  readonly contentDisposition?: string | undefined;
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
  /** Hex; signed: another body is refused by a store whose `probe` says `signedChecksum`. */
  readonly sha256?: string | undefined;
  /** Signed: where there is an object of this key the answer is 412, by a store whose `probe` says `conditionalPut`. */
  readonly createOnly?: boolean | undefined;
  readonly publicOrigin: string;
}

export interface PresignPartOptions {
  readonly uploadId: string;
  /** 1..10,000 */
  readonly partNumber: number;
  /** Signed: a part of another length is refused. */
  readonly sizeBytes: number;
  /** Hex; signed: see `PresignPutOptions`. */
  readonly sha256?: string | undefined;
  /** 1..604,800 */
  readonly expiresInSeconds: number;
  readonly publicOrigin: string;
}

/** What the store was seen to do with presigned PUTs. */
export interface StoreCapabilities {
  /** `createOnly` holds: a second PUT is refused and the first content stays. */
  readonly conditionalPut: boolean;
  /** `sha256` holds: a body that differs from it is refused. */
  readonly signedChecksum: boolean;
  /**
   * Headers that were not signed are refused. Where they are not, whoever has the URL of a PUT copies any object of the
   * bucket to its key (`x-amz-copy-source`), whatever else is signed.
   */
  readonly refusesUnsigned: boolean;
}

/** One part on its way in. */
export interface PartUpload extends BodyWatch {
  /** 1..10,000 */
  readonly partNumber: number;
  readonly body: Readable | Uint8Array;
  /** The exact length; `LengthMismatchError` when the body differs. */
  readonly sizeBytes: number;
  readonly signal?: AbortSignal | undefined;
}

/** What comes in by one request of an appendable upload. */
export interface AppendedBody {
  /** Must be what is durable so far. */
  readonly offset: number;
  readonly body: Readable;
  /** The size that the object will have, where it is known: spares the last bytes, and small requests, a detour on S3. */
  readonly totalBytes?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What an append has made durable. */
export interface Appended {
  /** All that is durable now. */
  readonly offset: number;
  /** Why the body ended before its end: its own error, or the reason of the signal. */
  readonly broken: Error | null;
}

/**
 * Where bytes live. Two implementations (disk, S3) pass one contract test.
 *
 * Keys are 1..1024 bytes, segments of 1..255 bytes divided by `/`, composed by the server and never taken from a
 * client; a key that could leave its place (`..`, an empty segment, NUL) is a `TypeError`. No key may be a folder of
 * another (`a` beside `a/b`).
 * A put is atomic: readers see the whole object or none. A put that fails or is aborted leaves nothing that
 * `list` shows or that costs space once `discardTemporary` has run for its key; where the store answers, it leaves nothing at
 * once. A put never destroys the body given to it: after a failure the rest is the caller's to drain or destroy.
 * Methods throw `ObjectNotFoundError`, `StoreUnavailableError`, `StoreFullError`, `LengthMismatchError`,
 * `MultipartNotFoundError` from `./errors.ts`, or the reason of the given signal.
 */
export interface ObjectStore {
  readonly kind: 'disk' | 's3';
  /** Streams a body of known or unknown length into `key`; memory stays bounded whatever the length. */
  put(key: string, body: Readable | Uint8Array, options: PutOptions): Promise<StoredObject>;
  /** Opens an object, or a range of it, which is cut at the end of the object; `InvalidRangeError` when it begins past it. */
  get(key: string, options?: GetOptions): Promise<OpenedObject>;
  head(key: string): Promise<ObjectHead | null>;
  /** Up to 1000 keys in one call to the store; answers one outcome for each key, in the same order. */
  deleteMany(keys: readonly string[]): Promise<readonly DeleteOutcome[]>;
  /** All objects whose key begins with `prefix`, in no promised order, a bounded page at a time. */
  list(prefix: string): AsyncIterable<ObjectListEntry>;
  /** Server-side copy; overwrites `toKey` whole. */
  copy(fromKey: string, toKey: string): Promise<StoredObject>;
  createMultipart(key: string, options: { readonly contentType: string }): Promise<{ readonly uploadId: string }>;
  /** Parts but the last hold 5 MiB..5 GiB; a part number sent again replaces the part. */
  uploadPart(key: string, uploadId: string, part: PartUpload): Promise<MultipartPart>;
  /** The parts received so far, by ascending number. */
  listParts(key: string, uploadId: string): Promise<readonly MultipartPart[]>;
  /**
   * Joins the named parts, given by ascending number; one that is absent, has another etag or is too small is
   * `InvalidPartError`. Name every part received: of those not named, AWS drops and Ceph refuses.
   * A second completion gives the same object or `MultipartNotFoundError`; `head` then tells which it was.
   */
  completeMultipart(
    key: string,
    uploadId: string,
    parts: readonly Pick<MultipartPart, 'partNumber' | 'etag'>[],
  ): Promise<StoredObject>;
  /** Idempotent: an unknown upload is fine. */
  abortMultipart(key: string, uploadId: string): Promise<void>;
  /**
   * Begins an object that grows by requests; nothing is served under `key` before `completeAppend`. Whatever becomes of
   * it, `discardTemporary` removes it while it grows. The caller sees to it that the calls of one upload come one after the other; two appends
   * at once are `OffsetMismatchError` or, on S3, may end the upload: they never make an object of mixed bytes.
   */
  createAppend(key: string, options: { readonly contentType: string }): Promise<{ readonly uploadId: string }>;
  /** Bytes that are durable so far, also after a kill in the middle. `MultipartNotFoundError` */
  appendedBytes(key: string, uploadId: string): Promise<number>;
  /**
   * Takes `body` in behind what is durable, which must be `offset` (`OffsetMismatchError`), and answers once it is
   * durable. A body that breaks off, or an abort, is an answer and no error: what had come by then is kept. When the
   * store fails, it throws, and `appendedBytes` tells how far it came. Memory is bounded whatever the length.
   */
  append(key: string, uploadId: string, part: AppendedBody): Promise<Appended>;
  /**
   * Makes the object of all bytes, which must be `sizeBytes` (`OffsetMismatchError`). A second completion is
   * `MultipartNotFoundError`; `head` then tells whether it was done. Copies nothing on disk (see `append`), less than a part on S3.
   */
  completeAppend(key: string, uploadId: string, sizeBytes: number): Promise<StoredObject>;
  /** Gives an upload up; idempotent: an unknown one is fine. */
  abortAppend(key: string, uploadId: string): Promise<void>;
  /**
   * Removes whatever interrupted puts, multiparts and appends of up to 1000 keys may have left (temporary files, open
   * multiparts, checkpoints of appends), and ends those that are under way; the objects stay. Before `deleteMany`, so that
   * nothing brings an object back. Answers one outcome for each key, in the same order.
   */
  discardTemporary(keys: readonly string[]): Promise<readonly DeleteOutcome[]>;
  presignGet(key: string, options: PresignGetOptions): Promise<PresignedRequest>;
  presignPut(key: string, options: PresignPutOptions): Promise<PresignedRequest>;
  /** A PUT of one part of an open multipart upload; the answer's ETag header names the part in the completion. */
  presignPart(key: string, options: PresignPartOptions): Promise<PresignedRequest>;
  /**
   * Tries presigned PUTs on small objects below `probes/`, which it removes; for the start of a process, and to be
   * remembered. What the store refuses altogether counts as not held. `StoreUnavailableError`
   */
  probe(): Promise<StoreCapabilities>;
  /** Cheap proof that the store answers; throws `StoreUnavailableError`. */
  ping(): Promise<void>;
  close(): Promise<void>;
}
