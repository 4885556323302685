import { created, ok, type Route, route } from '../../http/route.ts';
import { actingUser } from '../audit/index.ts';
import { presentShare } from './share.presenter.ts';
import * as schemas from './share.schemas.ts';
import type { ShareService } from './share.service.ts';

const TAG = 'Sharing';

/** `/shares`: what somebody shares of the own drive. Comes after the routes of `/shares/links`, which `:id` would match. */
export function shareRoutes(shares: ShareService): Route[] {
  return [
    route({
      method: 'post',
      path: '/shares',
      operationId: 'createShare',
      tag: TAG,
      summary: 'Share with a person',
      description:
        'A file, or a folder with all below it now and later, of the own drive. The answer is the same whether anybody has the address or not: an e-mail address waits until somebody proves to have it; a username that nobody has is never given what was meant for somebody else. It stays with the person, also when that one changes the address. Up to 100 shares of one thing and 10,000 altogether.',
      access: 'verified',
      idempotent: true,
      body: schemas.createShareBody,
      bodyExample: schemas.createShareExample,
      success: {
        201: { description: 'The share', data: schemas.shareData, example: { share: schemas.shareExample } },
      },
      errors: ['FILE_NOT_FOUND', 'FOLDER_NOT_FOUND', 'SHARE_EXISTS', 'CONFLICT', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, body, context }) => {
        const sharer = { ...actingUser(principal, context), spaceId: principal.space.id };
        return created('Shared', { share: presentShare(await shares.create(sharer, body)) });
      },
      rebuild: async ({ principal, subjectId }) =>
        created('Shared', { share: presentShare(await shares.get(principal.userId, subjectId)) }),
    }),
    route({
      method: 'get',
      path: '/shares',
      operationId: 'listShares',
      tag: TAG,
      summary: 'List what is shared with people',
      description: 'Newest first, those that are over too, and those of files in the trash, which come back with them.',
      access: 'verified',
      query: schemas.listSharesQuery,
      success: {
        200: {
          description: 'A page of shares',
          data: schemas.sharesData,
          meta: schemas.pageMeta,
          example: { shares: [schemas.shareExample] },
        },
      },
      errors: ['DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, query }) => {
        const { fileId, folderId, limit, cursor } = query;
        const { entries, nextCursor } = await shares.list(principal.userId, fileId ?? folderId, { limit, cursor });
        return ok('Shares', { shares: entries.map(presentShare) }, { nextCursor, limit });
      },
    }),
    route({
      method: 'patch',
      path: '/shares/:id',
      operationId: 'changeShare',
      tag: TAG,
      summary: 'Change a share',
      description: 'Another permission or another end. Holds at the next request, in every process.',
      access: 'verified',
      params: schemas.shareIdParams,
      body: schemas.changeShareBody,
      bodyExample: schemas.changeShareExample,
      success: {
        200: {
          description: 'The changed share',
          data: schemas.shareData,
          example: { share: { ...schemas.shareExample, permission: 'EDIT' } },
        },
      },
      errors: ['SHARE_NOT_FOUND', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, params, body, context }) => {
        const { permission, expiresAt } = body;
        const share = await shares.change(actingUser(principal, context), params.id, { permission, expiresAt });
        return ok('Share changed', { share: presentShare(share) });
      },
    }),
    route({
      method: 'delete',
      path: '/shares/:id',
      operationId: 'deleteShare',
      tag: TAG,
      summary: 'End a share',
      description: 'The next request by it fails, in every process.',
      access: 'verified',
      params: schemas.shareIdParams,
      success: {
        200: { description: 'The share as it was', data: schemas.shareData, example: { share: schemas.shareExample } },
      },
      errors: ['SHARE_NOT_FOUND', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, params, context }) =>
        ok('Share ended', { share: presentShare(await shares.delete(actingUser(principal, context), params.id)) }),
    }),
  ];
}
