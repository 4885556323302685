import type { Request, Response } from 'express';
import { z } from 'zod';
import { AppError } from '../../../errors/app-error.ts';
import type { ErrorCode } from '../../../errors/codes.ts';
import { waitPatiently } from '../../../http/multipart-upload.ts';
import { type HeaderSpec, type Route, route, type Send } from '../../../http/route.ts';
import { setQuotaHeaders } from '../../../http/router.ts';
import type { Principal } from '../../access/index.ts';
import { scopeOf } from '../../ledger/index.ts';
import { freshUsage, type SpaceService, uploadQuery } from '../../storage/index.ts';
import type { TusService } from './tus.service.ts';
import { CHECKSUM_ALGORITHMS } from './tus-checksum.ts';
import { invalid } from './tus-faults.ts';
import { isOffsetStream, readChecksum, readCreation, readNumber } from './tus-headers.ts';
import type { TusBytes, TusCreation, TusState } from './tus-upload.ts';

const TAG = 'Uploads';
const VERSION = '1.0.0';
const EXTENSIONS = 'creation,creation-with-upload,checksum,expiration,termination';
/** Bytes that took longer are made a file only if their sender still may. */
const CONFIRM_AFTER_MS = 1_000;
const EXAMPLE_ID = '019aa2f4-9b0e-7d3a-8c11-5e2f6a7b8c9d';

const REPLY_HEADERS = { 'Tus-Resumable': VERSION, 'Cache-Control': 'no-store' };
const RAW_BODY = 'application/offset+octet-stream';
const creationOptions = uploadQuery.pick({ conflict: true, tags: true });
const uploadParams = z.object({
  uploadId: z.string().meta({ description: 'From the `Location` of the creation', example: EXAMPLE_ID }),
});

const RESUMABLE = {
  'Tus-Resumable': { required: true, description: 'The protocol’s version', example: VERSION },
} as const;
const CHECKSUM: HeaderSpec = {
  description: `An algorithm (${CHECKSUM_ALGORITHMS}) and the Base64 digest of this request’s body; what does not match is discarded`,
  example: 'sha1 qvTGHdzF6KLavt4PO0gs2a6pQ00=',
};
const OFFSET: HeaderSpec = { description: 'Bytes that are durable', example: '1048576' };
const LENGTH: HeaderSpec = { description: 'Bytes of the whole file', example: '5242880' };
const METADATA: HeaderSpec = {
  description:
    'Pairs of a key and its Base64 value: `filename` (or `fileName`, `name`; a path in the space), and where wanted `filetype` (or `contentType`, `type`), `conflict`, `tags`, `reservationId`; others are kept and shown again',
  example: 'filename cGhvdG9zL2NhdC5qcGc=,filetype aW1hZ2UvanBlZw==',
};
const EXPIRES: HeaderSpec = {
  description: 'When the upload is given up unless more comes; absent once it is a file',
  example: 'Sun, 22 Nov 2026 09:05:00 GMT',
};
const FILE_HEADERS = {
  'x-file-id': { description: 'The file’s id, once the upload is complete', example: EXAMPLE_ID },
  'x-file-name': {
    description: 'Its name, percent-encoded, in the answer to the request that completed the upload',
    example: 'photos%2Fcat.jpg',
  },
} as const;
const STATE_HEADERS = { 'Upload-Offset': OFFSET, 'Upload-Expires': EXPIRES, ...FILE_HEADERS };
/** What becoming a file may be refused with. */
const COMMIT_ERRORS = [
  'QUOTA_EXCEEDED',
  'FILE_EXISTS',
  'CONFLICT',
  'CONTENT_MISMATCH',
  'FILE_TYPE_NOT_ALLOWED',
] as const satisfies readonly ErrorCode[];
const ANY_ERRORS = ['PRECONDITION_FAILED', 'DEPENDENCY_UNAVAILABLE'] as const satisfies readonly ErrorCode[];
const BODY_ERRORS = [
  'VALIDATION_FAILED',
  'BODY_TOO_LARGE',
  'UNSUPPORTED_MEDIA_TYPE',
  'UPLOAD_LOCKED',
  'UPLOAD_CHECKSUM_MISMATCH',
  'STORAGE_FULL',
] as const satisfies readonly ErrorCode[];

