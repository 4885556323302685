import { z } from 'zod';
import { ok, type Route, route } from '../../http/route.ts';
import { scopeOf } from '../ledger/index.ts';
import type { FileVersion } from './file-version.ts';
import { freshUsage } from './fresh-usage.ts';
import type { ReadingService } from './reading.service.ts';
import { CONTENT_ERRORS, CONTENT_STREAM, sendFile } from './send-file.router.ts';
import type { SpaceService } from './space.service.ts';
import { presentFile } from './storage.presenter.ts';
import { EXAMPLE_FILE, EXAMPLE_USAGE, file, fileNameParams, usage } from './storage.schemas.ts';
import type { StorageService } from './storage.service.ts';
import * as schemas from './version.schemas.ts';
import type { VersionService } from './version.service.ts';

const TAG = 'Storage';

export interface VersionRouteDependencies {
  readonly versions: VersionService;
  readonly storage: StorageService;
  readonly reading: ReadingService;
  readonly spaces: SpaceService;
}

/** `/storage/files/:fileName/versions`: older contents, where the space keeps them. */
export function versionRoutes({ versions, storage, reading, spaces }: VersionRouteDependencies): Route[] {
  return [
    route({
      method: 'get',
      path: '/storage/files/:fileName/versions',
      operationId: 'listVersions',
      tag: TAG,
      summary: 'List a file’s versions',
      description:
        'The contents that others took the place of, newest first: as many as the space keeps. The present content is none of them.',
      access: 'space:read',
      params: fileNameParams,
      success: {
        200: {
          description: 'All versions',
          data: z.object({ versions: z.array(schemas.version) }),
          example: { versions: [schemas.EXAMPLE_VERSION] },
        },
      },
      errors: ['FILE_NOT_FOUND', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, params }) => {
        const found = await versions.list(principal.space.id, { path: params.fileName });
        return ok('Versions', { versions: found.map(presentVersion) });
      },
    }),
    route({
      method: 'get',
      path: '/storage/files/:fileName/versions/:versionId/content',
      operationId: 'downloadVersion',
      tag: TAG,
      summary: 'Download a version',
      description: 'The bytes of an older content, as `downloadFile` gives those of the present one.',
      access: 'space:read',
      params: schemas.versionParams,
      stream: CONTENT_STREAM,
      errors: ['FILE_NOT_FOUND', 'VERSION_NOT_FOUND', ...CONTENT_ERRORS, 'DEPENDENCY_UNAVAILABLE'],
      handler: ({ principal, params, context, req, res }) => {
        const ref = { path: params.fileName };
        const lookUp = () => versions.getFile(principal.space.id, ref, params.versionId);
        return sendFile({ req, res }, (choose) => reading.open(scopeOf(principal, context), ref, { choose, lookUp }));
      },
    }),
    route({
      method: 'post',
      path: '/storage/files/:fileName/versions/:versionId/restore',
      operationId: 'restoreVersion',
      tag: TAG,
      summary: 'Restore a version',
      description: 'Makes an older content the present one; the present one becomes a version. Costs no room.',
      access: 'space:write',
      params: schemas.versionParams,
      success: {
        200: {
          description: 'The file, and the usage right after',
          data: z.object({ file, usage }),
          example: { file: EXAMPLE_FILE, usage: EXAMPLE_USAGE },
        },
      },
      errors: ['FILE_NOT_FOUND', 'VERSION_NOT_FOUND', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, params, context, res }) => {
        const scope = scopeOf(principal, context);
        const id = await versions.restore(scope, { path: params.fileName }, params.versionId);
        const restored = await storage.getFile(principal.space.id, { id });
        return ok('Version restored', {
          file: presentFile(restored),
          usage: await freshUsage(spaces, { principal, res }),
        });
      },
    }),
    route({
      method: 'delete',
      path: '/storage/files/:fileName/versions/:versionId',
      operationId: 'deleteVersion',
      tag: TAG,
      summary: 'Delete a version',
      description: 'Removes an older content for good and gives its room back.',
      access: 'space:delete',
      params: schemas.versionParams,
      success: {
        200: {
          description: 'What was freed',
          data: z.object({ versionId: z.uuid(), sizeFreed: z.number().int() }),
          example: { versionId: schemas.EXAMPLE_VERSION.id, sizeFreed: schemas.EXAMPLE_VERSION.size },
        },
      },
      errors: ['FILE_NOT_FOUND', 'VERSION_NOT_FOUND', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, params, context, res }) => {
        const { fileName, versionId } = params;
        const sizeFreed = await versions.delete(scopeOf(principal, context), { path: fileName }, versionId);
        await freshUsage(spaces, { principal, res });
        return ok('Version deleted', { versionId, sizeFreed });
      },
    }),
  ];
}

function presentVersion(version: FileVersion) {
  return {
    id: version.id,
    size: version.sizeBytes,
    contentType: version.contentType,
    checksumSha256: version.sha256,
    etag: version.etag,
    status: version.status,
    uploadedAt: version.uploadedAt.toISOString(),
    replacedAt: version.replacedAt.toISOString(),
  };
}
