import { z } from 'zod';
import { accepted, ok, type Route, route } from '../../http/route.ts';
import { actorOf } from '../audit/index.ts';
import * as schemas from './password.schemas.ts';
import type { PasswordService } from './password.service.ts';
import type { PasswordResetService } from './password-reset.service.ts';
import { endedData } from './session.schemas.ts';

/** Another password: by the present one, or by a code that is mailed. */
export function passwordRoutes(passwords: PasswordService, resets: PasswordResetService): Route[] {
  return [changeRoute(passwords), ...resetRoutes(resets)];
}

function changeRoute(passwords: PasswordService): Route {
  return route({
    method: 'post',
    path: '/users/change-password',
    operationId: 'changePassword',
    tag: 'Users',
    summary: 'Change the password',
    description: 'Ends every other session of the account and tells its owner by mail.',
    access: 'verified',
    limit: 'auth',
    body: schemas.changeBody,
    bodyExample: schemas.changeExample,
    success: { 200: { description: 'The new password holds', data: endedData, example: { endedSessions: 2 } } },
    errors: ['INVALID_CREDENTIALS', 'CONFLICT', 'DEPENDENCY_UNAVAILABLE'],
    handler: async ({ principal, body, context }) => {
      const endedSessions = await passwords.change(
        principal,
        { current: body.currentPassword, next: body.newPassword },
        { actor: actorOf(principal), origin: context },
      );
      return ok('Password changed', { endedSessions });
    },
  });
}

function resetRoutes(resets: PasswordResetService): Route[] {
  return [
    route({
      method: 'post',
      path: '/auth/forgot-password',
      operationId: 'forgotPassword',
      tag: 'Authentication',
      summary: 'Ask for a password reset code',
      description:
        'Mails six digits that are good for 10 minutes, if the address is that of an account; within 60 seconds of the last mail nothing is sent. The answer is the same in any case.',
      access: 'anyone',
      limit: 'auth',
      body: schemas.forgotBody,
      bodyExample: schemas.forgotExample,
      success: { 202: { description: 'Noted', data: z.null(), example: null } },
      errors: ['DEPENDENCY_UNAVAILABLE'],
      handler: async ({ body, context }) => {
        await resets.request(body.email, context);
        return accepted('If there is such an account, a code is on its way', null);
      },
    }),
    route({
      method: 'post',
      path: '/auth/reset-password',
      operationId: 'resetPassword',
      tag: 'Authentication',
      summary: 'Set a new password by code',
      description:
        'Sets the password by the code that was mailed and ends every session; 5 tries in 10 minutes. Unknown account, wrong, expired and used-up code are one answer in one time.',
      access: 'anyone',
      limit: 'auth',
      body: schemas.resetBody,
      bodyExample: schemas.resetExample,
      success: { 200: { description: 'The new password holds', data: z.null(), example: null } },
      errors: ['OTP_INVALID', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ body, context }) => {
        await resets.reset({ email: body.email, code: body.otp }, body.newPassword, context);
        return ok('Password set; log in with it', null);
      },
    }),
  ];
}