/** `/uploads/tus`: resumable uploads by tus 1.0. */
export function tusRoutes(tus: TusService, spaces: SpaceService): Route[] {
  return [
    route({
      method: 'options',
      path: '/uploads/tus',
      operationId: 'getTusAbilities',
      tag: TAG,
      summary: 'What this server knows of tus',
      description: 'Version, extensions, checksum algorithms and the largest file, as tus 1.0 wants it.',
      access: 'anyone',
      replyHeaders: REPLY_HEADERS,
      stream: {
        content: {},
        statuses: { 204: 'In the headers' },
        headers: {
          'Tus-Version': { description: 'Versions', example: VERSION },
          'Tus-Extension': { description: 'Extensions', example: EXTENSIONS },
          'Tus-Max-Size': { description: 'Bytes of the largest file', example: '5497558138880' },
          'Tus-Checksum-Algorithm': { description: 'For Upload-Checksum', example: CHECKSUM_ALGORITHMS },
        },
      },
      errors: [],
      handler: async ({ res }) => {
        res.setHeader('Tus-Version', VERSION);
        res.setHeader('Tus-Extension', EXTENSIONS);
        res.setHeader('Tus-Max-Size', tus.maxFileBytes);
        res.setHeader('Tus-Checksum-Algorithm', CHECKSUM_ALGORITHMS);
        res.status(204).end();
        return undefined;
      },
    }),
    route({
      method: 'post',
      path: '/uploads/tus',
      operationId: 'createTusUpload',
      tag: TAG,
      summary: 'Begin a resumable upload',
      description:
        'Holds the quota for the whole file before its first byte; the first bytes may come with the request. An upload waits 24 hours for its next bytes. The length must be known (`Upload-Defer-Length` is not offered). When the request fails, no upload is left; with an `Idempotency-Key` one that was cut off is, and the same request again tells where it goes on.',
      access: 'space:write',
      limit: 'upload',
      idempotent: true,
      headers: {
        ...RESUMABLE,
        'Upload-Length': { required: true, ...LENGTH },
        'Upload-Metadata': { required: true, ...METADATA },
        'Upload-Checksum': CHECKSUM,
      },
      replyHeaders: REPLY_HEADERS,
      rawBody: { type: RAW_BODY, required: false },
      stream: {
        content: {},
        statuses: { 201: 'The upload is open; it is a file already where all of it came with the request' },
        headers: {
          Location: {
            description: 'Where it goes on',
            example: `https://files.example.com/api/uploads/tus/${EXAMPLE_ID}`,
          },
          ...STATE_HEADERS,
        },
      },
      errors: [...BODY_ERRORS, ...COMMIT_ERRORS, 'FILE_TOO_LARGE', 'RESERVATION_NOT_FOUND', ...ANY_ERRORS],
      handler: async ({ principal, context, confirm, req, res }) => {
        assertVersion(req, res);
        const creation = creationOf(req);
        const location = `${context.publicOrigin}${placeOf(req)}`;
        const bytes = hasBody(req) ? bytesOf({ req, res, confirm }, 0) : null;
        const state = await tus.create(scopeOf(principal, context), creation, bytes);
        res.setHeader('Location', `${location}/${state.id}`);
        if (!state.file) await freshUsage(spaces, { principal, res });
        return answer(res, 201, { state, principal });
      },
      // Bytes that came with it again are not read: the offset says what is there.
      rebuild: async ({ principal, context, req, res, subjectId }) => {
        assertVersion(req, res);
        const state = await tus.state(scopeOf(principal, context), subjectId);
        res.setHeader('Location', `${context.publicOrigin}${placeOf(req)}/${subjectId}`);
        return answer(res, 201, { state, principal });
      },
    }),
    route({
      method: 'head',
      path: '/uploads/tus/:uploadId',
      operationId: 'getTusUpload',
      tag: TAG,
      summary: 'Where a resumable upload stands',
      description:
        'What is durable by now. A request that is still sending to this upload is ended: a client asks when it resumes. The code of a refusal is in `x-error-code`, as HEAD has no body.',
      access: 'space:write',
      params: uploadParams,
      headers: RESUMABLE,
      replyHeaders: REPLY_HEADERS,
      stream: {
        content: {},
        statuses: { 200: 'In the headers' },
        headers: { ...STATE_HEADERS, 'Upload-Length': LENGTH, 'Upload-Metadata': METADATA },
      },
      errors: ['UPLOAD_NOT_FOUND', 'UPLOAD_LOCKED', ...COMMIT_ERRORS, ...ANY_ERRORS],
      handler: async ({ principal, params, context, req, res }) => {
        assertVersion(req, res);
        const state = await tus.state(scopeOf(principal, context), params.uploadId);
        res.setHeader('Upload-Length', state.sizeBytes);
        if (state.clientMetadata !== null) res.setHeader('Upload-Metadata', state.clientMetadata);
        return answer(res, 200, { state, principal });
      },
    }),
    route({
      method: 'patch',
      path: '/uploads/tus/:uploadId',
      operationId: 'sendTusBytes',
      tag: TAG,
      summary: 'Send bytes of a resumable upload',
      description:
        'Takes bytes in from `Upload-Offset` on; what came of a request that is cut off stays. The last bytes make it a file, named in `x-file-id`. Whoever sends to an upload takes it over from a request that still hangs.',
      access: 'space:write',
      params: uploadParams,
      headers: {
        ...RESUMABLE,
        'Upload-Offset': { required: true, description: 'Where the upload stands', example: '1048576' },
        'Upload-Checksum': CHECKSUM,
      },
      replyHeaders: REPLY_HEADERS,
      rawBody: { type: RAW_BODY, required: true },
      stream: { content: {}, statuses: { 204: 'The bytes are durable' }, headers: STATE_HEADERS },
      errors: ['UPLOAD_NOT_FOUND', ...BODY_ERRORS, ...COMMIT_ERRORS, ...ANY_ERRORS],
      handler: async ({ principal, params, context, confirm, req, res }) => {
        assertVersion(req, res);
        const bytes = bytesOf({ req, res, confirm }, readNumber(req.headers, 'Upload-Offset'));
        const state = await tus.write(scopeOf(principal, context), params.uploadId, bytes);
        return answer(res, 204, { state, principal });
      },
    }),
    route({
      method: 'delete',
      path: '/uploads/tus/:uploadId',
      operationId: 'terminateTusUpload',
      tag: TAG,
      summary: 'Give a resumable upload up',
      description:
        'Frees its quota and removes what has come. An upload that is complete is a file, and deleted as such.',
      access: 'space:write',
      params: uploadParams,
      headers: RESUMABLE,
      replyHeaders: REPLY_HEADERS,
      stream: { content: {}, statuses: { 204: 'It is gone' } },
      errors: ['UPLOAD_NOT_FOUND', 'UPLOAD_LOCKED', 'CONFLICT', ...ANY_ERRORS],
      handler: async ({ principal, params, context, req, res }) => {
        assertVersion(req, res);
        await tus.terminate(scopeOf(principal, context), params.uploadId);
        await freshUsage(spaces, { principal, res });
        res.status(204).end();
        return undefined;
      },
    }),
  ];
}

