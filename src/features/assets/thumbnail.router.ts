import { sendContent } from '../../http/content.ts';
import { type Route, route } from '../../http/route.ts';
import { type ContentAnswer, negotiateContent } from '../../platform/object-store/content-negotiation.ts';
import * as schemas from './asset.schemas.ts';
import type { AssetService } from './asset.service.ts';
import { WEBP } from './thumbnail-links.ts';

/** Of one content, whose thumbnails look the same for ever. */
const KEPT = 'private, max-age=604800, immutable';
const ASKED_AGAIN = 'private, no-cache';

/** `/assets/:id/thumbnails/:size`: for whoever may read the file, which every request proves. */
export function thumbnailRoutes(assets: AssetService): Route[] {
  return [
    route({
      method: 'get',
      path: '/assets/:id/thumbnails/:size',
      operationId: 'getThumbnail',
      tag: 'Assets',
      summary: 'Get a thumbnail',
      description:
        'A WebP picture within 256 (`small`), 512 (`medium`) or 1024 (`large`) pixels: the image turned as it is to be seen, the first frame, the first page, or a frame of the video. There is none until it has been made.',
      access: 'space:read',
      params: schemas.thumbnailParams,
      query: schemas.thumbnailQuery,
      stream: {
        content: { [WEBP]: 'RIFF....WEBP' },
        statuses: { 200: 'The whole picture', 304: 'Not modified' },
      },
      errors: ['FILE_NOT_FOUND', 'THUMBNAIL_NOT_FOUND', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, params, query, req, res }) => {
        let answer: ContentAnswer | undefined;
        let cacheControl = ASKED_AGAIN;
        const opened = await assets.openThumbnail(principal.space.id, params, ({ key, sizeBytes }, file) => {
          // Each thumbnail has a key of its own, which is never used again.
          const etag = key.slice(key.lastIndexOf('/') + 1);
          const validators = { 'if-none-match': req.headers['if-none-match'] };
          answer = negotiateContent(req.method, validators, { sizeBytes, etag, lastModified: file.uploadedAt });
          cacheControl = query.v === file.etag ? KEPT : ASKED_AGAIN;
          return req.method !== 'HEAD' && answer.status === 200;
        });
        if (!answer) throw new Error('no answer was negotiated');
        res.setHeaders(new Map(Object.entries(answer.headers)));
        res.setHeader('Accept-Ranges', 'none');
        res.status(answer.status);
        if (answer.status !== 304) res.setHeader('Content-Type', WEBP);
        await sendContent(res, opened?.body, cacheControl);
        return undefined;
      },
    }),
  ];
}
