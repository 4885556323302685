import { WISH } from '../accounts.ts';
import { asPerson, keyOf, type RouteCases } from './route-case.ts';

export const apiKeyCases: RouteCases = {
  listAllKeyRequests: { call: () => ({ path: '/apiKeys/request/admin/all' }), status: 200 },
  reviewKeyRequest: {
    call: async (world) => ({
      path: `/apiKeys/request/admin/review/${await world.pendingRequest(await world.person())}`,
      body: { approved: true },
    }),
    status: 200,
  },
  createKeyRequest: { call: () => ({ path: '/apiKeys/request/create', body: WISH }), status: 201 },
  listKeyRequests: { call: () => ({ path: '/apiKeys/request' }), status: 200 },
  getKeyRequest: {
    call: async (world, me) => ({ path: `/apiKeys/request/${await world.pendingRequest(me)}` }),
    status: 200,
    foreign: 'REQUEST_NOT_FOUND',
  },
  withdrawKeyRequest: {
    call: async (world, me) => ({ path: `/apiKeys/request/${await world.pendingRequest(me)}` }),
    status: 200,
    foreign: 'REQUEST_NOT_FOUND',
  },
  listApiKeys: { call: () => ({ path: '/apiKeys' }), status: 200 },
  getApiKey: {
    call: async (world, me) => ({ path: `/apiKeys/${(await keyOf(world, me)).apiKeyId}` }),
    status: 200,
    foreign: 'API_KEY_NOT_FOUND',
  },
  revokeApiKey: {
    call: async (world, me) => ({ path: `/apiKeys/${(await keyOf(world, me)).apiKeyId}` }),
    status: 200,
    foreign: 'API_KEY_NOT_FOUND',
  },
  getApiKeyUsage: {
    call: async (world, me) => ({ path: `/apiKeys/${(await keyOf(world, me)).apiKeyId}/usage` }),
    status: 200,
    foreign: 'API_KEY_NOT_FOUND',
  },
  claimApiKey: {
    call: async (world, me) => ({
      path: `/apiKeys/${(await world.key(asPerson(me), { unclaimed: true })).apiKeyId}/claim`,
    }),
    status: 200,
    foreign: 'API_KEY_NOT_FOUND',
  },
  createUpgradeRequest: {
    call: async (world, me) => {
      const { accessKeyId } = await keyOf(world, me);
      const { requestedStorageGB, requestedObjects, reason } = {
        ...WISH,
        requestedStorageGB: 2,
        requestedObjects: 200,
      };
      return { path: '/apiKeys/request/upgrade', body: { accessKeyId, requestedStorageGB, requestedObjects, reason } };
    },
    status: 201,
    foreign: 'API_KEY_NOT_FOUND',
  },
  changeApiKey: {
    call: async (world, me) => ({ path: `/apiKeys/${(await keyOf(world, me)).apiKeyId}`, body: { name: 'another' } }),
    status: 200,
    foreign: 'API_KEY_NOT_FOUND',
  },
  rotateApiKey: {
    call: async (world, me) => ({ path: `/apiKeys/${(await keyOf(world, me)).apiKeyId}/rotate`, body: {} }),
    status: 200,
    foreign: 'API_KEY_NOT_FOUND',
  },
  retireApiKeySecret: {
    call: async (world, me) => {
      const { apiKeyId, secretId } = await keyOf(world, me);
      await world.addSecret(apiKeyId);
      return { path: `/apiKeys/${apiKeyId}/secrets/${secretId}` };
    },
    status: 200,
    foreign: 'API_KEY_NOT_FOUND',
  },
};
