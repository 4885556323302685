import { z } from 'zod';

const count = z.number().int();
const known = count.nullable().meta({ description: 'null when it does not answer' });
/** A sum over all spaces may pass 2^53; then it is rounded. */
const sum = z.number();

const check = z.object({
  status: z.enum(['up', 'down']).meta({ description: 'Asked now; `down` after 2 s' }),
  latencyMs: z.number().meta({ description: 'How long the answer took, or until it was given up' }),
});

export const healthData = z.object({
  system: z.object({
    status: z.enum(['ok', 'degraded']).meta({ description: '`degraded` when one of the three is down' }),
    uptime: z.number().meta({ description: 'Seconds since this process started' }),
    version: z.string(),
    database: check.extend({
      migrations: z
        .object({
          applied: count,
          unfinished: count.meta({ description: 'Failed, or being applied just now' }),
          latest: z.string().nullable(),
        })
        .nullable(),
      connections: known,
      maxConnections: known,
    }),
    objectStore: check,
    queue: check.extend({
      waiting: known,
      active: known,
      failed: known.meta({ description: 'Dead letters; null when the queue does not answer' }),
      oldestWaitingSeconds: z
        .number()
        .nullable()
        .meta({ description: 'For how long the first waiting job could have been taken up; null when none is due' }),
    }),
  }),
  statistics: z
    .object({
      users: z.object({
        total: count,
        verified: count,
        unverified: count,
        disabled: count,
        admins: count,
        deletionPending: count,
        registeredLast30Days: count,
      }),
      apiKeys: z.object({
        total: count,
        active: count.meta({ description: 'Neither revoked nor expired' }),
        revoked: count,
        expired: count.meta({ description: 'Expired and not revoked' }),
        unclaimed: count.meta({ description: 'Of the active ones, those whose secret nobody has fetched' }),
      }),
      requests: z.object({ total: count, pending: count, approved: count, rejected: count, withdrawn: count }),
      storage: z.object({ spaces: count, objects: sum, bytesUsed: sum, bytesReserved: sum, quotaBytes: sum }),
    })
    .nullable()
    .meta({ description: 'null when the database does not answer' }),
});

export const healthExample = {
  system: {
    status: 'ok',
    uptime: 86400.5,
    version: '0.1.0',
    database: {
      status: 'up',
      latencyMs: 1.2,
      migrations: { applied: 3, unfinished: 0, latest: '20261121000200_accounts' },
      connections: 12,
      maxConnections: 100,
    },
    objectStore: { status: 'up', latencyMs: 0.4 },
    queue: { status: 'up', latencyMs: 1.9, waiting: 3, active: 1, failed: 0, oldestWaitingSeconds: 0.8 },
  },
  statistics: {
    users: {
      total: 120,
      verified: 110,
      unverified: 10,
      disabled: 2,
      admins: 3,
      deletionPending: 1,
      registeredLast30Days: 14,
    },
    apiKeys: { total: 80, active: 70, revoked: 8, expired: 2, unclaimed: 5 },
    requests: { total: 95, pending: 4, approved: 80, rejected: 9, withdrawn: 2 },
    storage: {
      spaces: 200,
      objects: 48213,
      bytesUsed: 91268055040,
      bytesReserved: 5242880,
      quotaBytes: 1073741824000,
    },
  },
} as const;
