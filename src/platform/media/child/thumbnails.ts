import type { Sharp } from 'sharp';
import { THUMBNAIL_EDGES } from '../thumbnail-sizes.ts';
import { type Thumbnail, thumbnailPath } from './protocol.ts';

const WEBP_QUALITY = 82;
const NAMES = Object.keys(THUMBNAIL_EDGES) as readonly Thumbnail['size'][];

/** Writes all sizes of a picture that is turned already, as WebP of nothing but pixels; it is decoded once. */
export async function writeThumbnails(picture: Sharp, folder: string): Promise<Thumbnail[]> {
  const { default: sharp } = await import('sharp');
  const { data, info } = await picture
    .resize(fitting(THUMBNAIL_EDGES.large))
    .toColourspace('srgb')
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
  const made: Thumbnail[] = [];
  const raw = { width: info.width, height: info.height, channels: info.channels };
  for (const size of NAMES) {
    const { width, height } = await sharp(data, { raw })
      .resize(fitting(THUMBNAIL_EDGES[size]))
      .webp({ quality: WEBP_QUALITY })
      .toFile(thumbnailPath(folder, size));
    made.push({ size, width, height });
  }
  return made;
}

function fitting(edge: number) {
  return { width: edge, height: edge, fit: 'inside', withoutEnlargement: true } as const;
}
