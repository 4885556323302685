import { pageMeta } from '../../http/paging.ts';
import { ok, type Route, route } from '../../http/route.ts';
import { presentAnalytics, presentUsageEntry } from './usage.presenter.ts';
import * as schemas from './usage.schemas.ts';
import type { UsageService } from './usage.service.ts';

const TAG = 'Storage';

/** What usage consists of. Both name files: a key must be allowed to list. */
export function usageRoutes(usage: UsageService): Route[] {
  return [
    route({
      method: 'get',
      path: '/storage/usage/history',
      operationId: 'getUsageHistory',
      tag: TAG,
      summary: 'Get the history of usage',
      description:
        'The byte ledger: each change of usage, newest first. From an empty space on, the deltas add up to the usage as it stands.',
      access: 'space:list',
      query: schemas.historyQuery,
      success: {
        200: {
          description: 'A page of the history',
          data: schemas.historyData,
          meta: pageMeta,
          example: schemas.EXAMPLE_HISTORY,
        },
      },
      errors: ['DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, query }) => {
        const { entries, days, nextCursor } = await usage.history(principal.space.id, {
          days: query.days,
          limit: query.limit,
          cursor: query.cursor,
        });
        const data = { entries: entries.map(presentUsageEntry), ...(days === null ? {} : { days }) };
        return ok('Usage history', data, { nextCursor, limit: query.limit });
      },
    }),
    route({
      method: 'get',
      path: '/storage/analytics',
      operationId: 'getAnalytics',
      tag: TAG,
      summary: 'Get analytics',
      description:
        'Living files by category, the newest and the largest, and when the quota will be full. As cheap with a million files as with none.',
      access: 'space:list',
      success: {
        200: { description: 'The analytics', data: schemas.analyticsData, example: schemas.EXAMPLE_ANALYTICS },
      },
      errors: ['DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal }) =>
        ok('Analytics', presentAnalytics(principal.space, await usage.analytics(principal.space))),
    }),
  ];
}
