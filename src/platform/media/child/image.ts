import type { Metadata } from 'sharp';
import { takesTooMuchMemory } from '../../images/decoder-memory.ts';
import { openSharp } from '../../images/sharp.ts';
import { MediaRefusedError } from '../errors.ts';
import { loadExifReader } from './exif.ts';
import { pngWithoutTexts } from './png-file.ts';
import { type ChildTask, contentPath, type Thumbnail } from './protocol.ts';
import { writeThumbnails } from './thumbnails.ts';

/** What libvips may read; told by content, so that an SVG stays one whatever it says it is. */
const FORMATS = ['Jpeg', 'Png', 'Webp', 'Nsgif', 'Tiff', 'Heif'] as const;
/** Also of what is no larger in pixels: a TIFF may be mapped into memory whole. */
const MAX_IMAGE_BYTES = 128 * 1024 * 1024;
/** Of grey, colour, CMYK, each with opacity; scientific TIFFs have thousands. */
const MAX_CHANNELS = 5;
const HEIF_FORMATS: Readonly<Record<string, string>> = { av1: 'avif', hevc: 'heic' };

/** Reads an image's header, refuses what takes too much to decode, and makes thumbnails of its first picture. */
export async function loadImageDecoder() {
  const sharp = await openSharp(FORMATS, 'File');
  const readExif = await loadExifReader();
  return async ({ folder, sizeBytes, maxPixels }: ChildTask) => {
    if (sizeBytes > MAX_IMAGE_BYTES) throw new MediaRefusedError('too_large', 'the image is larger than 128 MiB');
    const path = await pngWithoutTexts(contentPath(folder), `${folder}/stripped`);
    const image = sharp(path, { limitInputPixels: maxPixels, failOn: 'error', sequentialRead: true });
    const header = await image.metadata();
    if (takesTooMuchMemory(header) || header.channels > MAX_CHANNELS)
      throw new MediaRefusedError('too_many_pixels', 'the image has too many pixels for its kind');
    const thumbnails = await writeThumbnails(image.autoOrient(), folder).catch(noneIfUnsupported);
    return { metadata: { ...(await readExif(header, path)), ...describe(header) }, thumbnails };
  };
}

/** HEIC is named and dated even though the codec in it (HEVC) is not part of sharp's libvips. */
function noneIfUnsupported(error: unknown): Thumbnail[] {
  if (error instanceof Error && error.message.includes('has not been built in')) return [];
  throw error;
}

function describe(header: Metadata) {
  const { width, height } = header.autoOrient;
  const animated = header.format === 'gif' || header.format === 'webp';
  return {
    format: header.format === 'heif' ? (HEIF_FORMATS[header.compression ?? ''] ?? 'heif') : header.format,
    width,
    height,
    orientation: header.orientation,
    ...(animated ? { frames: header.pages } : {}),
    ...(header.format === 'tiff' ? { pages: header.pages } : {}),
  };
}
