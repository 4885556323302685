import { pageMeta } from '../../http/paging.ts';
import { created, ok, type Reply, type Route, route } from '../../http/route.ts';
import { type AuditOrigin, actingUser } from '../audit/index.ts';
import { presentLink } from './link.presenter.ts';
import * as schemas from './link.schemas.ts';
import type { LinkOwner, LinkService } from './link.service.ts';
import type { ShareLink } from './link.ts';

const TAG = 'Sharing';

/** `/shares/links`: the public links of the own drive. */
export function linkRoutes(links: LinkService): Route[] {
  return [
    route({
      method: 'post',
      path: '/shares/links',
      operationId: 'createLink',
      tag: TAG,
      summary: 'Make a public link',
      description:
        'Opens a file, or a folder with all below it now and later, to everybody who has the link. With `allowUpload` it is a drop: it takes files into the folder, shows and gives none, and its room is taken from the quota at once. The token is shown this once.',
      access: 'verified',
      idempotent: true,
      body: schemas.createBody,
      bodyExample: schemas.createExample,
      success: {
        201: { description: 'The link and its token', data: schemas.createdData, example: schemas.createdExample },
      },
      errors: ['FILE_NOT_FOUND', 'FOLDER_NOT_FOUND', 'CONFLICT', 'QUOTA_EXCEEDED', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, body, context }) => {
        const { publicOrigin } = context;
        return madeLink(await links.create(ownerOf(principal, context), body), publicOrigin);
      },
      rebuild: async ({ principal, subjectId, secret, context }) => {
        const { token } = schemas.keptToken.parse(secret);
        return madeLink({ link: await links.get(principal.userId, subjectId), token }, context.publicOrigin);
      },
    }),
    route({
      method: 'get',
      path: '/shares/links',
      operationId: 'listLinks',
      tag: TAG,
      summary: 'List own public links',
      description: 'Newest first, those that have expired or are used up too, until they are revoked.',
      access: 'verified',
      query: schemas.listQuery,
      success: {
        200: {
          description: 'A page of links',
          data: schemas.linksData,
          meta: pageMeta,
          example: { links: [schemas.linkExample] },
        },
      },
      errors: ['DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, query }) => {
        const { fileId, folderId, limit, cursor } = query;
        const { entries, nextCursor } = await links.list(principal.userId, { fileId, folderId, limit, cursor });
        return ok('Links', { links: entries.map(presentLink) }, { nextCursor, limit });
      },
    }),
    route({
      method: 'delete',
      path: '/shares/links/:id',
      operationId: 'revokeLink',
      tag: TAG,
      summary: 'Revoke a public link',
      description:
        'Its next request fails, in every process; what is coming by a drop does not land, and the room left of it is free again.',
      access: 'verified',
      params: schemas.idParams,
      success: {
        200: { description: 'The link as it was', data: schemas.linkData, example: { link: schemas.linkExample } },
      },
      errors: ['LINK_NOT_FOUND', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, params, context }) =>
        ok('Link revoked', { link: presentLink(await links.revoke(ownerOf(principal, context), params.id)) }),
    }),
  ];
}

function madeLink({ link, token }: { readonly link: ShareLink; readonly token: string }, publicOrigin: string): Reply {
  const url = `${publicOrigin}/s/${token}`;
  return created('Keep the link: it is not shown again', { link: presentLink(link), url, token });
}

function ownerOf(
  principal: Parameters<typeof actingUser>[0] & { readonly space: { readonly id: string } },
  context: AuditOrigin,
): LinkOwner {
  return { ...actingUser(principal, context), spaceId: principal.space.id };
}
