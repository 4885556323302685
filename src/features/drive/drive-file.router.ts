import { z } from 'zod';
import { type FilePart, receiveFile } from '../../http/multipart-upload.ts';
import { created, ok, type Route, type RouteInput, route } from '../../http/route.ts';
import type { Clock } from '../../platform/clock/clock.ts';
import { lastSegment } from '../ingest/index.ts';
import {
  CONTENT_ERRORS,
  CONTENT_STREAM,
  EXAMPLE_USAGE,
  linkQuery,
  presentUsage,
  type SpaceService,
  sendFile,
  UNREADABLE_ERRORS,
  usage,
} from '../storage/index.ts';
import { presentDeletedDriveFile, presentFileGrant, presentTakenIn } from './drive.presenter.ts';
import * as schemas from './drive.schemas.ts';
import type { FileGrant } from './drive.ts';
import type { DriveFileService, StagedDriveFile, TakenIn } from './drive-file.service.ts';
import { driveUser } from './drive-user.ts';

const TAG = 'Drive';
/** A transfer that took longer is taken in only if its sender still may. */
const CONFIRM_AFTER_MS = 1_000;

const fileData = z.object({ file: schemas.driveFile });
const fileExample = { file: schemas.EXAMPLE_DRIVE_FILE };
const TAKEN_IN = {
  description: 'The file, and in the own drive the usage right after',
  data: z.object({ file: schemas.driveFile, usage: usage.optional() }),
  example: { ...fileExample, usage: EXAMPLE_USAGE },
};

export interface DriveFileRouteDependencies {
  readonly files: DriveFileService;
  readonly spaces: SpaceService;
  readonly clock: Clock;
}

