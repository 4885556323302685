import { z } from 'zod';
import { pagingQuery } from '../../http/paging.ts';
import { singleLine } from '../../http/text-fields.ts';
import { EXAMPLE_USAGE, usage } from '../storage/index.ts';
import { userExample, userSchema } from '../users/index.ts';
import { KEY_STATUSES } from './admin-key.ts';
import { apiKeyExample, apiKeySchema, MAX_GB, objects } from './api-key.schemas.ts';

const MAX_BYTES = MAX_GB * 1024 ** 3;

const adminKeySchema = apiKeySchema
  .extend({ user: userSchema, usage })
  .meta({ id: 'AdminApiKey', description: 'A key, whose it is and what lies in its pocket; never its secret.' });

export const adminKeyExample = { ...apiKeyExample, user: userExample, usage: EXAMPLE_USAGE };

export const adminKeyData = z.object({ apiKey: adminKeySchema });
export const adminKeysData = z.object({ apiKeys: z.array(adminKeySchema) });

export const adminKeysQuery = z.object({
  ...pagingQuery,
  userId: z.uuid().optional().meta({ description: 'Only this user’s keys', example: userExample.id }),
  status: z.enum(KEY_STATUSES).optional().meta({ description: 'Only keys in this state', example: 'active' }),
  search: singleLine(1, 200).optional().meta({
    description: 'Part of the key’s name, the access key id, or the owner’s e-mail address or username, any case',
    example: 'backup',
  }),
});

export const quotaBody = z.strictObject({
  quota: z
    .strictObject({
      maxBytes: z
        .number()
        .int()
        .min(1)
        .max(MAX_BYTES)
        .optional()
        .meta({
          description: `Bytes, at most ${MAX_BYTES} (${MAX_GB} GB)`,
          example: 10737418240,
        }),
      maxObjects: objects.optional(),
    })
    .refine(
      ({ maxBytes, maxObjects }) => maxBytes !== undefined || maxObjects !== undefined,
      'must name maxBytes, maxObjects or both',
    ),
});

export const quotaExample = { quota: { maxBytes: 10737418240 } };
