import { PASSWORD, WISH } from '../accounts.ts';
import { asPerson, keyOf, type RouteCases } from './route-case.ts';

export const authCases: RouteCases = {
  register: {
    call: (world) => ({ path: '/auth/register', body: { email: world.accounts.newEmail(), password: PASSWORD } }),
    status: 201,
  },
  login: {
    call: async (world) => ({
      path: '/auth/login',
      body: { email: (await world.person()).email, password: PASSWORD },
    }),
    status: 200,
  },
  refreshSession: {
    call: async (world) => ({ path: '/auth/refresh', body: { refreshToken: (await world.person()).refreshToken } }),
    status: 200,
  },
  logout: { call: () => ({ path: '/auth/logout' }), status: 200 },
  sendOtp: { call: () => ({ path: '/otp/send' }), status: 200 },
  verifyOtp: {
    call: async (world, me) => {
      await world.database.prisma.user.update({ where: { id: me.userId }, data: { emailVerifiedAt: new Date() } });
      // Verified already: any code will do. What a code is worth is tested in auth.test.ts.
      return { path: '/otp/verify/000000' };
    },
    status: 200,
  },
};

export const userCases: RouteCases = {
  getProfile: { call: () => ({ path: '/users/profile' }), status: 200 },
};

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
};
