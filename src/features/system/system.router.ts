import { z } from 'zod';
import { AppError } from '../../errors/app-error.ts';
import { ok, type Route, route } from '../../http/route.ts';
import type { Clock } from '../../platform/clock/clock.ts';
import type { ReadinessService } from './readiness.service.ts';

const TAG = 'System';
const health = z.object({
  status: z.literal('ok'),
  timestamp: z.iso.datetime(),
  version: z.string(),
  uptimeSeconds: z.number(),
});
const readiness = z.object({ status: z.literal('ready'), database: z.string(), objectStore: z.string() });
const links = z.object({
  name: z.string(),
  version: z.string(),
  links: z.object({ docs: z.string(), openapi: z.string(), health: z.string(), api: z.string() }),
});

export interface SystemRouteOptions {
  readonly version: string;
  readonly clock: Clock;
  readonly readiness: ReadinessService;
}

/** What anyone may ask: who is there, is it alive, is it ready. */
export function systemRoutes({ version, clock, readiness: service }: SystemRouteOptions): Route[] {
  const startedAt = clock.now().getTime();
  const healthRoute = (path: string, operationId: string, root: boolean) =>
    route({
      method: 'get',
      path,
      ...(root ? { root: true as const } : {}),
      operationId,
      tag: TAG,
      summary: 'Is the process alive',
      description: 'Cheap: no dependency is touched.',
      access: 'anyone',
      limit: 'none',
      success: {
        200: {
          description: 'Alive',
          data: health,
          example: { status: 'ok', timestamp: '2026-11-21T09:00:00.000Z', version, uptimeSeconds: 12.5 },
        },
      },
      errors: [],
      handler: async () => {
        const now = clock.now();
        const uptimeSeconds = (now.getTime() - startedAt) / 1000;
        return ok('Alive', { status: 'ok', timestamp: now.toISOString(), version, uptimeSeconds });
      },
    });
  return [
    route({
      method: 'get',
      path: '/',
      root: true,
      operationId: 'getRoot',
      tag: TAG,
      summary: 'Name, version, links',
      description: 'Where to go from here.',
      access: 'anyone',
      limit: 'none',
      success: {
        200: {
          description: 'Name, version, links',
          data: links,
          example: {
            name: 'Pockity',
            version,
            links: { docs: '/docs', openapi: '/openapi.json', health: '/health', api: '/api' },
          },
        },
      },
      errors: [],
      handler: async () =>
        ok('Pockity', {
          name: 'Pockity',
          version,
          links: { docs: '/docs', openapi: '/openapi.json', health: '/health', api: '/api' },
        }),
    }),
    healthRoute('/health', 'getHealth', true),
    healthRoute('/livez', 'getLiveness', true),
    healthRoute('/open/health', 'getOpenHealth', false),
    route({
      method: 'get',
      path: '/readyz',
      root: true,
      operationId: 'getReadiness',
      tag: TAG,
      summary: 'Should this process be sent requests',
      description:
        'Asks database and object store, at most once a second; 503 while one is away or the process is stopping.',
      access: 'anyone',
      limit: 'none',
      success: {
        200: { description: 'Ready', data: readiness, example: { status: 'ready', database: 'ok', objectStore: 'ok' } },
      },
      errors: ['DEPENDENCY_UNAVAILABLE'],
      handler: async () => {
        const { ready, draining, database, objectStore } = await service.check();
        if (!ready) {
          const message = draining ? 'The process is stopping' : 'A dependency does not answer';
          throw new AppError('DEPENDENCY_UNAVAILABLE', {
            message,
            details: { draining, database, objectStore },
            retryAfterSeconds: 2,
          });
        }
        return ok('Ready', { status: 'ready', database, objectStore });
      },
    }),
  ];
}