/** Errors: PRECONDITION_FAILED, as tus 1.0 wants it. */
function assertVersion({ headers }: Request, res: Response): void {
  if (headers['tus-resumable'] === VERSION) return;
  res.setHeader('Tus-Version', VERSION);
  throw new AppError('PRECONDITION_FAILED', { message: `Send Tus-Resumable: ${VERSION}` });
}

function creationOf({ headers }: Request): TusCreation {
  const { options, ...creation } = readCreation(headers);
  const parsed = creationOptions.safeParse(options);
  if (parsed.success) return { ...creation, conflict: parsed.data.conflict, tags: parsed.data.tags ?? null };
  const [issue] = parsed.error.issues;
  throw invalid(`Upload-Metadata.${issue?.path.join('.')}`, issue?.message ?? 'is not valid');
}

/** The collection's own path as the client wrote it, without query and closing slash. */
function placeOf({ originalUrl }: Request): string {
  return (originalUrl.split('?', 1)[0] ?? '').replace(/\/+$/, '');
}

function hasBody({ headers }: Request): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

interface Exchange {
  readonly req: Request;
  readonly res: Response;
  readonly confirm: () => Promise<unknown>;
}

/** Errors: UNSUPPORTED_MEDIA_TYPE, VALIDATION_FAILED (checksum). */
function bytesOf({ req, res, confirm }: Exchange, offset: number): TusBytes {
  if (!isOffsetStream(req.headers)) {
    throw new AppError('UNSUPPORTED_MEDIA_TYPE', { message: `Send Content-Type: ${RAW_BODY}` });
  }
  const startedAt = performance.now();
  const length = req.headers['content-length'];
  req.once('end', () => waitPatiently(req, res));
  return {
    body: req,
    offset,
    announcedBytes: length === undefined ? undefined : Number(length),
    checksum: readChecksum(req.headers),
    confirm: async () => {
      if (performance.now() - startedAt > CONFIRM_AFTER_MS) await confirm();
    },
  };
}

function answer(
  res: Response,
  status: number,
  { state, principal }: { readonly state: TusState; readonly principal: Principal },
): Send {
  const { offset, expiresAt, file } = state;
  res.setHeader('Upload-Offset', offset);
  if (expiresAt) res.setHeader('Upload-Expires', expiresAt.toUTCString());
  if (file) res.setHeader('x-file-id', file.id);
  if (file?.made) {
    res.setHeader('x-file-name', encodeURIComponent(file.made.path));
    setQuotaHeaders(res, { space: { ...principal.space, ...file.made.counters } });
  }
  return () => void res.status(status).end();
}
