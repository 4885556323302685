import { ok, type Route, route } from '../../http/route.ts';
import { presentApiKey } from '../api-keys/index.ts';
import { actorOf } from '../audit/index.ts';
import { presentUser, userExample } from '../users/index.ts';
import { presentSummary } from './profile.presenter.ts';
import * as schemas from './profile.schemas.ts';
import type { ProfileService } from './profile.service.ts';

const TAG = 'Users';

/** `/users`: the own account. */
export function profileRoutes(profile: ProfileService): Route[] {
  return [
    route({
      method: 'get',
      path: '/users/profile',
      operationId: 'getProfile',
      tag: TAG,
      summary: 'Get the own account',
      description: 'The account and its API keys (the newest 200).',
      access: 'user',
      success: {
        200: { description: 'Account and keys', data: schemas.profileData, example: schemas.profileExample },
      },
      errors: ['DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal }) => {
        const { user, apiKeys } = await profile.get(principal.userId);
        return ok('Profile', { user: presentUser(user), apiKeys: apiKeys.map(presentApiKey) });
      },
    }),
    route({
      method: 'put',
      path: '/users/profile',
      operationId: 'changeProfile',
      tag: TAG,
      summary: 'Change the own account',
      description:
        'Changes the fields that are given. A new e-mail address has to be verified again: a code is mailed to it at once (after `POST /otp/send` where one was mailed within the last minute), and the old address is told. Another case of the same address stays verified.',
      access: 'user',
      // It sends mail, and tells whether an address is taken.
      limit: 'auth',
      body: schemas.profileBody,
      bodyExample: { name: 'Ada Lovelace', username: 'ada' },
      success: { 200: { description: 'The account', data: schemas.userData, example: { user: userExample } } },
      errors: ['EMAIL_TAKEN', 'USERNAME_TAKEN', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, body, context }) => {
        const user = await profile.change(principal.userId, body, actorOf(principal), context);
        return ok('Profile changed', { user: presentUser(user) });
      },
    }),
    route({
      method: 'get',
      path: '/users/summary',
      operationId: 'getSummary',
      tag: TAG,
      summary: 'Get the own account and all usage',
      description:
        'The account, the usage of its drive and of each of its API keys (the newest 200), from the counters: exact, at one cost however many files there are.',
      access: 'verified',
      success: {
        200: { description: 'Account and usage', data: schemas.summaryData, example: schemas.summaryExample },
      },
      errors: ['DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal }) => {
        const { user, apiKeys } = await profile.summarize(principal.userId);
        // The drive's row was read a moment ago, when the request was authorized.
        return ok('Summary', presentSummary(user, principal.space, apiKeys));
      },
    }),
  ];
}
