/** The content is no image of a type that is taken. */
export class ImageTypeError extends Error {
  override readonly name = 'ImageTypeError';
  /** The media type that the first bytes speak of; null where they speak of none. */
  readonly seen: string | null;
  constructor(seen: string | null) {
    super('not an image of an accepted type');
    this.seen = seen;
  }
}

/** The content begins like an image and cannot be read as one: broken, cut off, too large in pixels, or too slow. */
export class BrokenImageError extends Error {
  override readonly name = 'BrokenImageError';
  /** The media type that the first bytes speak of. */
  readonly seen: string;
  constructor(seen: string, options?: ErrorOptions) {
    super('the image cannot be read', options);
    this.seen = seen;
  }
}

/** The image is whole for all we know, and decoding it would take more memory than one may. */
export class ImageTooLargeError extends Error {
  override readonly name = 'ImageTooLargeError';
  /** The media type that the first bytes speak of. */
  readonly seen: string;
  constructor(seen: string, options?: ErrorOptions) {
    super('the image takes too much memory', options);
    this.seen = seen;
  }
}

/** More images are waiting than can be converted in useful time. */
export class ImagesBusyError extends Error {
  override readonly name = 'ImagesBusyError';
}
