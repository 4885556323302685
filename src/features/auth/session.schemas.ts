import { z } from 'zod';
import { pageMeta, pagingQuery } from '../../http/paging.ts';
import { userExample, userSchema } from '../users/index.ts';

const sessionSchema = z
  .object({
    id: z.uuid(),
    ip: z.string().nullable().meta({ description: 'From where it was opened' }),
    userAgent: z.string().nullable(),
    createdAt: z.iso.datetime(),
    lastUsedAt: z.iso.datetime().meta({ description: 'When its tokens were last renewed, or the login' }),
    expiresAt: z.iso.datetime().meta({ description: 'Unless its tokens are renewed before' }),
    current: z.boolean().meta({ description: 'The session that asks' }),
  })
  .meta({ id: 'Session', description: 'A login that is alive.' });

const sessionExample = {
  id: '019aa3f0-6a01-7f10-8a51-1d1c9a7f2b3e',
  ip: '203.0.113.7',
  userAgent: 'Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0',
  createdAt: '2026-11-21T09:00:00.000Z',
  lastUsedAt: '2026-11-21T09:15:00.000Z',
  expiresAt: '2026-12-21T09:15:00.000Z',
  current: true,
} as const;

export const listQuery = z.object(pagingQuery);
export const listMeta = pageMeta;
export const sessionsData = z.object({ sessions: z.array(sessionSchema) });
export const sessionsExample = { sessions: [sessionExample] };

/** An id from a path. What has not the form of one names nothing: 404, not 400. */
export const idParams = z.object({ id: z.string().meta({ description: 'The id', example: sessionExample.id }) });

export const endedData = z.object({
  endedSessions: z.number().int().meta({ description: 'How many sessions were ended' }),
});

export const verifyData = z.object({
  valid: z.literal(true),
  user: userSchema,
  expiresAt: z.iso.datetime().meta({ description: 'Of the access token' }),
});
export const verifyExample = { valid: true, user: userExample, expiresAt: '2026-11-21T09:15:00.000Z' } as const;
