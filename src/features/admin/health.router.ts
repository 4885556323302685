import { ok, type Route, route } from '../../http/route.ts';
import { presentHealth } from './health.presenter.ts';
import { healthData, healthExample } from './health.schemas.ts';
import type { HealthService } from './health.service.ts';

/** `/admin/health` */
export function adminHealthRoutes(health: HealthService): Route[] {
  return [
    route({
      method: 'get',
      path: '/admin/health',
      operationId: 'getAdminHealth',
      tag: 'Admin',
      summary: 'How the system is, and what there is in numbers',
      description:
        'Database, object store and queue are asked now, each for 2 s at the most; one that is away makes the answer `degraded`, not an error. The statistics are counted from rows and counters.',
      access: 'admin',
      success: { 200: { description: 'System and statistics', data: healthData, example: healthExample } },
      errors: ['DEPENDENCY_UNAVAILABLE'],
      handler: async () => ok('Health', presentHealth(await health.look())),
    }),
  ];
}
