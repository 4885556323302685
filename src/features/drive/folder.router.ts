import { create } from 'content-disposition';
import { z } from 'zod';
import { sendContent } from '../../http/content.ts';
import { pageMeta } from '../../http/paging.ts';
import { accepted, created, ok, type Route, route } from '../../http/route.ts';
import type { Clock } from '../../platform/clock/clock.ts';
import { presentFolderGrant, presentLevel } from './drive.presenter.ts';
import * as schemas from './drive.schemas.ts';
import { driveUser } from './drive-user.ts';
import type { FolderService } from './folder.service.ts';

const TAG = 'Drive';
const EXAMPLE_JOB_ID = '019aa2f4-7d1c-7e5a-9a55-0c6f1b1f6a02';

export interface FolderRouteDependencies {
  readonly folders: FolderService;
  readonly clock: Clock;
}

/** `/drive`: folders of the own drive, and of what others share. */
export function folderRoutes({ folders, clock }: FolderRouteDependencies): Route[] {
  return [
    route({
      method: 'post',
      path: '/drive',
      operationId: 'createFolder',
      tag: TAG,
      summary: 'Make a folder',
      description: 'It is there until it is deleted, with something in it or not.',
      access: 'verified',
      idempotent: true,
      body: schemas.folderBody,
      bodyExample: { name: '2026', parentId: schemas.EXAMPLE_FOLDER.parentId },
      success: {
        201: {
          description: 'The folder',
          data: z.object({ folder: schemas.folder }),
          example: { folder: schemas.EXAMPLE_FOLDER },
        },
      },
      errors: ['FOLDER_NOT_FOUND', 'FORBIDDEN', 'FOLDER_EXISTS', 'CONFLICT', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, body, context }) => {
        const { name, parentId = null } = body;
        const folder = await folders.create(driveUser(principal, context), { name, parentId });
        return created('Folder made', presentFolderGrant(folder));
      },
      rebuild: async ({ principal, context, subjectId }) =>
        created('Folder made', presentFolderGrant(await folders.get(driveUser(principal, context), subjectId))),
      mayReplay: ({ principal, body, context }) =>
        folders.assertTakes(driveUser(principal, context), body.parentId ?? null),
    }),
    route({
      method: 'get',
      path: '/drive',
      operationId: 'listDrive',
      tag: TAG,
      summary: 'List the own drive',
      description: 'What lies directly in it: first the folders, on as many pages as they need, then the files.',
      access: 'verified',
      query: schemas.levelQuery,
      success: {
        200: {
          description: 'A page of folders and files',
          data: schemas.levelData,
          meta: pageMeta,
          example: { ...schemas.EXAMPLE_LEVEL, folder: null, path: [] },
        },
      },
      errors: ['DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, query, context }) => {
        const level = await folders.list(driveUser(principal, context), null, query);
        return ok('Drive', presentLevel(level), { nextCursor: level.nextCursor, limit: query.limit });
      },
    }),
    route({
      method: 'get',
      path: '/drive/:folderId',
      operationId: 'listFolder',
      tag: TAG,
      summary: 'List a folder',
      description:
        'What lies directly in it: first the folders, on as many pages as they need, then the files. Also of folders that others share.',
      access: 'verified',
      params: schemas.folderParams,
      query: schemas.levelQuery,
      success: {
        200: {
          description: 'The folder, where it is, and a page of what is in it',
          data: schemas.levelData,
          meta: pageMeta,
          example: schemas.EXAMPLE_LEVEL,
        },
      },
      errors: ['FOLDER_NOT_FOUND', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, params, query, context }) => {
        const level = await folders.list(driveUser(principal, context), params.folderId, query);
        return ok('Folder', presentLevel(level), { nextCursor: level.nextCursor, limit: query.limit });
      },
    }),
    route({
      method: 'get',
      path: '/drive/:folderId/zip',
      operationId: 'zipFolder',
      tag: TAG,
      summary: 'Download a folder as a ZIP',
      description: 'Streams a ZIP64 of up to 100,000 files below the folder, as `/storage/files/zip` does of a prefix.',
      access: 'verified',
      params: schemas.folderParams,
      query: schemas.zipQuery,
      stream: {
        content: { 'application/zip': 'PK...' },
        statuses: { 200: 'The ZIP, of a length that is not known before' },
      },
      errors: ['FOLDER_NOT_FOUND', 'FILE_NOT_FOUND', 'CONFLICT', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, params, query, context, stillMay, req, res }) => {
        const user = driveUser(principal, context);
        const wish = { ...query, stillMay };
        const zip =
          req.method === 'HEAD'
            ? { name: await folders.zipName(user, params.folderId, wish), body: undefined }
            : await folders.zip(user, params.folderId, wish);
        res.setHeader('Content-Type', 'application/zip');
        res.setHeader('Content-Disposition', create(zip.name, { type: 'attachment' }));
        await sendContent(res, zip.body);
        return undefined;
      },
    }),
    route({
      method: 'patch',
      path: '/drive/:folderId',
      operationId: 'changeFolder',
      tag: TAG,
      summary: 'Rename or move a folder',
      description:
        'With everything below it, at once; never into itself. With more than 100,000 files below, the folders move at once and a job brings the files after them.',
      access: 'verified',
      params: schemas.folderParams,
      body: schemas.changeFolderBody,
      bodyExample: { name: '2026', parentId: schemas.EXAMPLE_FOLDER.parentId },
      success: {
        200: {
          description: 'The folder as it is now',
          data: z.object({ folder: schemas.folder }),
          example: { folder: schemas.EXAMPLE_FOLDER },
        },
        202: {
          description: 'The folder as it is now; a job brings its files after it',
          data: z.object({ folder: schemas.folder, jobId: z.uuid() }),
          example: { folder: schemas.EXAMPLE_FOLDER, jobId: EXAMPLE_JOB_ID },
        },
      },
      errors: ['FOLDER_NOT_FOUND', 'FORBIDDEN', 'FOLDER_EXISTS', 'CONFLICT', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, params, body, context }) => {
        const { jobId, ...grant } = await folders.change(driveUser(principal, context), params.folderId, body);
        return jobId === null
          ? ok('Folder changed', presentFolderGrant(grant))
          : accepted('The files are being moved', { ...presentFolderGrant(grant), jobId });
      },
    }),
    route({
      method: 'delete',
      path: '/drive/:folderId',
      operationId: 'deleteFolder',
      tag: TAG,
      summary: 'Delete a folder',
      description:
        'With everything below it; files go into the trash. With more than 1000 files below, the folders go at once and a job deletes the files.',
      access: 'verified',
      params: schemas.folderParams,
      success: {
        200: {
          description: 'How many files went with it, and what that freed at once',
          data: schemas.deletedFolderData,
          example: {
            folderId: schemas.EXAMPLE_FOLDER.id,
            files: 12,
            sizeFreed: 0,
            deletedAt: '2026-11-21T09:05:00.000Z',
          },
        },
        202: {
          description: 'More than 1000 files: a job deletes them',
          data: z.object({ jobId: z.uuid() }),
          example: { jobId: EXAMPLE_JOB_ID },
        },
      },
      errors: ['FOLDER_NOT_FOUND', 'FORBIDDEN', 'CONFLICT', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, params, context }) => {
        const { folderId } = params;
        const deletion = await folders.delete(driveUser(principal, context), folderId);
        if (deletion.outcome === 'begun') return accepted('The files are being deleted', { jobId: deletion.jobId });
        const { files, freedBytes: sizeFreed } = deletion;
        return ok('Folder deleted', { folderId, files, sizeFreed, deletedAt: clock.now().toISOString() });
      },
    }),
  ];
}
