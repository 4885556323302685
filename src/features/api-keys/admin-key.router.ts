import { ok, type Route, route } from '../../http/route.ts';
import { actingUser } from '../audit/index.ts';
import * as schemas from './admin-key.schemas.ts';
import type { AdminKeyService } from './admin-key.service.ts';
import { presentAdminKey } from './api-key.presenter.ts';
import { idParams, pageMeta } from './api-key.schemas.ts';

const TAG = 'Admin';

/** `/admin/api-keys`: everybody's keys. */
export function adminKeyRoutes(keys: AdminKeyService): Route[] {
  return [
    route({
      method: 'get',
      path: '/admin/api-keys',
      operationId: 'listAllApiKeys',
      tag: TAG,
      summary: 'List all API keys',
      description: 'Of all users, by user: the newest users first, then each one’s newest keys. With owner and usage.',
      access: 'admin',
      query: schemas.adminKeysQuery,
      success: {
        200: {
          description: 'A page of keys',
          data: schemas.adminKeysData,
          meta: pageMeta,
          example: { apiKeys: [schemas.adminKeyExample] },
        },
      },
      errors: ['DEPENDENCY_UNAVAILABLE'],
      handler: async ({ query }) => {
        const { limit, cursor, ...filter } = query;
        const { userId, status, search } = filter;
        const { entries, nextCursor } = await keys.list({ userId, status, search }, { limit, cursor });
        return ok('API keys', { apiKeys: entries.map(presentAdminKey) }, { nextCursor, limit });
      },
    }),
    route({
      method: 'patch',
      path: '/admin/api-keys/:id',
      operationId: 'setApiKeyQuota',
      tag: TAG,
      summary: 'Change the quota of an API key',
      description:
        'One or both limits. A limit below what is used is allowed: the pocket then takes no new byte, while downloads, deletes and smaller replacements go on.',
      access: 'admin',
      params: idParams,
      body: schemas.quotaBody,
      bodyExample: schemas.quotaExample,
      success: {
        200: {
          description: 'The key with its new quota',
          data: schemas.adminKeyData,
          example: { apiKey: schemas.adminKeyExample },
        },
      },
      errors: ['API_KEY_NOT_FOUND', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, params, body, context }) => {
        const { maxBytes, maxObjects } = body.quota;
        const key = await keys.changeQuota(actingUser(principal, context), params.id, { maxBytes, maxObjects });
        return ok('Quota changed', { apiKey: presentAdminKey(key) });
      },
    }),
    route({
      method: 'delete',
      path: '/admin/api-keys/:id',
      operationId: 'revokeAnyApiKey',
      tag: TAG,
      summary: 'Revoke an API key',
      description:
        'Its next request fails, in every process; the files stay, and the owner is told by mail. Harmless a second time.',
      access: 'admin',
      params: idParams,
      success: {
        200: {
          description: 'The revoked key',
          data: schemas.adminKeyData,
          example: {
            apiKey: { ...schemas.adminKeyExample, isActive: false, revokedAt: '2026-11-22T08:00:00.000Z' },
          },
        },
      },
      errors: ['API_KEY_NOT_FOUND', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, params, context }) => {
        const key = await keys.revoke(actingUser(principal, context), params.id);
        return ok('API key revoked', { apiKey: presentAdminKey(key) });
      },
    }),
  ];
}
