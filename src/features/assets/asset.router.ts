import { z } from 'zod';
import { pageMeta } from '../../http/paging.ts';
import type { RequestContext } from '../../http/request-context.ts';
import { accepted, ok, type Route, route } from '../../http/route.ts';
import type { Clock } from '../../platform/clock/clock.ts';
import { assertMay, may, type Principal } from '../access/index.ts';
import { scopeOf } from '../ledger/index.ts';
import {
  CONTENT_ERRORS,
  CONTENT_STREAM,
  changeBody,
  deleteQuery,
  freshUsage,
  livingFiles,
  presentDeletedFile,
  type ReadingService,
  type SpaceService,
  sendFile,
  showFreed,
  UNREADABLE_ERRORS,
} from '../storage/index.ts';
import { presentAsset } from './asset.presenter.ts';
import * as schemas from './asset.schemas.ts';
import type { AssetService } from './asset.service.ts';
import type { AssetView } from './asset.ts';

const TAG = 'Assets';
const data = z.object({ asset: schemas.asset });
const example = { asset: schemas.EXAMPLE_ASSET };

export interface AssetRouteDependencies {
  readonly assets: AssetService;
  readonly reading: ReadingService;
  readonly spaces: SpaceService;
  readonly clock: Clock;
}

/** `/assets`: the files of a pocket or drive by id, with what was made of their contents. */
export function assetRoutes({ assets, reading, spaces, clock }: AssetRouteDependencies): Route[] {
  return [
    route({
      method: 'get',
      path: '/assets',
      operationId: 'listAssets',
      tag: TAG,
      summary: 'List assets',
      description:
        'A page of the space’s files, newest first, with thumbnails and metadata; a key without the permission `read` gets neither, and `search` finds names only. A filtered page may be short, even empty, while `nextCursor` leads on.',
      access: 'space:list',
      query: schemas.listQuery,
      success: {
        200: {
          description: 'A page of assets',
          data: z.object({ assets: z.array(schemas.asset) }),
          meta: pageMeta,
          example: { assets: [schemas.EXAMPLE_ASSET] },
        },
      },
      errors: ['DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, query, context }) => {
        const page = await assets.list(principal.space.id, query, viewOf(principal, context));
        const isFiltered = [query.status, query.category, query.search, query.tag].some((value) => value !== undefined);
        const total = isFiltered ? {} : { total: livingFiles(principal.space) };
        const meta = { nextCursor: page.nextCursor, limit: query.limit, ...total };
        return ok('Assets', { assets: page.assets.map(presentAsset) }, meta);
      },
    }),
    route({
      method: 'get',
      path: '/assets/:id',
      operationId: 'getAsset',
      tag: TAG,
      summary: 'Get an asset',
      description: 'All that is known of a file but its bytes, and links to its thumbnails that need no credentials.',
      access: 'space:read',
      params: schemas.assetParams,
      success: { 200: { description: 'The asset', data, example } },
      errors: ['FILE_NOT_FOUND', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, params, context }) => {
        const asset = await assets.get(principal.space.id, params.id, viewOf(principal, context));
        return ok('Asset', { asset: presentAsset(asset) });
      },
    }),
    route({
      method: 'patch',
      path: '/assets/:id',
      operationId: 'changeAsset',
      tag: TAG,
      summary: 'Rename, move or tag an asset',
      description:
        'As `changeFile`, by id. No bytes are copied, and thumbnails stay; a key without the permission `read` is not shown them. A key needs the permission `delete` as well to replace the file that has the new name.',
      access: 'space:write',
      params: schemas.assetParams,
      body: changeBody,
      bodyExample: { fileName: 'photos/cats/cat.jpg', tags: ['cats', 'year=2026'], conflict: 'fail' },
      success: { 200: { description: 'The asset as it is now', data, example } },
      errors: ['FILE_NOT_FOUND', 'FILE_EXISTS', 'FILE_TYPE_NOT_ALLOWED', 'CONFLICT', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, params, body, context, res }) => {
        if (body.conflict === 'replace') assertMay(principal, 'delete');
        const view = viewOf(principal, context);
        const asset = await assets.change(scopeOf(principal, context), params.id, { input: body, view });
        if (body.conflict === 'replace') await freshUsage(spaces, { principal, res });
        return ok('Asset changed', { asset: presentAsset(asset) });
      },
    }),
    route({
      method: 'delete',
      path: '/assets/:id',
      operationId: 'deleteAsset',
      tag: TAG,
      summary: 'Delete an asset',
      description:
        'As `deleteFile`, by id: into the trash where the space keeps one, unless `permanent`. Thumbnails go with the content.',
      access: 'space:delete',
      params: schemas.assetParams,
      query: deleteQuery,
      success: {
        200: {
          description: 'What was freed',
          data: z.object({
            id: z.uuid(),
            fileName: z.string(),
            sizeFreed: z.number().int(),
            trashed: z.boolean(),
            deletedAt: z.iso.datetime(),
          }),
          example: {
            id: schemas.EXAMPLE_ASSET.id,
            fileName: schemas.EXAMPLE_ASSET.fileName,
            sizeFreed: schemas.EXAMPLE_ASSET.size,
            trashed: false,
            deletedAt: '2026-11-21T09:05:00.000Z',
          },
        },
      },
      errors: ['FILE_NOT_FOUND', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, params, query, context, res }) => {
        const gone = await assets.delete(scopeOf(principal, context), params.id, query);
        await showFreed(spaces, { principal, res }, [gone]);
        const deletedAt = clock.now().toISOString();
        return ok('Asset deleted', { id: params.id, ...presentDeletedFile(gone), deletedAt });
      },
    }),
    route({
      method: 'get',
      path: '/assets/:id/content',
      operationId: 'downloadAsset',
      tag: TAG,
      summary: 'Download an asset',
      description: 'The bytes through the API, as `downloadFile` gives them: ranges, preconditions, HEAD.',
      access: 'space:read',
      params: schemas.assetParams,
      stream: CONTENT_STREAM,
      errors: ['FILE_NOT_FOUND', ...CONTENT_ERRORS, 'DEPENDENCY_UNAVAILABLE'],
      handler: ({ principal, params, context, req, res }) => {
        const lookUp = () => assets.getFile(principal.space.id, params.id);
        return sendFile({ req, res }, (choose) =>
          reading.open(scopeOf(principal, context), { id: params.id }, { choose, lookUp }),
        );
      },
    }),
    route({
      method: 'post',
      path: '/assets/:id/process',
      operationId: 'processAsset',
      tag: TAG,
      summary: 'Process an asset once more',
      description:
        'Has thumbnails and metadata made of the present content: of files that were there before this server made any, and after a failure that was not the file’s; after one that was, it is 409 CONFLICT until the file has another content. Spaces take turns: whoever has little waiting goes first. What is there of it is shown until then; while it waits already, nothing more happens.',
      access: 'space:write',
      limit: 'upload',
      params: schemas.assetParams,
      success: {
        202: {
          description: 'It waits for a worker',
          data,
          example: { asset: { ...schemas.EXAMPLE_ASSET, processing: { state: 'PENDING', error: null } } },
        },
      },
      errors: ['FILE_NOT_FOUND', 'FILE_TYPE_NOT_ALLOWED', 'CONFLICT', ...UNREADABLE_ERRORS, 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, params, context }) => {
        const asset = await assets.process(scopeOf(principal, context), params.id, viewOf(principal, context));
        return accepted('The asset is being processed', { asset: presentAsset(asset) });
      },
    }),
  ];
}

function viewOf(principal: Principal, { publicOrigin }: Pick<RequestContext, 'publicOrigin'>): AssetView {
  return { publicOrigin, mayRead: may(principal, 'read') };
}
