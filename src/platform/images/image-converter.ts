import pLimit from 'p-limit';
import { takesTooMuchMemory } from './decoder-memory.ts';
import { BrokenImageError, ImagesBusyError, ImageTooLargeError, ImageTypeError } from './errors.ts';
import { withoutTexts } from './png-texts.ts';
import { openSharp } from './sharp.ts';

/** What is taken in, told by content. */
export const IMAGE_TYPES: readonly string[] = ['image/jpeg', 'image/png', 'image/webp'];

/** Enough for the magic number and for what may stand before a PNG's first pixels. */
const SNIFFED_BYTES = 64 * 1024;
/** Width times height: a few hundred bytes can claim to be gigabytes of pixels. */
const MAX_PIXELS = 50_000_000;
const TIMEOUT_SECONDS = 10;
const WEBP_QUALITY = 82;

export interface ImageConverterOptions {
  /** Images at once; each takes one thread of the pool that file access needs too. */
  readonly concurrency: number;
  /** How many may wait; more are refused with `ImagesBusyError`. */
  readonly maxWaiting: number;
}

/** Decodes strangers' images behind a bounded queue and writes them anew, so that nothing of the original but pixels is left. */
export class ImageConverter {
  readonly #limit: ReturnType<typeof pLimit>;
  readonly #maxWaiting: number;

  constructor(options: ImageConverterOptions) {
    this.#limit = pLimit(options.concurrency);
    this.#maxWaiting = options.maxWaiting;
  }

  /**
   * A JPEG, PNG or WebP (of an animation the first picture) as WebP without any metadata, turned the way its EXIF says
   * and made to fit into a square of `maxEdgePx`; never enlarged. `ImageTypeError`, `BrokenImageError`,
   * `ImageTooLargeError` (told by the header, before anything is decoded), `ImagesBusyError`.
   */
  async toWebp(bytes: Buffer, maxEdgePx: number): Promise<Buffer> {
    if (this.#limit.pendingCount >= this.#maxWaiting) throw new ImagesBusyError('too many images wait');
    return this.#limit(async () => {
      const seen = await sniff(bytes);
      if (seen === null || !IMAGE_TYPES.includes(seen)) throw new ImageTypeError(seen);
      const sharp = await loadSharp();
      try {
        const image = sharp(seen === 'image/png' ? withoutTexts(bytes) : bytes, {
          limitInputPixels: MAX_PIXELS,
          failOn: 'error',
        });
        const header = await image.metadata();
        if (takesTooMuchMemory(header)) throw new ImageTooLargeError(seen);
        return await image
          .autoOrient()
          .resize({ width: maxEdgePx, height: maxEdgePx, fit: 'inside', withoutEnlargement: true })
          .webp({ quality: WEBP_QUALITY })
          .timeout({ seconds: TIMEOUT_SECONDS })
          .toBuffer();
      } catch (error) {
        if (error instanceof ImageTooLargeError) throw error;
        throw new BrokenImageError(seen, { cause: error });
      }
    });
  }
}

async function sniff(bytes: Buffer): Promise<string | null> {
  const { fileTypeFromBuffer } = await import('file-type');
  return (await fileTypeFromBuffer(bytes.subarray(0, SNIFFED_BYTES)))?.mime ?? null;
}

let loading: ReturnType<typeof openSharp> | undefined;

/** A failed load is tried again at the next image. */
function loadSharp(): ReturnType<typeof openSharp> {
  loading ??= openSharp(['Jpeg', 'Png', 'Webp'], 'Buffer').catch((error: unknown) => {
    loading = undefined;
    throw error;
  });
  return loading;
}
