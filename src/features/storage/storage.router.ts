import { z } from 'zod';
import { receiveFile } from '../../http/multipart-upload.ts';
import { pageMeta } from '../../http/paging.ts';
import { accepted, created, ok, type Route, route } from '../../http/route.ts';
import { setQuotaHeaders } from '../../http/router.ts';
import type { Clock } from '../../platform/clock/clock.ts';
import { scopeOf } from '../ledger/index.ts';
import { freshUsage, showFreed } from './fresh-usage.ts';
import type { LevelListing } from './level-listing.ts';
import type { ReadingService } from './reading.service.ts';
import { CONTENT_ERRORS, CONTENT_STREAM, sendFile, UNREADABLE_ERRORS } from './send-file.router.ts';
import type { SpaceService } from './space.service.ts';
import {
  livingFiles,
  presentDeletedFile,
  presentDeletion,
  presentFile,
  presentQuotaUsage,
  presentUsage,
} from './storage.presenter.ts';
import * as schemas from './storage.schemas.ts';
import type { StorageService } from './storage.service.ts';

const TAG = 'Storage';
/** A transfer that took longer is taken in only if its sender still may. */
const CONFIRM_AFTER_MS = 1_000;
/** 1000 names of 1024 bytes, escaped as badly as JSON allows. */
const BULK_BODY_BYTES = 8 * 1024 * 1024;

export interface StorageRouteDependencies {
  readonly storage: StorageService;
  readonly levels: LevelListing;
  readonly reading: ReadingService;
  readonly spaces: SpaceService;
  readonly clock: Clock;
}

