import type { Request, Response } from 'express';
import { sendContent } from '../../http/content.ts';
import type { StreamSpec } from '../../http/route.ts';
import { type ContentAnswer, negotiateContent } from '../../platform/object-store/content-negotiation.ts';
import type { OpenedObject } from '../../platform/object-store/object-store.ts';
import type { StoredFile } from '../storage/index.ts';
import type { StoredThumbnail } from './asset.ts';
import { WEBP } from './thumbnail-links.ts';

/** Of one content, whose thumbnails look the same for ever. */
const KEPT = 'private, max-age=604800, immutable';
const ASKED_AGAIN = 'private, no-cache';

/** What `sendThumbnail` may answer, for the declaration of a route. */
export const THUMBNAIL_STREAM = {
  content: { [WEBP]: 'RIFF....WEBP' },
  statuses: { 200: 'The whole picture', 304: 'Not modified' },
} as const satisfies StreamSpec;

/** Opens a thumbnail where `wants` says so, as `ThumbnailService.open` does. */
type Open = (wants: (thumbnail: StoredThumbnail, file: StoredFile) => boolean) => Promise<OpenedObject | null>;

interface Exchange {
  readonly req: Request;
  readonly res: Response;
  /** The file's ETag as the client knows it: while it is that, the picture need not be asked for again. */
  readonly knownEtag: string | undefined;
}

/** Answers a GET or HEAD for a thumbnail. Errors: those of `open`. */
export async function sendThumbnail({ req, res, knownEtag }: Exchange, open: Open): Promise<undefined> {
  let answer: ContentAnswer | undefined;
  let cacheControl = ASKED_AGAIN;
  const opened = await open(({ key, sizeBytes }, file) => {
    // Each thumbnail has a key of its own, which is never used again.
    const etag = key.slice(key.lastIndexOf('/') + 1);
    const validators = { 'if-none-match': req.headers['if-none-match'] };
    answer = negotiateContent(req.method, validators, { sizeBytes, etag, lastModified: file.uploadedAt });
    cacheControl = knownEtag === file.etag ? KEPT : ASKED_AGAIN;
    return req.method !== 'HEAD' && answer.status === 200;
  });
  if (!answer) throw new Error('no answer was negotiated');
  res.setHeaders(new Map(Object.entries(answer.headers)));
  res.setHeader('Accept-Ranges', 'none');
  res.status(answer.status);
  if (answer.status !== 304) res.setHeader('Content-Type', WEBP);
  await sendContent(res, opened?.body, cacheControl);
}
