import { z } from 'zod';
import { pageMeta, pagingQuery } from '../../http/paging.ts';
import { multiLine, singleLine } from '../../http/text-fields.ts';
import { PERMISSIONS } from '../access/index.ts';
import { userExample, userSchema } from '../users/index.ts';
import { REQUEST_STATUSES } from './key-request.ts';

const MAX_GB = 1000;
const MAX_OBJECTS = 1_000_000;

export const apiKeySchema = z
  .object({
    id: z.uuid(),
    accessKeyId: z.string(),
    name: z.string(),
    isActive: z.boolean().meta({ description: 'Neither revoked nor expired' }),
    permissions: z.array(z.enum(PERMISSIONS)),
    createdAt: z.iso.datetime(),
    expiresAt: z.iso.datetime().nullable(),
    lastUsedAt: z.iso.datetime().nullable(),
    revokedAt: z.iso.datetime().nullable(),
    quota: z.object({ maxBytes: z.number().int(), maxObjects: z.number().int() }),
  })
  .meta({ id: 'ApiKey', description: 'A key; never its secret.' });

export const apiKeyExample = {
  id: '019aa3f4-1c2d-7b8e-8f90-5a6b7c8d9e0f',
  accessKeyId: 'AKIAJ4M2Q7XN5RTEK3VB',
  name: 'photo backup',
  isActive: true,
  permissions: ['read', 'write', 'delete', 'list'],
  createdAt: '2026-11-21T09:20:00.000Z',
  expiresAt: null,
  lastUsedAt: null,
  revokedAt: null,
  quota: { maxBytes: 5368709120, maxObjects: 10000 },
} as const;

export const requestSchema = z
  .object({
    id: z.uuid(),
    requestType: z.enum(['CREATE', 'UPGRADE']),
    keyName: z.string(),
    accessKeyId: z.string().nullable(),
    requestedStorageGB: z.number(),
    requestedObjects: z.number().int(),
    grantedStorageGB: z.number().nullable(),
    grantedObjects: z.number().int().nullable(),
    reason: z.string(),
    status: z.enum(REQUEST_STATUSES),
    reviewerComment: z.string().nullable(),
    createdAt: z.iso.datetime(),
    reviewedAt: z.iso.datetime().nullable(),
  })
  .meta({ id: 'KeyRequest', description: 'A request for an API key.' });

export const requestWithUserSchema = requestSchema
  .extend({ user: userSchema })
  .meta({ id: 'KeyRequestWithUser', description: 'A request, and who asks.' });

export const requestExample = {
  id: '019aa3f2-8f31-7d42-9a6b-2b7c3d4e5f60',
  requestType: 'CREATE',
  keyName: 'photo backup',
  accessKeyId: null,
  requestedStorageGB: 5,
  requestedObjects: 10000,
  grantedStorageGB: null,
  grantedObjects: null,
  reason: 'Nightly backup of the photo library',
  status: 'PENDING',
  reviewerComment: null,
  createdAt: '2026-11-21T09:10:00.000Z',
  reviewedAt: null,
} as const;

export const approvedExample = {
  ...requestExample,
  accessKeyId: apiKeyExample.accessKeyId,
  grantedStorageGB: 5,
  grantedObjects: 10000,
  status: 'APPROVED',
  reviewerComment: 'Welcome',
  reviewedAt: '2026-11-21T09:20:00.000Z',
} as const;

export const requestWithUserExample = { ...requestExample, user: userExample };

/** An id from a path. What has not the form of one names nothing: 404, not 400. */
export const idParams = z.object({ id: z.string().meta({ description: 'The id', example: apiKeyExample.id }) });

const storageGB = z
  .number()
  .positive()
  .max(MAX_GB)
  .meta({ description: `GB of 1024^3 bytes, fractions allowed, at most ${MAX_GB}`, example: 5 });

const objects = z
  .number()
  .int()
  .min(1)
  .max(MAX_OBJECTS)
  .meta({ description: `Files, at most ${MAX_OBJECTS.toLocaleString('en-US')}`, example: 10000 });

const moment = z.iso.datetime({ offset: true }).transform((text) => new Date(text));

export const createRequestBody = z.strictObject({
  keyName: singleLine(1, 100).meta({ description: 'What the key is for, in a few words', example: 'photo backup' }),
  requestedStorageGB: storageGB,
  requestedObjects: objects,
  reason: multiLine(10, 500).meta({
    description: '10 to 500 characters for the admins',
    example: 'Nightly backup of the photo library',
  }),
  permissions: z
    .array(z.enum(PERMISSIONS))
    .min(1)
    .refine((list) => new Set(list).size === list.length, 'must not name one twice')
    .optional()
    .meta({ description: 'What the key may do; all of it unless told', example: ['read', 'write', 'list'] }),
  expiresAt: moment.optional().meta({ description: 'When the key ends; never unless told' }),
});

export const createRequestExample = {
  keyName: 'photo backup',
  requestedStorageGB: 5,
  requestedObjects: 10000,
  reason: 'Nightly backup of the photo library',
};

const reviewerComment = multiLine(1, 1000).optional().meta({ description: 'For the requester', example: 'Welcome' });

/** Numbers and times belong to an approval only. */
export const reviewBody = z.discriminatedUnion(
  'approved',
  [
    z.strictObject({
      approved: z.literal(true),
      reviewerComment,
      grantedStorageGB: storageGB.optional().meta({ description: 'At most what was asked for; all of it unless told' }),
      grantedObjects: objects.optional().meta({ description: 'At most what was asked for; all of it unless told' }),
      expiresAt: moment
        .nullable()
        .optional()
        .meta({ description: 'When the key ends; as was asked for unless told, null for never' }),
    }),
    z.strictObject({ approved: z.literal(false), reviewerComment }),
  ],
  { error: 'must be true or false' },
);

export const reviewExample = { approved: true, reviewerComment: 'Welcome' };

/** Keyset paging where the cursor is the last entry's id. */
export const pageQuery = z.object({
  ...pagingQuery,
  cursor: z
    .uuid('is not a cursor of this list')
    .optional()
    .meta({ description: '`meta.nextCursor` of the page before', example: apiKeyExample.id }),
});

export const adminListQuery = pageQuery.extend({
  status: z.enum(REQUEST_STATUSES).optional().meta({ description: 'Only requests in this state', example: 'PENDING' }),
});

export { pageMeta };

export const adminListMeta = pageMeta.extend({
  counts: z
    .record(z.enum(REQUEST_STATUSES), z.number().int())
    .meta({ description: 'All requests by state, whatever the filter' }),
});

export const requestData = z.object({ request: requestSchema });
export const requestsData = z.object({ requests: z.array(requestSchema) });
export const adminRequestsData = z.object({ requests: z.array(requestWithUserSchema) });
export const reviewData = z.object({
  request: requestWithUserSchema,
  apiKey: apiKeySchema.nullable().meta({ description: 'The key that an approval made; its owner claims the secret' }),
});
export const apiKeyData = z.object({ apiKey: apiKeySchema });
export const apiKeysData = z.object({ apiKeys: z.array(apiKeySchema) });
export const claimData = z.object({
  accessKeyId: z.string(),
  secretKey: z.string().meta({ description: 'Shown this once' }),
});
export const claimExample = {
  accessKeyId: apiKeyExample.accessKeyId,
  secretKey: 'h7Kp2mQx9Rt4Vw6Yz1Bc3Df5Gj8LnPsTuXaEeHiM',
};
