import { ok, type Route, route } from '../../http/route.ts';
import { actingUser } from '../audit/index.ts';
import { presentUser } from '../users/index.ts';
import * as schemas from './account.schemas.ts';
import type { AccountDeletionService } from './deletion.service.ts';

const TAG = 'Users';

/** `/users/account`: the end of the own account, and its undoing. */
export function accountRoutes(deletions: AccountDeletionService): Route[] {
  return [
    route({
      method: 'delete',
      path: '/users/account',
      operationId: 'deleteAccount',
      tag: TAG,
      summary: 'Delete the own account',
      description:
        'Revokes all API keys, withdraws pending requests and ends every session at once. Files, objects and the account itself are erased from `dueAt` on; until then logging in works, and `POST /users/account/restore` undoes it. The last admin who can act cannot go.',
      access: 'user',
      limit: 'auth',
      body: schemas.deletionBody,
      bodyExample: schemas.deletionBodyExample,
      success: {
        200: { description: 'When it is going to be', data: schemas.deletionData, example: schemas.deletionExample },
      },
      errors: ['INVALID_CREDENTIALS', 'CONFLICT', 'LAST_ADMIN', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, body, context }) => {
        const { requestedAt, dueAt } = await deletions.request(actingUser(principal, context), body.password);
        return ok('The account is going to be deleted', {
          deletion: { requestedAt: requestedAt.toISOString(), dueAt: dueAt.toISOString() },
        });
      },
    }),
    route({
      method: 'post',
      path: '/users/account/restore',
      operationId: 'restoreAccount',
      tag: TAG,
      summary: 'Keep the own account',
      description:
        'Undoes a deletion that the owner asked for, until the erasure begins; log in again first. The API keys that went with the account come back, withdrawn requests and sessions do not.',
      access: 'leaving',
      success: {
        200: { description: 'The account', data: schemas.restoredData, example: schemas.restoredExample },
      },
      errors: ['FORBIDDEN', 'CONFLICT', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, context }) => {
        const user = await deletions.restore(actingUser(principal, context));
        return ok('The account stays', { user: presentUser(user) });
      },
    }),
  ];
}
