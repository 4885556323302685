import type { RouteCases } from './route-case.ts';

export const adminCases: RouteCases = {
  getAdminHealth: { call: () => ({ path: '/admin/health' }), status: 200 },
  listUsers: { call: () => ({ path: '/admin/users' }), status: 200 },
  getUser: {
    call: async (world) => ({ path: `/admin/users/${(await world.person()).userId}` }),
    status: 200,
  },
  changeUser: {
    call: async (world) => ({ path: `/admin/users/${(await world.person()).userId}`, body: { disabled: true } }),
    status: 200,
  },
  deleteUser: {
    call: async (world) => ({ path: `/admin/users/${(await world.person()).userId}` }),
    status: 200,
  },
  restoreUser: {
    call: async (world) => ({ path: `/admin/users/${(await world.person({ leaving: true })).userId}/restore` }),
    status: 200,
  },
  listAllApiKeys: { call: () => ({ path: '/admin/api-keys' }), status: 200 },
  setApiKeyQuota: {
    call: async (world) => ({
      path: `/admin/api-keys/${(await world.key(await world.person())).apiKeyId}`,
      body: { quota: { maxObjects: 7 } },
    }),
    status: 200,
  },
  revokeAnyApiKey: {
    call: async (world) => ({ path: `/admin/api-keys/${(await world.key(await world.person())).apiKeyId}` }),
    status: 200,
  },
  listAuditLogs: { call: () => ({ path: '/admin/audit-logs' }), status: 200 },
  exportAuditLogs: { call: () => ({ path: '/admin/audit-logs/export?format=jsonl&action=key.rotate' }), status: 200 },
};
