import type { RouteCases } from './route-case.ts';

export const systemCases: RouteCases = {
  getRoot: { call: () => ({ path: '/' }), status: 200 },
  getHealth: { call: () => ({ path: '/health' }), status: 200 },
  getLiveness: { call: () => ({ path: '/livez' }), status: 200 },
  getOpenHealth: { call: () => ({ path: '/open/health' }), status: 200 },
  getReadiness: { call: () => ({ path: '/readyz' }), status: 200 },
};
