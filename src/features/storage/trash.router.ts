import { z } from 'zod';
import { pageMeta } from '../../http/paging.ts';
import { accepted, ok, type Route, route } from '../../http/route.ts';
import type { Clock } from '../../platform/clock/clock.ts';
import { assertMay } from '../access/index.ts';
import { scopeOf } from '../ledger/index.ts';
import { freshUsage } from './fresh-usage.ts';
import { EXAMPLE_JOB_ID } from './operation.schemas.ts';
import type { SpaceService } from './space.service.ts';
import { presentFile } from './storage.presenter.ts';
import { EXAMPLE_FILE, EXAMPLE_USAGE, file, usage } from './storage.schemas.ts';
import type { StorageService } from './storage.service.ts';
import { presentRestoration, presentTrashed } from './trash.presenter.ts';
import * as schemas from './trash.schemas.ts';
import type { TrashService } from './trash.service.ts';

const TAG = 'Storage';

export interface TrashRouteDependencies {
  readonly trash: TrashService;
  readonly storage: StorageService;
  readonly spaces: SpaceService;
  readonly clock: Clock;
}

/** `/storage/trash`: what was deleted and may come back. */
export function trashRoutes(deps: TrashRouteDependencies): Route[] {
  return [...readingRoutes(deps), ...restoringRoutes(deps), ...removingRoutes(deps)];
}

function readingRoutes({ trash }: TrashRouteDependencies): Route[] {
  return [
    route({
      method: 'get',
      path: '/storage/trash',
      operationId: 'listTrash',
      tag: TAG,
      summary: 'List the trash',
      description:
        'A page of what was deleted, newest first, with the time when it goes for good. One name may be there several times.',
      access: 'space:list',
      query: schemas.trashQuery,
      success: {
        200: {
          description: 'A page of files',
          data: z.object({ files: z.array(schemas.trashedFile) }),
          meta: pageMeta,
          example: { files: [schemas.EXAMPLE_TRASHED] },
        },
      },
      errors: ['DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, query }) => {
        const { prefix, limit, cursor } = query;
        const { entries, nextCursor } = await trash.list(principal.space.id, { prefix, limit, cursor });
        const total = prefix === '' ? { total: principal.space.trashObjects } : {};
        return ok('Trash', { files: entries.map(presentTrashed) }, { nextCursor, limit, ...total });
      },
    }),
  ];
}

function restoringRoutes({ trash, storage, spaces }: TrashRouteDependencies): Route[] {
  return [
    route({
      method: 'post',
      path: '/storage/trash/restore',
      operationId: 'restoreManyFromTrash',
      tag: TAG,
      summary: 'Restore many files',
      description:
        'Brings up to 1000 files back, or of each name below a prefix what was deleted last; more than 1000 names below a prefix become a job. Of several files of one name the last deleted gets it. A key needs the permission `delete` as well for `replace`.',
      access: 'space:write',
      body: schemas.restoreManyBody,
      bodyExample: { ids: [EXAMPLE_FILE.id], conflict: 'keepBoth' },
      success: {
        200: {
          description: 'What came back and what could not',
          data: schemas.restorationData,
          example: {
            restored: [{ id: EXAMPLE_FILE.id, fileName: 'photos/2026/cat.jpg' }],
            failed: [],
            summary: { requested: 1, restored: 1, failed: 0 },
          },
        },
        202: {
          description: 'More than 1000 files: a job restores them',
          data: z.object({ jobId: z.string() }),
          example: { jobId: EXAMPLE_JOB_ID },
        },
      },
      errors: ['CONFLICT', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, body, context, res }) => {
        const { conflict } = body;
        if (conflict === 'replace') assertMay(principal, 'delete');
        const scope = scopeOf(principal, context);
        const outcome =
          'ids' in body
            ? { restoration: await trash.restoreMany(scope, body.ids, conflict) }
            : await trash.restorePrefix(scope, body.prefix, conflict);
        if ('jobId' in outcome) return accepted('The files are being restored', { jobId: outcome.jobId });
        await freshUsage(spaces, { principal, res });
        return ok('Files restored', presentRestoration(outcome.restoration));
      },
    }),
    route({
      method: 'post',
      path: '/storage/trash/:id/restore',
      operationId: 'restoreFromTrash',
      tag: TAG,
      summary: 'Restore a file',
      description:
        'Brings a file back to where it was, with id, tags, versions and shares. It costs nothing: in the trash it counted already. A key needs the permission `delete` as well for `replace`.',
      access: 'space:write',
      params: schemas.trashParams,
      body: schemas.restoreBody,
      bodyExample: { conflict: 'keepBoth' },
      success: {
        200: {
          description: 'The file, and the usage right after',
          data: z.object({ file, usage }),
          example: { file: EXAMPLE_FILE, usage: EXAMPLE_USAGE },
        },
      },
      errors: ['FILE_NOT_FOUND', 'FILE_EXISTS', 'CONFLICT', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, params, body, context, res }) => {
        if (body.conflict === 'replace') assertMay(principal, 'delete');
        await trash.restore(scopeOf(principal, context), params.id, body.conflict);
        const restored = await storage.getFile(principal.space.id, { id: params.id });
        return ok('File restored', {
          file: presentFile(restored),
          usage: await freshUsage(spaces, { principal, res }),
        });
      },
    }),
  ];
}

function removingRoutes({ trash, spaces, clock }: TrashRouteDependencies): Route[] {
  return [
    route({
      method: 'delete',
      path: '/storage/trash/:id',
      operationId: 'deleteFromTrash',
      tag: TAG,
      summary: 'Delete a file for good',
      description: 'Removes a file from the trash, with its versions, and gives its room back.',
      access: 'space:delete',
      params: schemas.trashParams,
      success: {
        200: {
          description: 'What was freed',
          data: schemas.purgeData,
          example: { fileName: 'photos/2026/cat.jpg', sizeFreed: 48213, deletedAt: '2026-11-21T09:05:00.000Z' },
        },
      },
      errors: ['FILE_NOT_FOUND', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, params, context, res }) => {
        const gone = await trash.purge(scopeOf(principal, context), params.id);
        await freshUsage(spaces, { principal, res });
        const deletedAt = clock.now().toISOString();
        return ok('File deleted for good', { fileName: gone.path, sizeFreed: gone.freedBytes, deletedAt });
      },
    }),
    route({
      method: 'delete',
      path: '/storage/trash',
      operationId: 'emptyTrash',
      tag: TAG,
      summary: 'Empty the trash',
      description: 'Removes for good all that is in the trash now; more than 1000 files become a job.',
      access: 'space:delete',
      success: {
        200: {
          description: 'What was freed',
          data: schemas.emptyData,
          example: { summary: { deleted: 12, sizeFreed: 48213 } },
        },
        202: {
          description: 'More than 1000 files: a job deletes them',
          data: z.object({ jobId: z.string() }),
          example: { jobId: EXAMPLE_JOB_ID },
        },
      },
      errors: ['CONFLICT', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, context, res }) => {
        const outcome = await trash.empty(scopeOf(principal, context));
        if ('jobId' in outcome) return accepted('The trash is being emptied', { jobId: outcome.jobId });
        await freshUsage(spaces, { principal, res });
        return ok('Trash emptied', { summary: { deleted: outcome.files, sizeFreed: outcome.freedBytes } });
      },
    }),
  ];
}
