import { create } from 'content-disposition';

/** Types that a browser may show in place: none of them runs scripts. */
const INLINE =
  /^(image\/(png|jpeg|gif|webp|avif|bmp)|video\/[\w.+-]+|audio\/[\w.+-]+|application\/pdf|text\/plain)\s*(;|$)/i;

/** What a client asked for; `auto` shows what is safe to show. */
export type Disposition = 'attachment' | 'inline' | 'auto';

/**
 * Content-Disposition (RFC 6266) with the last segment of the path as the name. What could run scripts in our origin
 * (HTML, SVG, ...) is always an attachment, whatever was asked for.
 */
export function contentDisposition(path: string, contentType: string, wanted: Disposition): string {
  const type = wanted !== 'attachment' && INLINE.test(contentType) ? 'inline' : 'attachment';
  return create(path.slice(path.lastIndexOf('/') + 1), { type });
}