/** `/files`: files of drives by id, the own ones and those that others share. */
export function driveFileRoutes({ files, spaces, clock }: DriveFileRouteDependencies): Route[] {
  /** What was taken in before, with usage as it is now. */
  const shownAgain = async (grant: FileGrant) => {
    if (grant.role !== 'OWNER') return presentFileGrant(grant);
    const counters = await spaces.usage(grant.scope.space.id);
    return { ...presentFileGrant(grant), usage: presentUsage(counters, counters.updatedAt) };
  };
  return [
    route({
      method: 'post',
      path: '/files',
      operationId: 'uploadDriveFile',
      tag: TAG,
      summary: 'Upload a file into a folder',
      description:
        'Streams one file of a multipart form into a folder of the own drive, or of one that is shared for editing: there it counts on the owner’s quota. The name is `fileName`, else the last segment of the part’s own.',
      access: 'verified',
      idempotent: true,
      limit: 'upload',
      query: schemas.uploadQuery,
      multipartField: 'file',
      success: { 201: TAKEN_IN },
      errors: [
        'FORBIDDEN',
        'FOLDER_NOT_FOUND',
        'RESERVATION_NOT_FOUND',
        'CONFLICT',
        'FILE_EXISTS',
        'QUOTA_EXCEEDED',
        'FILE_TOO_LARGE',
        'FILE_TYPE_NOT_ALLOWED',
        'CONTENT_MISMATCH',
        'STORAGE_FULL',
        'DEPENDENCY_UNAVAILABLE',
      ],
      handler: async ({ principal, query, context, confirm, req, res }) => {
        const file = await received({ confirm, req, res }, ({ originalName, ...part }) =>
          files.stage(driveUser(principal, context), {
            ...part,
            folderId: query.folderId ?? null,
            fileName: query.fileName ?? lastSegment(originalName),
            conflict: query.conflict,
            tags: query.tags ?? null,
            reservationId: query.reservationId,
          }),
        );
        return created('File uploaded', presentTakenIn(file));
      },
      rebuild: async ({ principal, context, subjectId }) =>
        created('File uploaded', await shownAgain(await files.get(driveUser(principal, context), subjectId))),
    }),
    route({
      method: 'get',
      path: '/files/:id',
      operationId: 'getDriveFile',
      tag: TAG,
      summary: 'Get a file',
      description: 'All that is known of a file but its bytes; also of files that others share.',
      access: 'verified',
      params: schemas.fileParams,
      success: { 200: { description: 'The file', data: fileData, example: fileExample } },
      errors: ['FILE_NOT_FOUND', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, params, context }) =>
        ok('File', presentFileGrant(await files.get(driveUser(principal, context), params.id))),
    }),
    route({
      method: 'patch',
      path: '/files/:id',
      operationId: 'changeDriveFile',
      tag: TAG,
      summary: 'Rename, move or tag a file',
      description: 'No bytes are copied, and the id stays.',
      access: 'verified',
      params: schemas.fileParams,
      body: schemas.changeFileBody,
      bodyExample: { name: 'cat.jpg', folderId: schemas.EXAMPLE_FOLDER.id, tags: ['cats'], conflict: 'keepBoth' },
      success: { 200: { description: 'The file as it is now', data: fileData, example: fileExample } },
      errors: [
        'FORBIDDEN',
        'FILE_NOT_FOUND',
        'FOLDER_NOT_FOUND',
        'FILE_EXISTS',
        'FILE_TYPE_NOT_ALLOWED',
        'CONFLICT',
        'DEPENDENCY_UNAVAILABLE',
      ],
      handler: async ({ principal, params, body, context }) =>
        ok('File changed', presentFileGrant(await files.change(driveUser(principal, context), params.id, body))),
    }),
    route({
      method: 'delete',
      path: '/files/:id',
      operationId: 'deleteDriveFile',
      tag: TAG,
      summary: 'Delete a file',
      description: 'Into the trash of the drive that it is in, where that keeps one.',
      access: 'verified',
      params: schemas.fileParams,
      success: {
        200: {
          description: 'What was deleted, and what that freed',
          data: schemas.deletedFileData,
          example: {
            id: schemas.EXAMPLE_DRIVE_FILE.id,
            fileName: schemas.EXAMPLE_DRIVE_FILE.fileName,
            sizeFreed: 0,
            trashed: true,
            deletedAt: '2026-11-21T09:05:00.000Z',
          },
        },
      },
      errors: ['FORBIDDEN', 'FILE_NOT_FOUND', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, params, context }) => {
        const deletion = await files.delete(driveUser(principal, context), params.id);
        return ok('File deleted', { ...presentDeletedDriveFile(deletion), deletedAt: clock.now().toISOString() });
      },
    }),
    route({
      method: 'get',
      path: '/files/:id/content',
      operationId: 'downloadDriveFile',
      tag: TAG,
      summary: 'Download a file',
      description:
        'The bytes through the API, as `/storage/files/{fileName}/content` gives them: ranges, preconditions, HEAD.',
      access: 'verified',
      params: schemas.fileParams,
      stream: CONTENT_STREAM,
      errors: ['FILE_NOT_FOUND', ...CONTENT_ERRORS, 'DEPENDENCY_UNAVAILABLE'],
      handler: ({ principal, params, context, req, res }) =>
        sendFile({ req, res }, (choose) => files.open(driveUser(principal, context), params.id, choose)),
    }),
    route({
      method: 'put',
      path: '/files/:id/content',
      operationId: 'replaceDriveFile',
      tag: TAG,
      summary: 'Replace a file’s content',
      description:
        'Streams one file of a multipart form into the place of the content; name and id stay. Counts the difference.',
      access: 'verified',
      limit: 'upload',
      params: schemas.fileParams,
      query: schemas.contentQuery,
      multipartField: 'file',
      success: { 200: TAKEN_IN },
      errors: [
        'FORBIDDEN',
        'FILE_NOT_FOUND',
        'CONFLICT',
        'QUOTA_EXCEEDED',
        'FILE_TOO_LARGE',
        'FILE_TYPE_NOT_ALLOWED',
        'CONTENT_MISMATCH',
        'STORAGE_FULL',
        'DEPENDENCY_UNAVAILABLE',
      ],
      handler: async ({ principal, params, query, context, confirm, req, res }) => {
        const user = driveUser(principal, context);
        await files.get(user, params.id);
        const file = await received({ confirm, req, res }, ({ originalName: _, ...part }) =>
          files.stageContent(user, params.id, { ...part, tags: query.tags ?? null }),
        );
        return ok('Content replaced', presentTakenIn(file));
      },
    }),
    route({
      method: 'get',
      path: '/files/:id/link',
      operationId: 'presignDriveDownload',
      tag: TAG,
      summary: 'Get a download link of a file',
      description:
        'A presigned URL that downloads the file’s present content without credentials until it expires. The owner’s only, since no end of a share ends it; whom the file is shared with reads it by `/files/{id}/content`.',
      access: 'verified',
      params: schemas.fileParams,
      query: linkQuery,
      success: {
        200: {
          description: 'The link',
          data: z.object({ id: z.uuid(), downloadUrl: z.url(), expiresIn: z.number().int() }),
          example: {
            id: schemas.EXAMPLE_DRIVE_FILE.id,
            downloadUrl: 'https://files.example.com/objects/users/019aa2f4?signature=...',
            expiresIn: 3600,
          },
        },
      },
      errors: ['FILE_NOT_FOUND', 'FORBIDDEN', ...UNREADABLE_ERRORS, 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, params, query, context }) => {
        const { expiresIn, disposition } = query;
        const input = { expiresInSeconds: expiresIn, disposition, publicOrigin: context.publicOrigin };
        const { file, request } = await files.link(driveUser(principal, context), params.id, input);
        return ok('Download link', { id: file.id, downloadUrl: request.url, expiresIn });
      },
    }),
    route({
      method: 'post',
      path: '/files/:id/copy',
      operationId: 'copyDriveFile',
      tag: TAG,
      summary: 'Copy a file',
      description: 'Inside the store and the drive that it is in; costs its size on that drive’s quota.',
      access: 'verified',
      idempotent: true,
      params: schemas.fileParams,
      body: schemas.copyBody,
      bodyExample: { folderId: schemas.EXAMPLE_FOLDER.id, name: 'cat.jpg', conflict: 'keepBoth' },
      success: { 201: TAKEN_IN },
      errors: [
        'FORBIDDEN',
        'FILE_NOT_FOUND',
        ...UNREADABLE_ERRORS,
        'FOLDER_NOT_FOUND',
        'FILE_EXISTS',
        'FILE_TYPE_NOT_ALLOWED',
        'CONFLICT',
        'QUOTA_EXCEEDED',
        'STORAGE_FULL',
        'DEPENDENCY_UNAVAILABLE',
      ],
      handler: async ({ principal, params, body, context }) =>
        created('File copied', presentTakenIn(await files.copy(driveUser(principal, context), params.id, body))),
      rebuild: async ({ principal, context, subjectId }) =>
        created('File copied', await shownAgain(await files.get(driveUser(principal, context), subjectId))),
    }),
  ];
}

/** Reads the form and takes its file in; after a long transfer only if its sender still may. */
async function received(
  { confirm, req, res }: Pick<RouteInput<'verified', undefined, undefined, undefined>, 'confirm' | 'req' | 'res'>,
  stage: (part: FilePart) => Promise<StagedDriveFile>,
): Promise<TakenIn> {
  const startedAt = performance.now();
  const staged = await receiveFile(req, res, 'file', stage);
  if (performance.now() - startedAt > CONFIRM_AFTER_MS) {
    await confirm().catch(async (refusal: unknown) => {
      await staged.abort();
      throw refusal;
    });
  }
  return staged.commit();
}
