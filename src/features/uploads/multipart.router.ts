import { created, ok, type Route, route } from '../../http/route.ts';
import { setQuotaHeaders } from '../../http/router.ts';
import { scopeOf } from '../ledger/index.ts';
import { freshUsage, type SpaceService } from '../storage/index.ts';
import * as schemas from './multipart.schemas.ts';
import type { MultipartService } from './multipart.service.ts';
import { COMPLETION_ERRORS } from './presign.router.ts';
import { presentCompleted, presentOpened, presentRequest } from './upload.presenter.ts';
import { completedData, EXAMPLE_COMPLETED, uploadParams } from './upload.schemas.ts';

const TAG = 'Uploads';
/** 10,000 parts with long etags. */
const COMPLETE_BODY_BYTES = 3 * 1024 * 1024;

/** `/uploads/multipart`: a file by signed PUTs of its parts. */
export function multipartRoutes(uploads: MultipartService, spaces: SpaceService): Route[] {
  return [
    route({
      method: 'post',
      path: '/uploads/multipart',
      operationId: 'openMultipart',
      tag: TAG,
      summary: 'Upload a large file in parts',
      description:
        'Holds room for a file that comes straight to the store in parts of one size, the last one smaller; up to 20 such uploads are open at once. Whatever is not completed in time is removed with its parts. A SHA-256 is taken for files of up to 5 GiB; that of others is worked out after completion.',
      access: 'space:write',
      limit: 'upload',
      body: schemas.openBody,
      bodyExample: schemas.EXAMPLE_OPEN_BODY,
      idempotent: true,
      success: {
        201: { description: 'The upload is open', data: schemas.openedData, example: schemas.EXAMPLE_OPENED },
      },
      errors: [
        'RESERVATION_NOT_FOUND',
        'CONFLICT',
        'FILE_EXISTS',
        'QUOTA_EXCEEDED',
        'FILE_TOO_LARGE',
        'FILE_TYPE_NOT_ALLOWED',
        'STORAGE_FULL',
        'DEPENDENCY_UNAVAILABLE',
      ],
      handler: async ({ principal, body, context, res }) => {
        const { size, partSize, checksumSha256, tags = null, ...rest } = body;
        const opened = await uploads.open(scopeOf(principal, context), {
          ...rest,
          reservationId: rest.reservationId,
          sizeBytes: size,
          partBytes: partSize,
          sha256: checksumSha256,
          tags,
        });
        await freshUsage(spaces, { principal, res });
        return created('Upload opened', presentOpened(opened));
      },
      rebuild: async ({ principal, subjectId }) =>
        created('Upload opened', presentOpened(await uploads.getOpen(principal.space.id, subjectId))),
    }),
    route({
      method: 'post',
      path: '/uploads/multipart/:uploadId/parts',
      operationId: 'presignParts',
      tag: TAG,
      summary: 'Sign parts',
      description:
        'Answers a signed PUT for each part, of exactly its length. A part that is sent again replaces the one before. Puts the end of the upload off to 24 hours from now, at most to 7 days from its beginning.',
      access: 'space:write',
      params: uploadParams,
      body: schemas.presignPartsBody,
      bodyExample: { partNumbers: [1, 2, 3], expiresIn: 3600 },
      success: {
        200: {
          description: 'The PUTs to send',
          data: schemas.partRequestsData,
          example: { parts: [schemas.EXAMPLE_PART_REQUEST] },
        },
      },
      errors: ['UPLOAD_NOT_FOUND', 'CONFLICT', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, params, body, context }) => {
        const parts = await uploads.presignParts(scopeOf(principal, context), params.uploadId, {
          partNumbers: body.partNumbers,
          expiresInSeconds: body.expiresIn,
          publicOrigin: context.publicOrigin,
        });
        return ok('Parts', {
          parts: parts.map((part) => ({
            partNumber: part.partNumber,
            size: part.sizeBytes,
            ...presentRequest(part),
          })),
        });
      },
    }),
    route({
      method: 'get',
      path: '/uploads/multipart/:uploadId/parts',
      operationId: 'listParts',
      tag: TAG,
      summary: 'List the parts that have come',
      description: 'As the store has them, by number: what an interrupted client need not send again.',
      access: 'space:write',
      params: uploadParams,
      success: {
        200: { description: 'The parts', data: schemas.partsData, example: { parts: [schemas.EXAMPLE_PART] } },
      },
      errors: ['UPLOAD_NOT_FOUND', 'CONFLICT', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, params }) => {
        const parts = await uploads.listParts(principal.space.id, params.uploadId);
        return ok('Parts', {
          parts: parts.map(({ partNumber, sizeBytes, etag }) => ({ partNumber, size: sizeBytes, etag })),
        });
      },
    }),
    route({
      method: 'post',
      path: '/uploads/multipart/:uploadId/complete',
      operationId: 'completeMultipart',
      tag: TAG,
      summary: 'Complete an upload in parts',
      description:
        'Joins the parts and makes a file of them, once size, SHA-256 and type are found to be as announced. Every part is named with the ETag that its PUT answered; what is wrong with which stands in `details.parts`. Safe to repeat: then it answers the same file as it is now; what takes long goes on when the connection ends, and who asks again waits for it.',
      access: 'space:write',
      params: uploadParams,
      body: schemas.completePartsBody,
      bodyLimitBytes: COMPLETE_BODY_BYTES,
      bodyExample: { parts: [{ partNumber: 1, etag: schemas.EXAMPLE_PART.etag }] },
      success: {
        200: { description: 'The file, and what is done with it', data: completedData, example: EXAMPLE_COMPLETED },
      },
      errors: COMPLETION_ERRORS,
      handler: async ({ principal, params, body, context, confirm, res }) => {
        const scope = scopeOf(principal, context);
        const done = await uploads.complete(scope, params.uploadId, { parts: body.parts, confirm });
        if (done.counters) setQuotaHeaders(res, { space: { ...principal.space, ...done.counters } });
        return ok('Upload completed', presentCompleted(done));
      },
    }),
  ];
}
