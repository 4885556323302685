import type { RouteCases } from './route-case.ts';

export const usageCases: RouteCases = {
  getUsageHistory: { call: () => ({ path: '/storage/usage/history?days=7' }), status: 200 },
  getAnalytics: { call: () => ({ path: '/storage/analytics' }), status: 200 },
};
