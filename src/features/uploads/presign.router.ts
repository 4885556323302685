import { created, ok, type Route, route } from '../../http/route.ts';
import { setQuotaHeaders } from '../../http/router.ts';
import { scopeOf } from '../ledger/index.ts';
import { freshUsage, type SpaceService } from '../storage/index.ts';
import * as schemas from './presign.schemas.ts';
import type { PresignService } from './presign.service.ts';
import { presentCompleted, presentRequest } from './upload.presenter.ts';
import { completedData, EXAMPLE_COMPLETED } from './upload.schemas.ts';

const TAG = 'Uploads';

/** What completing any upload may be refused with. */
export const COMPLETION_ERRORS = [
  'UPLOAD_NOT_FOUND',
  'UPLOAD_INCOMPLETE',
  'CONFLICT',
  'FILE_EXISTS',
  'FILE_NOT_FOUND',
  'QUOTA_EXCEEDED',
  'FILE_TYPE_NOT_ALLOWED',
  'CONTENT_MISMATCH',
  'STORAGE_FULL',
  'DEPENDENCY_UNAVAILABLE',
] as const;

/** `/uploads/presign` and `/uploads/complete`: a file by one signed PUT. */
export function presignRoutes(uploads: PresignService, spaces: SpaceService): Route[] {
  return [
    route({
      method: 'post',
      path: '/uploads/presign',
      operationId: 'presignUpload',
      tag: TAG,
      summary: 'Upload a file straight to the store',
      description:
        'Holds room and answers a signed PUT of exactly this length and type, which anybody may send who has it. A SHA-256 is held to by the store where it can, which refuses another body, else at completion. It is a file once the upload is completed; until then, and until ten minutes behind the URL’s end, the room is held.',
      access: 'space:write',
      limit: 'upload',
      body: schemas.presignBody,
      bodyExample: schemas.EXAMPLE_PRESIGN_BODY,
      idempotent: true,
      success: {
        201: { description: 'The PUT to send', data: schemas.presignData, example: schemas.EXAMPLE_PRESIGNED },
      },
      errors: [
        'RESERVATION_NOT_FOUND',
        'CONFLICT',
        'FILE_EXISTS',
        'QUOTA_EXCEEDED',
        'FILE_TOO_LARGE',
        'FILE_TYPE_NOT_ALLOWED',
        'DEPENDENCY_UNAVAILABLE',
      ],
      handler: async ({ principal, body, context, res }) => {
        const { size, checksumSha256, expiresIn, tags = null, ...rest } = body;
        const { uploadId, request } = await uploads.open(
          scopeOf(principal, context),
          { ...rest, reservationId: rest.reservationId, sizeBytes: size, sha256: checksumSha256, tags },
          { expiresInSeconds: expiresIn, publicOrigin: context.publicOrigin },
        );
        await freshUsage(spaces, { principal, res });
        return created('Upload opened', { uploadId, ...presentRequest(request) });
      },
      rebuild: async ({ principal, context, subjectId: uploadId }) => {
        const request = await uploads.signAgain(principal.space.id, uploadId, context.publicOrigin);
        return created('Upload opened', { uploadId, ...presentRequest(request) });
      },
    }),
    route({
      method: 'post',
      path: '/uploads/complete',
      operationId: 'completeUpload',
      tag: TAG,
      summary: 'Complete an upload',
      description:
        'Makes a file of what was PUT, once its size, SHA-256 and type are found to be as announced; what is not as announced ends the upload. Safe to repeat: then it answers the same file as it is now; what takes long goes on when the connection ends, and who asks again waits for it. Using the URL again changes nothing that is served.',
      access: 'space:write',
      body: schemas.completeBody,
      bodyExample: { uploadId: schemas.EXAMPLE_PRESIGNED.uploadId },
      success: {
        200: { description: 'The file, and what is done with it', data: completedData, example: EXAMPLE_COMPLETED },
      },
      errors: COMPLETION_ERRORS,
      handler: async ({ principal, body, context, confirm, res }) => {
        const done = await uploads.complete(scopeOf(principal, context), body.uploadId, confirm);
        if (done.counters) setQuotaHeaders(res, { space: { ...principal.space, ...done.counters } });
        return ok('Upload completed', presentCompleted(done));
      },
    }),
  ];
}
