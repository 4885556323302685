/** No object of this key. */
export class ObjectNotFoundError extends Error {
  override readonly name = 'ObjectNotFoundError';
  readonly key: string;
  constructor(key: string, options?: ErrorOptions) {
    super('object not found', options);
    this.key = key;
  }
}

/** The store does not answer or refuses to work; worth another try later. */
export class StoreUnavailableError extends Error {
  override readonly name = 'StoreUnavailableError';
}

/** No room left in the store. */
export class StoreFullError extends Error {
  override readonly name = 'StoreFullError';
}

/** The body was shorter or longer than announced. */
export class LengthMismatchError extends Error {
  override readonly name = 'LengthMismatchError';
}

/** The body is not the one whose checksum was signed. */
export class ChecksumMismatchError extends Error {
  override readonly name = 'ChecksumMismatchError';
}

/** There is an object of this key already, and only a new one was permitted. */
export class ObjectExistsError extends Error {
  override readonly name = 'ObjectExistsError';
}

/** A part named in a completion is absent, has another etag, or is too small. */
export class InvalidPartError extends Error {
  override readonly name = 'InvalidPartError';
}

/** No open multipart upload of this id (never created, completed or aborted). */
export class MultipartNotFoundError extends Error {
  override readonly name = 'MultipartNotFoundError';
}

/** The range begins past the end of the object. */
export class InvalidRangeError extends Error {
  override readonly name = 'InvalidRangeError';
}

/** What is durable of an appendable upload does not end where the caller thinks. */
export class OffsetMismatchError extends Error {
  override readonly name = 'OffsetMismatchError';
  /** What is durable; null where another append is under way and nobody can say. */
  readonly durableBytes: number | null;
  constructor(message: string, durableBytes: number | null) {
    super(message);
    this.durableBytes = durableBytes;
  }
}
