import { z } from 'zod';
import { created, ok, type Route, route } from '../../http/route.ts';
import { setQuotaHeaders } from '../../http/router.ts';
import { assertMay } from '../access/index.ts';
import { scopeOf } from '../ledger/index.ts';
import { changeBody, copyBody } from './change.schemas.ts';
import { freshUsage } from './fresh-usage.ts';
import { UNREADABLE_ERRORS } from './send-file.router.ts';
import type { SpaceService } from './space.service.ts';
import { presentFile, presentUsage } from './storage.presenter.ts';
import * as schemas from './storage.schemas.ts';
import type { StorageService } from './storage.service.ts';

const TAG = 'Storage';

/** `/storage`: names and tags of files that are there, and copies of them. */
export function changeRoutes(storage: StorageService, spaces: SpaceService): Route[] {
  return [
    route({
      method: 'patch',
      path: '/storage/files/:fileName',
      operationId: 'changeFile',
      tag: TAG,
      summary: 'Rename, move or tag a file',
      description:
        'No bytes are copied: id, ETag, Last-Modified, versions and shares stay. A key needs the permission `delete` as well to replace the file that has the new name.',
      access: 'space:write',
      params: schemas.fileNameParams,
      body: changeBody,
      bodyExample: { fileName: 'photos/cats/cat.jpg', tags: ['cats', 'year=2026'], conflict: 'fail' },
      success: {
        200: {
          description: 'The file as it is now',
          data: z.object({ file: schemas.file }),
          example: { file: { ...schemas.EXAMPLE_FILE, fileName: 'photos/cats/cat.jpg' } },
        },
      },
      errors: ['FILE_NOT_FOUND', 'FILE_EXISTS', 'FILE_TYPE_NOT_ALLOWED', 'CONFLICT', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, params, body, context, res }) => {
        if (body.conflict === 'replace') assertMay(principal, 'delete');
        const file = await storage.change(scopeOf(principal, context), { path: params.fileName }, body);
        if (body.conflict === 'replace') await freshUsage(spaces, { principal, res });
        return ok('File changed', { file: presentFile(file) });
      },
    }),
    route({
      method: 'post',
      path: '/storage/copy',
      operationId: 'copyFile',
      tag: TAG,
      summary: 'Copy a file',
      description:
        'Inside the store: no bytes pass the API. The copy has the tags and pays quota as an upload does; versions are not copied.',
      access: 'space:read+write',
      idempotent: true,
      limit: 'upload',
      body: copyBody,
      bodyExample: { from: 'photos/2026/cat.jpg', to: 'photos/cats/cat.jpg', conflict: 'fail' },
      success: {
        201: {
          description: 'The copy, and the usage right after',
          data: z.object({ file: schemas.file, usage: schemas.usage }),
          example: {
            file: { ...schemas.EXAMPLE_FILE, fileName: 'photos/cats/cat.jpg' },
            usage: schemas.EXAMPLE_USAGE,
          },
        },
      },
      errors: [
        'FILE_NOT_FOUND',
        ...UNREADABLE_ERRORS,
        'FILE_EXISTS',
        'FILE_TYPE_NOT_ALLOWED',
        'CONFLICT',
        'QUOTA_EXCEEDED',
        'STORAGE_FULL',
        'DEPENDENCY_UNAVAILABLE',
      ],
      handler: async ({ principal, body, context, res }) => {
        const { from, to, conflict } = body;
        const file = await storage.copy(scopeOf(principal, context), { path: from }, { to, conflict });
        setQuotaHeaders(res, { space: { ...principal.space, ...file.counters } });
        return created('File copied', {
          file: presentFile(file),
          usage: presentUsage(file.counters, file.uploadedAt),
        });
      },
      rebuild: async ({ principal, res, subjectId }) => {
        const file = presentFile(await storage.getFile(principal.space.id, { id: subjectId }));
        return created('File copied', { file, usage: await freshUsage(spaces, { principal, res }) });
      },
    }),
  ];
}
