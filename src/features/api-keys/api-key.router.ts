import { ok, type Route, route } from '../../http/route.ts';
import { actingUser } from '../audit/index.ts';
import { EXAMPLE_USAGE_DATA, presentQuotaUsage, usageData } from '../storage/index.ts';
import { presentApiKey, presentRotation } from './api-key.presenter.ts';
import * as schemas from './api-key.schemas.ts';
import type { ApiKeyService } from './api-key.service.ts';
import type { KeySecretService } from './key-secret.service.ts';

const TAG = 'API keys';

/** `/apiKeys`: a user's own keys. Comes after the routes of `/apiKeys/request`, which `:id` would match. */
export function apiKeyRoutes(keys: ApiKeyService, secrets: KeySecretService): Route[] {
  return [...keyRoutes(keys), ...secretRoutes(secrets)];
}

function keyRoutes(keys: ApiKeyService): Route[] {
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
      method: 'patch',
      path: '/apiKeys/:id',
      operationId: 'changeApiKey',
      tag: TAG,
      summary: 'Change an own key',
      description: 'Another name, or fewer permissions: what a key may not do any more it never may again.',
      access: 'verified',
      params: schemas.idParams,
      body: schemas.changeKeyBody,
      bodyExample: schemas.changeKeyExample,
      success: {
        200: {
          description: 'The changed key',
          data: schemas.apiKeyData,
          example: { apiKey: { ...schemas.apiKeyExample, permissions: ['read', 'list'] } },
        },
      },
      errors: ['API_KEY_NOT_FOUND', 'CONFLICT', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, params, body, context }) => {
        const { name, permissions } = body;
        const key = await keys.change(actingUser(principal, context), params.id, { name, permissions });
        return ok('API key changed', { apiKey: presentApiKey(key) });
      },
    }),
    route({
      method: 'delete',
      path: '/apiKeys/:id',
      operationId: 'revokeApiKey',
      tag: TAG,
      summary: 'Revoke an own key',
      description:
        'Its next request fails, in every process. The files stay. One mail confirms it. Harmless a second time.',
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
        const key = await keys.revoke(actingUser(principal, context), params.id);
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
  ];
}

function secretRoutes(secrets: KeySecretService): Route[] {
  return [
    route({
      method: 'post',
      path: '/apiKeys/:id/claim',
      operationId: 'claimApiKey',
      tag: TAG,
      summary: 'Claim the secret of an own key',
      description: 'Makes the secret and shows it, once and to nobody else.',
      access: 'verified',
      idempotent: true,
      params: schemas.idParams,
      success: {
        200: { description: 'The key’s two halves', data: schemas.claimData, example: schemas.claimExample },
      },
      errors: ['API_KEY_NOT_FOUND', 'ALREADY_CLAIMED', 'CONFLICT', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, params, context }) => {
        return ok(
          'Keep the secret: it is not shown again',
          await secrets.claim(actingUser(principal, context), params.id),
        );
      },
      rebuild: async ({ secret }) => ok('Keep the secret: it is not shown again', secret),
    }),
    route({
      method: 'post',
      path: '/apiKeys/:id/rotate',
      operationId: 'rotateApiKey',
      tag: TAG,
      summary: 'Rotate the secret of an own key',
      description:
        'Makes a second secret and shows it, once. Both work until the first one retires, 24 hours later unless told; `key.secrets` shows which one is still in use. At most two live at a time.',
      access: 'verified',
      idempotent: true,
      params: schemas.idParams,
      body: schemas.rotateBody,
      bodyExample: schemas.rotateExample,
      success: {
        200: {
          description: 'The key’s id and its new secret',
          data: schemas.rotationData,
          example: schemas.rotationExample,
        },
      },
      errors: ['API_KEY_NOT_FOUND', 'CONFLICT', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, params, body, context }) => {
        const rotated = await secrets.rotate(actingUser(principal, context), params.id, body.overlapHours);
        return ok('Keep the new secret: it is not shown again', presentRotation(rotated));
      },
      // As it is presented: what was kept is JSON.
      rebuild: async ({ secret }) => ok('Keep the new secret: it is not shown again', secret),
    }),
    route({
      method: 'delete',
      path: '/apiKeys/:id/secrets/:secretId',
      operationId: 'retireApiKeySecret',
      tag: TAG,
      summary: 'Retire a secret of an own key',
      description:
        'Now, whatever overlap it had left: its next request fails, in every process. Not the only live one: rotate it, or revoke the key.',
      access: 'verified',
      params: schemas.secretParams,
      success: {
        200: {
          description: 'The key with the secret that is left',
          data: schemas.apiKeyData,
          example: { apiKey: schemas.apiKeyExample },
        },
      },
      errors: ['API_KEY_NOT_FOUND', 'SECRET_NOT_FOUND', 'CONFLICT', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, params, context }) => {
        const key = await secrets.retire(actingUser(principal, context), params.id, params.secretId);
        return ok('Secret retired', { apiKey: presentApiKey(key) });
      },
    }),
  ];
}
