import { created, ok, type Route, route } from '../../http/route.ts';
import { actingUser } from '../audit/index.ts';
import { presentApiKey, presentRequest, presentRequestWithUser } from './api-key.presenter.ts';
import { idParams, pageMeta, pageQuery, unclaimedKeyExample } from './api-key.schemas.ts';
import * as schemas from './key-request.schemas.ts';
import type { KeyRequestService } from './key-request.service.ts';
import type { Decision, KeyReviewService } from './key-review.service.ts';

const TAG = 'API key requests';

/** `/apiKeys/request`: users ask for keys, admins review. */
export function keyRequestRoutes(requests: KeyRequestService, reviews: KeyReviewService): Route[] {
  return [...reviewRoutes(reviews), ...ownRequestRoutes(requests)];
}

function ownRequestRoutes(requests: KeyRequestService): Route[] {
  return [
    route({
      method: 'post',
      path: '/apiKeys/request/create',
      operationId: 'createKeyRequest',
      tag: TAG,
      summary: 'Ask for an API key',
      description: 'An admin reviews the request; the admins are told by mail.',
      access: 'verified',
      idempotent: true,
      body: schemas.createRequestBody,
      bodyExample: schemas.createRequestExample,
      success: {
        201: {
          description: 'The request, waiting for review',
          data: schemas.requestData,
          example: { request: schemas.requestExample },
        },
      },
      errors: ['DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, body, context }) => {
        const { permissions, expiresAt, ...wish } = body;
        const asker = actingUser(principal, context);
        const request = await requests.create(asker, { ...wish, permissions, expiresAt });
        return created('Request created', { request: presentRequest(request) });
      },
      rebuild: async ({ principal, subjectId }) =>
        created('Request created', { request: presentRequest(await requests.get(principal.userId, subjectId)) }),
    }),
    route({
      method: 'post',
      path: '/apiKeys/request/upgrade',
      operationId: 'createUpgradeRequest',
      tag: TAG,
      summary: 'Ask for more room in an API key',
      description:
        'New limits for an own key that is neither revoked nor expired: at least one higher than now, none lower. One at a time for each key; the admins are told by mail.',
      access: 'verified',
      idempotent: true,
      body: schemas.upgradeRequestBody,
      bodyExample: schemas.upgradeRequestBodyExample,
      success: {
        201: {
          description: 'The request, waiting for review',
          data: schemas.requestData,
          example: { request: schemas.upgradeExample },
        },
      },
      errors: ['API_KEY_NOT_FOUND', 'CONFLICT', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, body, context }) => {
        const request = await requests.upgrade(actingUser(principal, context), body);
        return created('Request created', { request: presentRequest(request) });
      },
      rebuild: async ({ principal, subjectId }) =>
        created('Request created', { request: presentRequest(await requests.get(principal.userId, subjectId)) }),
    }),
    route({
      method: 'get',
      path: '/apiKeys/request',
      operationId: 'listKeyRequests',
      tag: TAG,
      summary: 'List own requests',
      description: 'Newest first.',
      access: 'verified',
      query: pageQuery,
      success: {
        200: {
          description: 'A page of requests',
          data: schemas.requestsData,
          meta: pageMeta,
          example: { requests: [schemas.requestExample] },
        },
      },
      errors: ['DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, query }) => {
        const { limit, cursor } = query;
        const { entries, nextCursor } = await requests.list(principal.userId, { limit, cursor });
        return ok('Requests', { requests: entries.map(presentRequest) }, { nextCursor, limit });
      },
    }),
    route({
      method: 'get',
      path: '/apiKeys/request/:id',
      operationId: 'getKeyRequest',
      tag: TAG,
      summary: 'Get an own request',
      description: 'What was asked for and what became of it.',
      access: 'verified',
      params: idParams,
      success: {
        200: {
          description: 'The request',
          data: schemas.requestData,
          example: { request: schemas.approvedExample },
        },
      },
      errors: ['REQUEST_NOT_FOUND', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, params }) =>
        ok('Request', { request: presentRequest(await requests.get(principal.userId, params.id)) }),
    }),
    route({
      method: 'delete',
      path: '/apiKeys/request/:id',
      operationId: 'withdrawKeyRequest',
      tag: TAG,
      summary: 'Withdraw an own request',
      description: 'As long as nobody has reviewed it.',
      access: 'verified',
      params: idParams,
      success: {
        200: {
          description: 'The withdrawn request',
          data: schemas.requestData,
          example: { request: { ...schemas.requestExample, status: 'WITHDRAWN' } },
        },
      },
      errors: ['REQUEST_NOT_FOUND', 'ALREADY_REVIEWED', 'CONFLICT', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, params, context }) => {
        const request = await requests.withdraw(actingUser(principal, context), params.id);
        return ok('Request withdrawn', { request: presentRequest(request) });
      },
    }),
  ];
}

function reviewRoutes(reviews: KeyReviewService): Route[] {
  return [
    route({
      method: 'get',
      path: '/apiKeys/request/admin/all',
      operationId: 'listAllKeyRequests',
      tag: TAG,
      summary: 'List all requests',
      description: 'Of all users, newest first, with who asks; `meta.counts` counts them by state.',
      access: 'admin',
      query: schemas.adminListQuery,
      success: {
        200: {
          description: 'A page of requests',
          data: schemas.adminRequestsData,
          meta: schemas.adminListMeta,
          example: { requests: [schemas.requestWithUserExample] },
          metaExample: { nextCursor: null, limit: 50, counts: { PENDING: 1, APPROVED: 12, REJECTED: 3, WITHDRAWN: 0 } },
        },
      },
      errors: ['DEPENDENCY_UNAVAILABLE'],
      handler: async ({ query }) => {
        const { limit, cursor, status } = query;
        const [{ entries, nextCursor }, counts] = await Promise.all([
          reviews.list(status, { limit, cursor }),
          reviews.countByStatus(),
        ]);
        return ok('Requests', { requests: entries.map(presentRequestWithUser) }, { nextCursor, limit, counts });
      },
    }),
    route({
      method: 'patch',
      path: '/apiKeys/request/admin/review/:id',
      operationId: 'reviewKeyRequest',
      tag: TAG,
      summary: 'Approve or reject a request',
      description:
        'Once. An approval makes the key and its pocket, with what was asked for or less; the requester is told by mail and claims the secret, which nobody else ever sees. Approving an upgrade gives the key more room at once and never takes any away.',
      access: 'admin',
      params: idParams,
      body: schemas.reviewBody,
      bodyExample: schemas.reviewExample,
      success: {
        200: {
          description: 'The reviewed request and, when approved, the key',
          data: schemas.reviewData,
          example: {
            request: { ...schemas.requestWithUserExample, ...schemas.approvedExample },
            apiKey: unclaimedKeyExample,
          },
        },
      },
      errors: ['REQUEST_NOT_FOUND', 'ALREADY_REVIEWED', 'CONFLICT', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, params, body, context }) => {
        const comment = body.reviewerComment ?? null;
        const decision: Decision = body.approved
          ? {
              approved: true,
              comment,
              grantedStorageGB: body.grantedStorageGB,
              grantedObjects: body.grantedObjects,
              expiresAt: body.expiresAt,
            }
          : { approved: false, comment };
        const { request, apiKey } = await reviews.review(params.id, decision, actingUser(principal, context));
        return ok(body.approved ? 'Request approved' : 'Request rejected', {
          request: presentRequestWithUser(request),
          apiKey: apiKey && presentApiKey(apiKey),
        });
      },
    }),
  ];
}
