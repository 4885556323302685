import { z } from 'zod';
import { idPagingQuery, pageMeta } from '../../http/paging.ts';
import { userExample, userSchema } from '../users/index.ts';
import { USER_STATUSES } from './admin-user.ts';

const MAX_DRIVE_BYTES = 1024 ** 5;
const MAX_DRIVE_OBJECTS = 100_000_000;
/** A hundred years. */
const MAX_INACTIVE_DAYS = 36_500;

const count = z.number().int();
const role = z.enum(['USER', 'ADMIN']);
const moment = z.iso.datetime().nullable();

const adminUserSchema = userSchema
  .extend({
    status: z
      .enum(USER_STATUSES)
      .meta({ description: 'About to be deleted, else disabled, else unverified, else active' }),
    disabledAt: moment,
    lastLoginAt: moment,
    loginCount: count,
    deletion: z.object({ requestedAt: z.iso.datetime(), dueAt: z.iso.datetime(), byAdmin: z.boolean() }).nullable(),
    apiKeyCount: count,
    activeKeyCount: count.meta({ description: 'Neither revoked nor expired' }),
    pendingRequestCount: count,
    drive: z.object({
      bytesUsed: count,
      objects: count,
      quota: z.object({ maxBytes: count, maxObjects: count }),
    }),
    usage: z
      .object({ bytesUsed: count, objects: count, bytesReserved: count })
      .meta({ description: 'Over the drive and the pockets of all keys' }),
  })
  .meta({ id: 'AdminUser', description: 'An account as an admin sees it.' });

const adminUserDetailSchema = adminUserSchema
  .extend({
    recentLogins: z
      .array(
        z.object({
          at: z.iso.datetime(),
          ip: z.string().nullable(),
          userAgent: z.string().nullable(),
          succeeded: z.boolean(),
        }),
      )
      .meta({ description: 'The last 20, also failed ones, newest first' }),
    activeSessionCount: count,
  })
  .meta({ id: 'AdminUserDetail', description: 'The same with logins and sessions.' });

export const adminUserExample = {
  ...userExample,
  status: 'active',
  disabledAt: null,
  lastLoginAt: '2026-11-21T09:06:00.000Z',
  loginCount: 12,
  deletion: null,
  apiKeyCount: 2,
  activeKeyCount: 1,
  pendingRequestCount: 1,
  drive: { bytesUsed: 48213, objects: 1, quota: { maxBytes: 5368709120, maxObjects: 10000 } },
  usage: { bytesUsed: 5291093, objects: 7, bytesReserved: 0 },
} as const;

export const adminUserDetailExample = {
  ...adminUserExample,
  recentLogins: [{ at: '2026-11-21T09:06:00.000Z', ip: '192.0.2.7', userAgent: 'curl/8.16.0', succeeded: true }],
  activeSessionCount: 1,
};

/** An id from a path. What has not the form of one names nothing: 404, not 400. */
export const idParams = z.object({ id: z.string().meta({ description: 'The id', example: userExample.id }) });

export const listQuery = z.object({
  ...idPagingQuery,
  search: z
    .string()
    .trim()
    .min(1)
    .max(320)
    .refine((text) => !text.includes('\0') && text.isWellFormed(), 'must be valid UTF-8 without NUL')
    .optional()
    .meta({
      description: 'Part of the e-mail address, the username or the name, any case; or an id or its first 8 characters',
      example: 'ada',
    }),
  status: z.enum(USER_STATUSES).optional().meta({ description: 'Only accounts of this status', example: 'active' }),
  role: role.optional().meta({ description: 'Only accounts of this role', example: 'ADMIN' }),
  inactiveDays: z.coerce.number().int().min(1).max(MAX_INACTIVE_DAYS).optional().meta({
    description: 'Only accounts without a login (or, never logged in, a registration) for so many days',
    example: 90,
  }),
});

export const listMeta = pageMeta.extend({
  counts: z.record(z.enum(USER_STATUSES), count).meta({ description: 'All accounts by status, whatever the filter' }),
});

export const changeBody = z
  .strictObject({
    disabled: z.boolean().optional().meta({ description: 'true ends every session; keys fail as long as it lasts' }),
    role: role.optional(),
    driveQuota: z
      .strictObject({
        maxBytes: z
          .number()
          .int()
          .min(1)
          .max(MAX_DRIVE_BYTES)
          .optional()
          .meta({ description: 'At most 1 PB (1024^5)', example: 10737418240 }),
        maxObjects: z
          .number()
          .int()
          .min(1)
          .max(MAX_DRIVE_OBJECTS)
          .optional()
          .meta({ description: `At most ${MAX_DRIVE_OBJECTS.toLocaleString('en-US')}`, example: 20000 }),
      })
      .refine(hasField, 'give maxBytes, maxObjects or both')
      .optional()
      .meta({ description: 'May be below what is used: then nothing more fits' }),
  })
  .refine(hasField, 'give at least one of disabled, role and driveQuota');

function hasField(value: object): boolean {
  return Object.values(value).some((field) => field !== undefined);
}

export const changeExample = { disabled: false, driveQuota: { maxBytes: 10737418240, maxObjects: 20000 } };

export const usersData = z.object({ users: z.array(adminUserSchema) });
export const userData = z.object({ user: adminUserDetailSchema });
