import { z } from 'zod';
import { ok, type Route, route } from '../../http/route.ts';
import { apiKeyExample, apiKeySchema, presentApiKey } from '../api-keys/index.ts';
import { presentUser, userExample, userSchema } from '../users/index.ts';
import type { ProfileService } from './profile.service.ts';

/** `/users`: the own account. */
export function profileRoutes(profile: ProfileService): Route[] {
  return [
    route({
      method: 'get',
      path: '/users/profile',
      operationId: 'getProfile',
      tag: 'Users',
      summary: 'Get the own account',
      description: 'The account and its API keys (the newest 200).',
      access: 'user',
      success: {
        200: {
          description: 'Account and keys',
          data: z.object({ user: userSchema, apiKeys: z.array(apiKeySchema) }),
          example: { user: userExample, apiKeys: [apiKeyExample] },
        },
      },
      errors: ['DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal }) => {
        const { user, apiKeys } = await profile.get(principal.userId);
        return ok('Profile', { user: presentUser(user), apiKeys: apiKeys.map(presentApiKey) });
      },
    }),
  ];
}
