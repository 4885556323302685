import { z } from 'zod';
import { ok, type Route, route } from '../../http/route.ts';
import { actorOf } from '../audit/index.ts';
import { presentUser } from '../users/index.ts';
import * as schemas from './session.schemas.ts';
import type { SessionService } from './session.service.ts';
import type { Session } from './session.ts';

const TAG = 'Authentication';

/** Where a user is logged in, and how that ends. */
export function sessionRoutes(sessions: SessionService): Route[] {
  return [...ownSessionRoutes(sessions), ...logoutRoutes(sessions)];
}

function ownSessionRoutes(sessions: SessionService): Route[] {
  return [
    route({
      method: 'get',
      path: '/auth/verify-token',
      operationId: 'verifyToken',
      tag: TAG,
      summary: 'Check the access token',
      description: 'Tells whose token it is and until when it is good; whatever is wrong with it is an error.',
      access: 'leaving',
      success: {
        200: { description: 'The token is good', data: schemas.verifyData, example: schemas.verifyExample },
      },
      errors: ['DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal }) => {
        const user = presentUser(await sessions.getUser(principal.userId));
        return ok('The token is good', { valid: true, user, expiresAt: principal.tokenExpiresAt.toISOString() });
      },
    }),
    route({
      method: 'get',
      path: '/auth/sessions',
      operationId: 'listSessions',
      tag: TAG,
      summary: 'List own sessions',
      description: 'Where the account is logged in now, newest use first.',
      access: 'verified',
      query: schemas.listQuery,
      success: {
        200: {
          description: 'A page of sessions',
          data: schemas.sessionsData,
          meta: schemas.listMeta,
          example: schemas.sessionsExample,
        },
      },
      errors: ['DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, query }) => {
        const { limit, cursor } = query;
        const { entries, nextCursor } = await sessions.list(principal.userId, { limit, cursor });
        const shown = entries.map((session) => presentSession(session, principal.sessionId));
        return ok('Sessions', { sessions: shown }, { nextCursor, limit });
      },
    }),
    route({
      method: 'delete',
      path: '/auth/sessions/:id',
      operationId: 'endSession',
      tag: TAG,
      summary: 'End an own session',
      description:
        'Its access and refresh tokens fail at the next request, in every process. It may be the present one.',
      access: 'verified',
      params: schemas.idParams,
      success: { 200: { description: 'The session has ended', data: z.null(), example: null } },
      errors: ['SESSION_NOT_FOUND', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, params, context }) => {
        await sessions.end(principal.userId, params.id, { actor: actorOf(principal), origin: context });
        return ok('Session ended', null);
      },
    }),
  ];
}

function logoutRoutes(sessions: SessionService): Route[] {
  return [
    route({
      method: 'post',
      path: '/auth/logout',
      operationId: 'logout',
      tag: TAG,
      summary: 'Log out',
      description: 'Ends this session in every process: its access and refresh tokens fail at the next request.',
      access: 'leaving',
      success: { 200: { description: 'The session has ended', data: z.null(), example: null } },
      errors: ['DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, context }) => {
        await sessions.logout(principal.userId, principal.sessionId, { actor: actorOf(principal), origin: context });
        return ok('Logged out', null);
      },
    }),
    route({
      method: 'post',
      path: '/auth/logout-all',
      operationId: 'logoutAll',
      tag: TAG,
      summary: 'Log out everywhere',
      description: 'Ends every session of the account, this one too, in every process.',
      access: 'leaving',
      success: {
        200: { description: 'The sessions have ended', data: schemas.endedData, example: { endedSessions: 3 } },
      },
      errors: ['DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, context }) => {
        const endedSessions = await sessions.logoutAll(principal.userId, {
          actor: actorOf(principal),
          origin: context,
        });
        return ok('Logged out everywhere', { endedSessions });
      },
    }),
  ];
}

function presentSession(session: Session, currentId: string) {
  const { id, ip, userAgent } = session;
  return {
    id,
    ip,
    userAgent,
    createdAt: session.createdAt.toISOString(),
    lastUsedAt: session.lastUsedAt.toISOString(),
    expiresAt: session.expiresAt.toISOString(),
    current: id === currentId,
  };
}
