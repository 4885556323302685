import { z } from 'zod';
import { ok, type Route, route } from '../../http/route.ts';
import { scopeOf } from '../ledger/index.ts';
import { EXAMPLE_SETTINGS, settings, settingsBody } from './space.schemas.ts';
import type { SpaceService } from './space.service.ts';

const TAG = 'Storage';
const settingsData = z.object({ settings });

/** `/storage/settings`: what a space keeps of deleted and replaced files. */
export function spaceRoutes(spaces: SpaceService): Route[] {
  return [
    route({
      method: 'get',
      path: '/storage/settings',
      operationId: 'getSpaceSettings',
      tag: TAG,
      summary: 'Get the space’s settings',
      description: 'How long the trash keeps files, and how many versions of each there may be.',
      access: 'space:any',
      success: {
        200: { description: 'As they hold now', data: settingsData, example: { settings: EXAMPLE_SETTINGS } },
      },
      errors: ['DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal }) => ok('Settings', { settings: spaces.settings(principal.space) }),
    }),
    route({
      method: 'patch',
      path: '/storage/settings',
      operationId: 'changeSpaceSettings',
      tag: TAG,
      summary: 'Change the space’s settings',
      description:
        'For what is deleted and replaced from now on: files in the trash keep their time, and versions stay until they fall out behind newer ones or are deleted.',
      access: 'space:delete',
      body: settingsBody,
      bodyExample: { trashDays: 30, versionsKept: 5 },
      success: {
        200: { description: 'As they hold now', data: settingsData, example: { settings: EXAMPLE_SETTINGS } },
      },
      errors: ['DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, body, context }) => {
        const scope = { ...scopeOf(principal, context), space: principal.space };
        return ok('Settings changed', { settings: await spaces.changeSettings(scope, body) });
      },
    }),
  ];
}
