import { type Route, route } from '../../http/route.ts';
import * as schemas from './asset.schemas.ts';
import type { AssetService } from './asset.service.ts';
import { sendThumbnail, THUMBNAIL_STREAM } from './send-thumbnail.router.ts';
import type { ThumbnailService } from './thumbnail.service.ts';

/** `/assets/:id/thumbnails/:size`: for whoever may read the file, which every request proves. */
export function thumbnailRoutes(assets: AssetService, thumbnails: ThumbnailService): Route[] {
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
      stream: THUMBNAIL_STREAM,
      errors: ['FILE_NOT_FOUND', 'THUMBNAIL_NOT_FOUND', 'DEPENDENCY_UNAVAILABLE'],
      handler: ({ principal, params, query, req, res }) => {
        const spaceId = principal.space.id;
        const lookUp = async () => ({ spaceId, file: await assets.getFile(spaceId, params.id) });
        return sendThumbnail({ req, res, knownEtag: query.v }, (wants) => thumbnails.open(lookUp, params.size, wants));
      },
    }),
  ];
}
