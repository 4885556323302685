import { ok, type Route, route } from '../../http/route.ts';
import { scopeOf } from '../ledger/index.ts';
import { freshUsage, type SpaceService } from '../storage/index.ts';
import { presentUpload } from './upload.presenter.ts';
import * as schemas from './upload.schemas.ts';
import type { UploadService } from './upload.service.ts';

const TAG = 'Uploads';

/** `/uploads`: those of all kinds. Comes after the routes below it, which `:uploadId` would match. */
export function uploadRoutes(uploads: UploadService, spaces: SpaceService): Route[] {
  return [
    route({
      method: 'get',
      path: '/uploads',
      operationId: 'listUploads',
      tag: TAG,
      summary: 'List uploads',
      description:
        'Those by signed PUT, by parts and by tus, newest first. What has ended is remembered for a day behind its end.',
      access: 'space:list',
      query: schemas.listUploadsQuery,
      success: {
        200: {
          description: 'A page of uploads',
          data: schemas.uploadsData,
          meta: schemas.pageMeta,
          example: { uploads: [schemas.EXAMPLE_UPLOAD] },
        },
      },
      errors: ['DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, query }) => {
        const { limit, cursor, state } = query;
        const { entries, nextCursor } = await uploads.list(principal.space.id, { limit, cursor, state });
        return ok('Uploads', { uploads: entries.map(presentUpload) }, { nextCursor, limit });
      },
    }),
    route({
      method: 'get',
      path: '/uploads/:uploadId',
      operationId: 'getUpload',
      tag: TAG,
      summary: 'Get an upload',
      description: 'How far it is.',
      access: 'space:write',
      params: schemas.uploadParams,
      success: {
        200: {
          description: 'The upload',
          data: schemas.uploadData,
          example: { upload: { ...schemas.EXAMPLE_UPLOAD, bytesReceived: 33_554_432 } },
        },
      },
      errors: ['UPLOAD_NOT_FOUND', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, params }) => {
        const { session, receivedBytes } = await uploads.get(principal.space.id, params.uploadId);
        return ok('Upload', { upload: { ...presentUpload(session), bytesReceived: receivedBytes } });
      },
    }),
    route({
      method: 'delete',
      path: '/uploads/:uploadId',
      operationId: 'abortUpload',
      tag: TAG,
      summary: 'Abort an upload',
      description:
        'Gives its room back and removes what has come. Safe to repeat. Its signed URLs take nothing any more where they are this server’s; what is still sent by a URL of the store itself is not served and not counted, and removed within two days of the URL’s end.',
      access: 'space:write',
      params: schemas.uploadParams,
      success: {
        200: {
          description: 'The upload as it is now',
          data: schemas.abortedData,
          example: { upload: { ...schemas.EXAMPLE_UPLOAD, state: 'ENDED' } },
        },
      },
      errors: ['UPLOAD_NOT_FOUND', 'CONFLICT', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, params, context, res }) => {
        const session = await uploads.abort(scopeOf(principal, context), params.uploadId);
        await freshUsage(spaces, { principal, res });
        return ok('Upload aborted', { upload: presentUpload(session) });
      },
    }),
  ];
}
