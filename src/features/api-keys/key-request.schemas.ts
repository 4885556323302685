import { z } from 'zod';
import { moment } from '../../http/moment.ts';
import { multiLine, singleLine } from '../../http/text-fields.ts';
import { PERMISSIONS } from '../access/index.ts';
import { userExample, userSchema } from '../users/index.ts';
import {
  apiKeyExample,
  apiKeySchema,
  keyName,
  MAX_GB,
  objects,
  pageMeta,
  pageQuery,
  permissions,
} from './api-key.schemas.ts';
import { REQUEST_STATUSES } from './key-request.ts';

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
    permissions: z
      .array(z.enum(PERMISSIONS))
      .meta({ description: 'Of the key that is asked for; none for an upgrade' }),
    expiresAt: z.iso.datetime().nullable().meta({ description: 'When the key that is asked for ends' }),
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
  permissions: ['read', 'write', 'delete', 'list'],
  expiresAt: null,
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

const storageGB = z
  .number()
  .positive()
  .max(MAX_GB)
  .meta({ description: `GB of 1024^3 bytes, fractions allowed, at most ${MAX_GB}`, example: 5 });

const reason = multiLine(10, 500).meta({
  description: '10 to 500 characters for the admins',
  example: 'Nightly backup of the photo library',
});

export const createRequestBody = z.strictObject({
  keyName,
  requestedStorageGB: storageGB,
  requestedObjects: objects,
  reason,
  permissions: permissions
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

export const upgradeRequestBody = z.strictObject({
  accessKeyId: singleLine(1, 64).meta({ description: 'Of the own key', example: apiKeyExample.accessKeyId }),
  requestedStorageGB: storageGB,
  requestedObjects: objects,
  reason,
});

export const upgradeRequestBodyExample = {
  accessKeyId: apiKeyExample.accessKeyId,
  requestedStorageGB: 10,
  requestedObjects: 20000,
  reason: 'The library has grown past the first guess',
};

const reviewerComment = multiLine(1, 1000).optional().meta({ description: 'For the requester', example: 'Welcome' });

const GRANTED =
  'At most what was asked for, for an upgrade at least what the key has; all that was asked for unless told';

/** Numbers and times belong to an approval only. */
export const reviewBody = z.discriminatedUnion(
  'approved',
  [
    z.strictObject({
      approved: z.literal(true),
      reviewerComment,
      grantedStorageGB: storageGB.optional().meta({ description: GRANTED }),
      grantedObjects: objects.optional().meta({ description: GRANTED }),
      expiresAt: moment.nullable().optional().meta({
        description: 'When the key ends, null for never; unless told as was asked for, or for an upgrade as it is',
      }),
    }),
    z.strictObject({ approved: z.literal(false), reviewerComment }),
  ],
  { error: 'must be true or false' },
);

export const reviewExample = { approved: true, reviewerComment: 'Welcome' };

export const adminListQuery = pageQuery.extend({
  status: z.enum(REQUEST_STATUSES).optional().meta({ description: 'Only requests in this state', example: 'PENDING' }),
});

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
  apiKey: apiKeySchema
    .nullable()
    .meta({ description: 'The key that an approval made or gave more room; its owner claims the secret' }),
});
export const upgradeExample = {
  ...requestExample,
  requestType: 'UPGRADE',
  accessKeyId: apiKeyExample.accessKeyId,
  requestedStorageGB: 10,
  requestedObjects: 20000,
  reason: 'The library has grown past the first guess',
} as const;
