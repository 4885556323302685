import { create } from 'content-disposition';

/**
 * Types that a browser may show in place, each by name: any `+xml` would be a document that runs scripts, whatever stands
 * before it. No PDF: what shows it is switched off in the sandbox that content is sent in.
 */
const MEDIA =
  /^(?:image\/(?:png|jpeg|gif|webp|avif|bmp)|video\/(?:mp4|webm|ogg|quicktime|mpeg|x-m4v|x-matroska)|audio\/(?:mpeg|mp4|ogg|opus|wav|x-wav|webm|aac|flac|x-flac|x-m4a|m4a|mp3))\s*(?:;|$)/i;
const TEXT = /^text\/plain\s*(?:;|$)/i;
/** Many documents in one, each with a type of its own. */
const COMPOSITE = /^\s*(?:multipart|message)\//i;

/**
 * What a client asked for; `auto` shows what is safe to show, `media` only what is so also without
 * `X-Content-Type-Options: nosniff`, which a store's own URLs cannot have.
 */
export type Disposition = 'attachment' | 'inline' | 'auto' | 'media';

/**
 * Content-Disposition (RFC 6266) with the last segment of the path as the name. Whatever is not known to be harmless
 * (HTML, SVG, XML, ...) is always an attachment, whatever was asked for.
 */
export function contentDisposition(path: string, contentType: string, wanted: Disposition): string {
  const isShown =
    wanted !== 'attachment' && (MEDIA.test(contentType) || (wanted !== 'media' && TEXT.test(contentType)));
  return create(path.slice(path.lastIndexOf('/') + 1), { type: isShown ? 'inline' : 'attachment' });
}

/** The type that a file goes out with: its own, unless its parts would choose their own. */
export function servedType(contentType: string): string {
  return COMPOSITE.test(contentType) ? 'application/octet-stream' : contentType;
}
