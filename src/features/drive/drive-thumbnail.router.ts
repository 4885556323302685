import { type Route, route } from '../../http/route.ts';
import {
  sendThumbnail,
  THUMBNAIL_STREAM,
  type ThumbnailService,
  thumbnailParams,
  thumbnailQuery,
} from '../assets/index.ts';
import type { DriveFileService } from './drive-file.service.ts';
import { driveUser } from './drive-user.ts';

/** `/files/:id/thumbnails/:size`: as of `/assets`, also of what others share. */
export function driveThumbnailRoutes(files: DriveFileService, thumbnails: ThumbnailService): Route[] {
  return [
    route({
      method: 'get',
      path: '/files/:id/thumbnails/:size',
      operationId: 'getDriveThumbnail',
      tag: 'Drive',
      summary: 'Get a thumbnail of a file',
      description: 'As `/assets/{id}/thumbnails/{size}` gives it; also of files that others share.',
      access: 'verified',
      params: thumbnailParams,
      query: thumbnailQuery,
      stream: THUMBNAIL_STREAM,
      errors: ['FILE_NOT_FOUND', 'THUMBNAIL_NOT_FOUND', 'DEPENDENCY_UNAVAILABLE'],
      handler: ({ principal, params, query, context, req, res }) => {
        const lookUp = async () => {
          const { scope, file } = await files.get(driveUser(principal, context), params.id);
          return { spaceId: scope.space.id, file };
        };
        return sendThumbnail({ req, res, knownEtag: query.v }, (wants) => thumbnails.open(lookUp, params.size, wants));
      },
    }),
  ];
}
