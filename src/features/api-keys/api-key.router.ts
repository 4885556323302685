import { ok, type Route, route } from '../../http/route.ts';
import { actorOf } from '../audit/index.ts';
import { EXAMPLE_USAGE_DATA, presentQuotaUsage, usageData } from '../storage/index.ts';
import { presentApiKey } from './api-key.presenter.ts';
import * as schemas from './api-key.schemas.ts';
import type { ApiKeyService } from './api-key.service.ts';

const TAG = 'API keys';

/** `/apiKeys`: a user's own keys. Comes after the routes of `/apiKeys/request`, which `:id` would match. */
export function apiKeyRoutes(keys: ApiKeyService): Route[] {
  return [
    route({
      method: 'get',
      path: '/apiKeys',
      operationId: 'listApiKeys',
      tag: TAG,
      summary: 'List own keys',
      description: 'Newest first, revoked and expired ones too.',
      access: 'verified',
      query: schemas.pageQuery,
      success: {
        200: {
          description: 'A page of keys',
          data: schemas.apiKeysData,
          meta: schemas.pageMeta,
          example: { apiKeys: [schemas.apiKeyExample] },
        },
      },
      errors: ['DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, query }) => {
        const { limit, cursor } = query;
        const { entries, nextCursor } = await keys.list(principal.userId, { limit, cursor });
        return ok('API keys', { apiKeys: entries.map(presentApiKey) }, { nextCursor, limit });
      },
    }),
    route({
      method: 'get',
      path: '/apiKeys/:id',
      operationId: 'getApiKey',
      tag: TAG,
      summary: 'Get an own key',
      description: 'The key without its secret.',
      access: 'verified',
      params: schemas.idParams,
      success: {
        200: { description: 'The key', data: schemas.apiKeyData, example: { apiKey: schemas.apiKeyExample } },
      },
      errors: ['API_KEY_NOT_FOUND', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, params }) =>
        ok('API key', { apiKey: presentApiKey(await keys.get(principal.userId, params.id)) }),
    }),
    route({
      method: 'delete',
      path: '/apiKeys/:id',
      operationId: 'revokeApiKey',
      tag: TAG,
      summary: 'Revoke an own key',
      description: 'Its next request fails, in every process. The files stay. Harmless a second time.',
      access: 'verified',
      params: schemas.idParams,
      success: {
        200: {
          description: 'The revoked key',
          data: schemas.apiKeyData,
          example: {
            apiKey: { ...schemas.apiKeyExample, isActive: false, revokedAt: '2026-11-22T08:00:00.000Z' },
          },
        },
      },
      errors: ['API_KEY_NOT_FOUND', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, params, context }) => {
        const key = await keys.revoke(principal.userId, params.id, actorOf(principal), context);
        return ok('API key revoked', { apiKey: presentApiKey(key) });
      },
    }),
    route({
      method: 'get',
      path: '/apiKeys/:id/usage',
      operationId: 'getApiKeyUsage',
      tag: TAG,
      summary: 'Get the usage of an own key',
      description: 'The counters of the key’s pocket against its quota, as `GET /storage/usage` shows them to the key.',
      access: 'verified',
      params: schemas.idParams,
      success: { 200: { description: 'Usage and quota', data: usageData, example: EXAMPLE_USAGE_DATA } },
      errors: ['API_KEY_NOT_FOUND', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, params }) =>
        ok('Usage', presentQuotaUsage(await keys.getSpace(principal.userId, params.id))),
    }),
    route({
      method: 'post',
      path: '/apiKeys/:id/claim',
      operationId: 'claimApiKey',
      tag: TAG,
      summary: 'Claim the secret of an own key',
      description: 'Makes the secret and shows it, once and to nobody else.',
      access: 'verified',
      params: schemas.idParams,
      success: {
        200: { description: 'The key’s two halves', data: schemas.claimData, example: schemas.claimExample },
      },
      errors: ['API_KEY_NOT_FOUND', 'ALREADY_CLAIMED', 'CONFLICT', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, params, context, res }) => {
        // Nothing between here and the owner may keep it.
        res.setHeader('Cache-Control', 'no-store');
        return ok(
          'Keep the secret: it is not shown again',
          await keys.claim(principal.userId, params.id, actorOf(principal), context),
        );
      },
    }),
  ];
}
