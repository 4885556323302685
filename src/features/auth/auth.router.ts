import { created, ok, type Route, route } from '../../http/route.ts';
import { actorOf } from '../audit/index.ts';
import { presentUser, type User } from '../users/index.ts';
import * as schemas from './auth.schemas.ts';
import type { AuthService, SessionTokens } from './auth.service.ts';
import type { EmailVerificationService } from './email-verification.service.ts';

const TAG = 'Authentication';

/** Accounts, their tokens, proof of the e-mail address. */
export function authRoutes(auth: AuthService, verification: EmailVerificationService): Route[] {
  return [...accountRoutes(auth), ...otpRoutes(verification)];
}

function accountRoutes(auth: AuthService): Route[] {
  return [
    route({
      method: 'post',
      path: '/auth/register',
      operationId: 'register',
      tag: TAG,
      summary: 'Create an account',
      description:
        'Creates an account with a drive of its own, logs it in and mails a code that proves the address (`POST /otp/verify/{otp}`). Until then only the profile, the code and logging out are open to it.',
      access: 'anyone',
      idempotent: true,
      limit: 'auth',
      body: schemas.registerBody,
      bodyExample: schemas.registerExample,
      success: {
        201: {
          description: 'The account and its first session',
          data: schemas.sessionData,
          example: schemas.sessionExample,
        },
      },
      errors: ['EMAIL_TAKEN', 'USERNAME_TAKEN', 'ACCOUNT_DISABLED', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ body, context }) => {
        const { email, password, name = null, username = null } = body;
        return created(
          'Account created',
          presentSession(await auth.register({ email, password, name, username }, context)),
        );
      },
      rebuild: async ({ subjectId, secret }) => {
        const tokens = schemas.keptTokens.parse(secret);
        return created('Account created', presentSession({ user: await auth.getUser(subjectId), ...tokens }));
      },
      mayReplay: ({ replay: { answer, subjectId, secret } }) => {
        const { refreshToken } = schemas.keptTokens.parse(answer?.data ?? secret);
        return auth.assertFresh(subjectId, refreshToken);
      },
    }),
    route({
      method: 'post',
      path: '/auth/login',
      operationId: 'login',
      tag: TAG,
      summary: 'Log in',
      description:
        'By e-mail address or username. Unknown account and wrong password are one answer in one time. Where the account is about to be deleted, the answer says so in `deletion`; the session can then undo that (`POST /users/account/restore`), tell who it is and log out.',
      access: 'anyone',
      limit: 'auth',
      body: schemas.loginBody,
      bodyExample: schemas.loginExample,
      success: { 200: { description: 'A new session', data: schemas.loginData, example: schemas.sessionExample } },
      errors: ['INVALID_CREDENTIALS', 'ACCOUNT_DISABLED', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ body, context }) => {
        const login = body.email === undefined ? { username: body.username ?? '' } : { email: body.email };
        const session = await auth.login(login, body.password, context);
        const deletion = presentDeletion(session.user);
        return deletion
          ? ok(farewell(deletion), { ...presentSession(session), deletion })
          : ok('Logged in', presentSession(session));
      },
    }),
    route({
      method: 'post',
      path: '/auth/refresh',
      operationId: 'refreshSession',
      tag: TAG,
      summary: 'Get new tokens',
      description:
        'Takes the latest refresh token and gives new ones. Each refresh token works once; one that comes a second time ends its session, because one of the two senders has stolen it.',
      access: 'anyone',
      body: schemas.refreshBody,
      bodyExample: schemas.refreshExample,
      success: { 200: { description: 'New tokens', data: schemas.sessionData, example: schemas.sessionExample } },
      errors: ['UNAUTHENTICATED', 'TOKEN_EXPIRED', 'ACCOUNT_DISABLED', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ body, context }) =>
        ok('Tokens renewed', presentSession(await auth.refresh(body.refreshToken, context))),
    }),
  ];
}

function otpRoutes(verification: EmailVerificationService): Route[] {
  return [
    route({
      method: 'post',
      path: '/otp/send',
      operationId: 'sendOtp',
      tag: TAG,
      summary: 'Mail a verification code',
      description:
        'Mails six digits that are good for 10 minutes. Again after 60 seconds; a new code does not give new tries. The code of the registration counts as the first: it is not mailed twice within a minute.',
      access: 'user',
      limit: 'auth',
      success: {
        200: { description: 'A code is on its way', data: schemas.sentCodeData, example: schemas.sentCodeExample },
      },
      errors: ['RATE_LIMITED', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, context }) => {
        const { sent, expiresAt } = await verification.send(principal.userId, actorOf(principal), context);
        return ok(sent ? 'A code is on its way' : 'The address is verified already', {
          sent,
          expiresAt: expiresAt?.toISOString() ?? null,
        });
      },
    }),
    route({
      method: 'post',
      path: '/otp/verify/:otp',
      operationId: 'verifyOtp',
      tag: TAG,
      summary: 'Verify the e-mail address',
      description:
        'Proves the address by the code that was mailed to it; 5 tries in 10 minutes. A right code is a try as well: of many at once, those past the fifth can be refused although the address is then verified. Verified already is 200, whatever the code.',
      access: 'user',
      limit: 'auth',
      params: schemas.otpParams,
      success: {
        200: { description: 'The verified user', data: schemas.verifiedData, example: schemas.verifiedExample },
      },
      errors: ['VALIDATION_FAILED', 'OTP_INVALID', 'RATE_LIMITED', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, params, context }) => {
        const user = await verification.verify(principal.userId, params.otp, actorOf(principal), context);
        return ok('E-mail address verified', { user: presentUser(user) });
      },
    }),
  ];
}

function presentSession({ user, token, refreshToken }: SessionTokens) {
  return { user: presentUser(user), token, refreshToken };
}

function presentDeletion({ deletionRequestedAt, deletionDueAt, deletionByAdmin }: User) {
  if (deletionRequestedAt === null || deletionDueAt === null) return null;
  return {
    requestedAt: deletionRequestedAt.toISOString(),
    dueAt: deletionDueAt.toISOString(),
    byAdmin: deletionByAdmin,
  };
}

function farewell({ dueAt, byAdmin }: { readonly dueAt: string; readonly byAdmin: boolean }): string {
  const keep = byAdmin ? 'only an admin can undo that' : 'to keep it, send POST /api/users/account/restore';
  return `Logged in, but the account will be erased after ${dueAt}: ${keep}`;
}
