import pLimit from 'p-limit';
import type { Metadata } from 'sharp';
import { BrokenImageError, ImagesBusyError, ImageTooLargeError, ImageTypeError } from './errors.ts';
import { withoutTexts } from './png-texts.ts';

/** What is taken in, told by content. */
export const IMAGE_TYPES: readonly string[] = ['image/jpeg', 'image/png', 'image/webp'];

/** Enough for the magic number and for what may stand before a PNG's first pixels. */
const SNIFFED_BYTES = 64 * 1024;
/** Width times height: a few hundred bytes can claim to be gigabytes of pixels. */
const MAX_PIXELS = 50_000_000;
/** What is read line by line is held in strips of lines, several times over: a PNG of 50 lines of a million pixels takes 2.4 GiB. */
const MAX_LINE_BYTES = 64 * 1024;
/**
 * What a decoder may have to hold whole. Measured in RSS: progressive JPEG takes 1.1 times this, WebP 1.0, interlaced PNG
 * 1.6; 16 megapixels of JPEG fit.
 */
const MAX_WHOLE_BYTES = 96 * 1024 * 1024;
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
        if (lineBytes(header) > MAX_LINE_BYTES || wholeBytes(header) > MAX_WHOLE_BYTES)
          throw new ImageTooLargeError(seen);
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

/** What its decoder holds at once of an image that cannot be read line by line; 0 where it can. */
function wholeBytes(header: Metadata): number {
  const { format, width, height, isProgressive } = header;
  // libwebp decodes to RGBA, whatever comes out.
  if (format === 'webp') return width * height * 4;
  if (!isProgressive) return 0;
  // Of a JPEG in several scans the coefficients, of 16 bits each.
  return lineBytes(header) * height * (format === 'jpeg' ? 2 : 1);
}

function lineBytes({ width, channels, depth }: Metadata): number {
  return width * channels * (depth === 'uchar' ? 1 : 2);
}

async function sniff(bytes: Buffer): Promise<string | null> {
  const { fileTypeFromBuffer } = await import('file-type');
  return (await fileTypeFromBuffer(bytes.subarray(0, SNIFFED_BYTES)))?.mime ?? null;
}

let loading: ReturnType<typeof openSharp> | undefined;

/** Only where it is used: libvips takes some 20 MiB. Once: blocking again would fail an image that is under way. */
function loadSharp(): ReturnType<typeof openSharp> {
  loading ??= openSharp().catch((error: unknown) => {
    loading = undefined;
    throw error;
  });
  return loading;
}

/** Of libvips's many decoders, those for three formats are left. */
async function openSharp() {
  const { default: sharp } = await import('sharp');
  sharp.cache(false);
  sharp.concurrency(1);
  sharp.block({ operation: ['VipsForeignLoad'] });
  sharp.unblock({ operation: ['VipsForeignLoadJpegBuffer', 'VipsForeignLoadPngBuffer', 'VipsForeignLoadWebpBuffer'] });
  return sharp;
}
