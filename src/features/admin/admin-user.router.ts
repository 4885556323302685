import { ok, type Route, route } from '../../http/route.ts';
import { type AccountDeletionService, deletionData, deletionExample } from '../account/index.ts';
import { actingUser } from '../audit/index.ts';
import { presentAdminUser, presentAdminUserDetail } from './admin-user.presenter.ts';
import * as schemas from './admin-user.schemas.ts';
import type { AdminUserService } from './admin-user.service.ts';

const TAG = 'Admin';

/** `/admin/users`: all accounts. */
export function adminUserRoutes(accounts: AdminUserService, deletions: AccountDeletionService): Route[] {
  return [...accountRoutes(accounts), ...deletionRoutes(accounts, deletions)];
}

function accountRoutes(accounts: AdminUserService): Route[] {
  return [
    route({
      method: 'get',
      path: '/admin/users',
      operationId: 'listUsers',
      tag: TAG,
      summary: 'List accounts',
      description: 'Newest first, with counts, usage and last login; `meta.counts` counts all accounts by status.',
      access: 'admin',
      query: schemas.listQuery,
      success: {
        200: {
          description: 'A page of accounts',
          data: schemas.usersData,
          meta: schemas.listMeta,
          example: { users: [schemas.adminUserExample] },
          metaExample: { nextCursor: null, limit: 50, counts: { active: 41, disabled: 1, unverified: 7, deleting: 0 } },
        },
      },
      errors: ['DEPENDENCY_UNAVAILABLE'],
      handler: async ({ query }) => {
        const { limit, cursor, search, status, role, inactiveDays } = query;
        const { users, nextCursor, counts } = await accounts.list({
          limit,
          cursor,
          search,
          status,
          role,
          inactiveDays,
        });
        return ok('Users', { users: users.map(presentAdminUser) }, { nextCursor, limit, counts });
      },
    }),
    route({
      method: 'get',
      path: '/admin/users/:id',
      operationId: 'getUser',
      tag: TAG,
      summary: 'Get an account',
      description: 'With its last logins, also failed ones, and the number of its sessions.',
      access: 'admin',
      params: schemas.idParams,
      success: {
        200: { description: 'The account', data: schemas.userData, example: { user: schemas.adminUserDetailExample } },
      },
      errors: ['USER_NOT_FOUND', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ params }) => ok('User', { user: presentAdminUserDetail(await accounts.get(params.id)) }),
    }),
    route({
      method: 'patch',
      path: '/admin/users/:id',
      operationId: 'changeUser',
      tag: TAG,
      summary: 'Disable or enable an account, set its role or its drive’s quota',
      description:
        'All of it or nothing. Holds at the next request in every process: disabling ends the sessions for good and makes the keys fail until the account is enabled. The last admin who can act can be neither disabled nor demoted.',
      access: 'admin',
      params: schemas.idParams,
      body: schemas.changeBody,
      bodyExample: schemas.changeExample,
      success: {
        200: {
          description: 'The account as it is now',
          data: schemas.userData,
          example: { user: schemas.adminUserDetailExample },
        },
      },
      errors: ['USER_NOT_FOUND', 'LAST_ADMIN', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, params, body, context }) => {
        const { disabled, role, driveQuota } = body;
        const change = {
          disabled,
          role,
          driveQuota: driveQuota && { maxBytes: driveQuota.maxBytes, maxObjects: driveQuota.maxObjects },
        };
        const by = actingUser(principal, context);
        return ok('User changed', { user: presentAdminUserDetail(await accounts.change(params.id, change, by)) });
      },
    }),
  ];
}

function deletionRoutes(accounts: AdminUserService, deletions: AccountDeletionService): Route[] {
  return [
    route({
      method: 'delete',
      path: '/admin/users/:id',
      operationId: 'deleteUser',
      tag: TAG,
      summary: 'Delete an account',
      description:
        'As the owner could (`DELETE /users/account`), with the same time of grace, in which only an admin can undo it. The last admin who can act cannot be deleted; the own account goes by `DELETE /users/account`.',
      access: 'admin',
      params: schemas.idParams,
      success: { 200: { description: 'When it is going to be', data: deletionData, example: deletionExample } },
      errors: ['USER_NOT_FOUND', 'CONFLICT', 'LAST_ADMIN', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, params, context }) => {
        const { requestedAt, dueAt } = await deletions.requestByAdmin(actingUser(principal, context), params.id);
        return ok('The account is going to be deleted', {
          deletion: { requestedAt: requestedAt.toISOString(), dueAt: dueAt.toISOString() },
        });
      },
    }),
    route({
      method: 'post',
      path: '/admin/users/:id/restore',
      operationId: 'restoreUser',
      tag: TAG,
      summary: 'Keep an account that was deleted',
      description:
        'Undoes a deletion, whoever asked for it, until the erasure begins. The keys that went with it come back.',
      access: 'admin',
      params: schemas.idParams,
      success: {
        200: {
          description: 'The account as it is now',
          data: schemas.userData,
          example: { user: schemas.adminUserDetailExample },
        },
      },
      errors: ['USER_NOT_FOUND', 'CONFLICT', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, params, context }) => {
        await deletions.restoreByAdmin(actingUser(principal, context), params.id);
        return ok('The account stays', { user: presentAdminUserDetail(await accounts.get(params.id)) });
      },
    }),
  ];
}