/** `/storage`: files by path, for a key's pocket or a user's drive. */
export function storageRoutes({ storage, levels, reading, spaces, clock }: StorageRouteDependencies): Route[] {
  return [
    route({
      method: 'post',
      path: '/storage/upload',
      operationId: 'uploadFile',
      tag: TAG,
      summary: 'Upload a file',
      description:
        'Streams one file of a multipart form into the space. The name is `fileName`, else the part’s own file name. Any size up to the server’s limit and the quota; a replacement counts the difference.',
      access: 'space:write',
      idempotent: true,
      limit: 'upload',
      query: schemas.uploadQuery,
      multipartField: 'file',
      success: {
        201: {
          description: 'The file, and the usage right after',
          data: z.object({ file: schemas.file, usage: schemas.usage }),
          example: { file: schemas.EXAMPLE_FILE, usage: schemas.EXAMPLE_USAGE },
        },
      },
      errors: [
        'RESERVATION_NOT_FOUND',
        'QUOTA_EXCEEDED',
        'FILE_EXISTS',
        'CONFLICT',
        'FILE_TOO_LARGE',
        'FILE_TYPE_NOT_ALLOWED',
        'CONTENT_MISMATCH',
        'STORAGE_FULL',
        'DEPENDENCY_UNAVAILABLE',
      ],
      handler: async ({ principal, query, context, confirm, req, res }) => {
        const startedAt = performance.now();
        const staged = await receiveFile(req, res, 'file', (part) =>
          storage.stage(scopeOf(principal, context), {
            fileName: query.fileName ?? part.originalName,
            contentType: part.contentType,
            conflict: query.conflict,
            tags: query.tags ?? null,
            reservationId: query.reservationId,
            body: part.body,
            announcedBytes: part.announcedBytes,
          }),
        );
        if (performance.now() - startedAt > CONFIRM_AFTER_MS) {
          await confirm().catch(async (refusal: unknown) => {
            await staged.abort();
            throw refusal;
          });
        }
        const file = await staged.commit();
        setQuotaHeaders(res, { space: { ...principal.space, ...file.counters } });
        return created('File uploaded', {
          file: presentFile(file),
          usage: presentUsage(file.counters, file.uploadedAt),
        });
      },
      rebuild: async ({ principal, res, subjectId }) => {
        const file = presentFile(await storage.getFile(principal.space.id, { id: subjectId }));
        return created('File uploaded', { file, usage: await freshUsage(spaces, { principal, res }) });
      },
    }),
    route({
      method: 'get',
      path: '/storage/files',
      operationId: 'listFiles',
      tag: TAG,
      summary: 'List files',
      description:
        'A page of the files in the space. With `delimiter=/` one level of names: first its `folders`, on as many pages as they need, then its files. A filtered page may be short, even empty, while `nextCursor` leads on.',
      access: 'space:list',
      query: schemas.listQuery,
      success: {
        200: {
          description: 'A page of files',
          data: z.object({ files: z.array(schemas.file), folders: z.array(z.string()).optional() }),
          meta: pageMeta,
          example: { files: [schemas.EXAMPLE_FILE] },
        },
      },
      errors: ['DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, query }) => {
        const { delimiter, ...rest } = query;
        const delimited = delimiter !== undefined;
        const page = delimited
          ? await levels.listNames(principal.space, rest)
          : { folders: undefined, ...(await storage.list(principal.space.id, rest)) };
        const filtered = delimited || [query.prefix, query.search, query.category, query.tag].some((value) => value);
        return ok(
          'Files',
          { files: page.files.map(presentFile), ...(page.folders ? { folders: page.folders } : {}) },
          {
            nextCursor: page.nextCursor,
            limit: query.limit,
            ...(filtered ? {} : { total: livingFiles(principal.space) }),
          },
        );
      },
    }),
    route({
      method: 'post',
      path: '/storage/files/bulk-delete',
      operationId: 'bulkDeleteFiles',
      tag: TAG,
      summary: 'Delete many files',
      description:
        'Deletes up to 1000 named files, or all below a prefix, into the trash where the space keeps one unless `permanent`; a prefix of more than 1000 files becomes a job.',
      access: 'space:delete',
      body: schemas.bulkDeleteBody,
      bodyLimitBytes: BULK_BODY_BYTES,
      bodyExample: { fileNames: ['photos/2026/cat.jpg', 'photos/2026/dog.jpg'] },
      success: {
        200: {
          description: 'What was deleted and what was not there',
          data: schemas.bulkDeleteData,
          example: {
            deleted: [{ fileName: 'photos/2026/cat.jpg', sizeFreed: 48213, trashed: false }],
            failed: [{ fileName: 'photos/2026/dog.jpg', reason: 'FILE_NOT_FOUND' }],
            summary: { requested: 2, deleted: 1, failed: 1, sizeFreed: 48213 },
          },
        },
        202: {
          description: 'More than 1000 files: a job deletes them',
          data: z.object({ jobId: z.string() }),
          example: { jobId: '019aa2f4-7d1c-7e5a-9a55-0c6f1b1f6a02' },
        },
      },
      errors: ['BODY_TOO_LARGE', 'CONFLICT', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, body, context, res }) => {
        const scope = scopeOf(principal, context);
        const outcome =
          'fileNames' in body
            ? { deletion: await storage.deleteMany(scope, body.fileNames, body) }
            : await storage.deletePrefix(scope, body.prefix, body);
        if ('jobId' in outcome) return accepted('The files are being deleted', { jobId: outcome.jobId });
        await showFreed(spaces, { principal, res }, outcome.deletion.deleted);
        return ok('Files deleted', presentDeletion(outcome.deletion));
      },
    }),
    route({
      method: 'get',
      path: '/storage/files/:fileName',
      operationId: 'presignDownload',
      tag: TAG,
      summary: 'Get a download link',
      description: 'A presigned URL that downloads the file’s present content without credentials until it expires.',
      access: 'space:read',
      params: schemas.fileNameParams,
      query: schemas.linkQuery,
      success: {
        200: {
          description: 'The link',
          data: z.object({ fileName: z.string(), downloadUrl: z.url(), expiresIn: z.number().int() }),
          example: {
            fileName: 'photos/2026/cat.jpg',
            downloadUrl: 'https://files.example.com/objects/apikeys/AKIAEXAMPLE/019aa2f4?signature=...',
            expiresIn: 3600,
          },
        },
      },
      errors: ['FILE_NOT_FOUND', ...UNREADABLE_ERRORS, 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, params, query, context }) => {
        const { file, request } = await reading.presign(
          scopeOf(principal, context),
          { path: params.fileName },
          {
            expiresInSeconds: query.expiresIn,
            disposition: query.disposition,
            publicOrigin: context.publicOrigin,
          },
        );
        return ok('Download link', { fileName: file.path, downloadUrl: request.url, expiresIn: query.expiresIn });
      },
    }),
    route({
      method: 'get',
      path: '/storage/files/:fileName/content',
      operationId: 'downloadFile',
      tag: TAG,
      summary: 'Download a file',
      description:
        'The bytes through the API. Understands Range (one range), If-Range with an ETag, If-None-Match, If-Match and the date forms; HEAD answers the same headers.',
      access: 'space:read',
      params: schemas.fileNameParams,
      stream: CONTENT_STREAM,
      errors: ['FILE_NOT_FOUND', ...CONTENT_ERRORS, 'DEPENDENCY_UNAVAILABLE'],
      handler: ({ principal, params, context, req, res }) =>
        sendFile({ req, res }, (choose) =>
          reading.open(scopeOf(principal, context), { path: params.fileName }, { choose }),
        ),
    }),
    route({
      method: 'get',
      path: '/storage/files/:fileName/metadata',
      operationId: 'getFileMetadata',
      tag: TAG,
      summary: 'Get a file’s metadata',
      description: 'All that is known of a file but its bytes.',
      access: 'space:read',
      params: schemas.fileNameParams,
      success: {
        200: {
          description: 'The file',
          data: z.object({ file: schemas.file }),
          example: { file: schemas.EXAMPLE_FILE },
        },
      },
      errors: ['FILE_NOT_FOUND', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, params }) =>
        ok('File', { file: presentFile(await storage.getFile(principal.space.id, { path: params.fileName })) }),
    }),
    route({
      method: 'delete',
      path: '/storage/files/:fileName',
      operationId: 'deleteFile',
      tag: TAG,
      summary: 'Delete a file',
      description:
        'The name is free at once. Where the space keeps a trash, the file lies there and counts until its time is over, unless `permanent`; else the usage is down at once, and a job removes the object.',
      access: 'space:delete',
      params: schemas.fileNameParams,
      query: schemas.deleteQuery,
      success: {
        200: {
          description: 'What was freed',
          data: z.object({
            fileName: z.string(),
            sizeFreed: z.number().int(),
            trashed: z.boolean(),
            deletedAt: z.iso.datetime(),
          }),
          example: {
            fileName: 'photos/2026/cat.jpg',
            sizeFreed: 48213,
            trashed: false,
            deletedAt: '2026-11-21T09:05:00.000Z',
          },
        },
      },
      errors: ['FILE_NOT_FOUND', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, params, query, context, res }) => {
        const gone = await storage.delete(scopeOf(principal, context), { path: params.fileName }, query);
        await showFreed(spaces, { principal, res }, [gone]);
        return ok('File deleted', { ...presentDeletedFile(gone), deletedAt: clock.now().toISOString() });
      },
    }),
    route({
      method: 'get',
      path: '/storage/usage',
      operationId: 'getUsage',
      tag: TAG,
      summary: 'Get usage and quota',
      description: 'The counters of the space as they stand; exact, and as cheap with a million files as with none.',
      access: 'space:any',
      success: {
        200: {
          description: 'Usage and quota',
          data: schemas.usageData,
          example: schemas.EXAMPLE_USAGE_DATA,
        },
      },
      errors: ['DEPENDENCY_UNAVAILABLE'],
      // Authorizing has read the space's row for this request: no second read.
      handler: async ({ principal }) => ok('Usage', presentQuotaUsage(principal.space)),
    }),
  ];
}
