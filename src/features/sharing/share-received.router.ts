import { z } from 'zod';
import { ok, type Route, route } from '../../http/route.ts';
import { actingUser } from '../audit/index.ts';
import { presentReceivedShare } from './share.presenter.ts';
import * as schemas from './share.schemas.ts';
import type { ReceivedShareService } from './share-received.service.ts';

const TAG = 'Sharing';

/** `/shared-with-me` */
export function receivedShareRoutes(received: ReceivedShareService): Route[] {
  return [
    route({
      method: 'get',
      path: '/shared-with-me',
      operationId: 'listSharedWithMe',
      tag: TAG,
      summary: 'List what others share with me',
      description:
        'Newest first: files and folders that are there now, of people who are, by shares that are not over. A page may be short and have a next one all the same: `nextCursor` tells.',
      access: 'verified',
      query: schemas.pageQuery,
      success: {
        200: {
          description: 'A page of shares',
          data: schemas.receivedSharesData,
          meta: schemas.pageMeta,
          example: { shares: [schemas.receivedShareExample] },
        },
      },
      errors: ['DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, query }) => {
        const { limit, cursor } = query;
        const { entries, nextCursor } = await received.list(principal.userId, { limit, cursor });
        return ok('Shared with me', { shares: entries.map(presentReceivedShare) }, { nextCursor, limit });
      },
    }),
    route({
      method: 'delete',
      path: '/shared-with-me/:shareId',
      operationId: 'leaveShare',
      tag: TAG,
      summary: 'Leave a share',
      description: 'Ends what somebody else shares with me; only its owner can share it again.',
      access: 'verified',
      params: schemas.receivedIdParams,
      success: { 200: { description: 'It is shared no more', data: z.null(), example: null } },
      errors: ['SHARE_NOT_FOUND', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, params, context }) => {
        await received.leave(actingUser(principal, context), params.shareId);
        return ok('Share left', null);
      },
    }),
  ];
}
