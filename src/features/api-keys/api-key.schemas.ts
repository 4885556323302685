import { z } from 'zod';
import { idPagingQuery, pageMeta } from '../../http/paging.ts';
import { singleLine } from '../../http/text-fields.ts';
import { PERMISSIONS } from '../access/index.ts';

export const MAX_GB = 1000;
const MAX_OBJECTS = 1_000_000;

const secretSchema = z
  .object({
    id: z.uuid(),
    createdAt: z.iso.datetime(),
    lastUsedAt: z.iso.datetime().nullable().meta({ description: 'To the minute' }),
    lastUsedIp: z.string().nullable(),
    retiresAt: z.iso
      .datetime()
      .nullable()
      .meta({ description: 'When it ends; null as long as nothing has replaced it' }),
  })
  .meta({ id: 'ApiKeySecret', description: 'What is known of a secret; never the secret.' });

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
    secrets: z
      .array(secretSchema)
      .meta({ description: 'Those that work, newest first; at most two, none before the claim' }),
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
  secrets: [
    {
      id: '019aa3f8-2a4b-7c6d-8e0f-1a2b3c4d5e6f',
      createdAt: '2026-11-21T09:25:00.000Z',
      lastUsedAt: null,
      lastUsedIp: null,
      retiresAt: null,
    },
  ],
} satisfies z.input<typeof apiKeySchema>;

/** Approved, not yet claimed. */
export const unclaimedKeyExample = { ...apiKeyExample, secrets: [] };

/** An id from a path. What has not the form of one names nothing: 404, not 400. */
export const idParams = z.object({ id: z.string().meta({ description: 'The id', example: apiKeyExample.id }) });

/** The ids of a key and one of its secrets. */
export const secretParams = idParams.extend({
  secretId: z.string().meta({ description: 'The secret’s id', example: apiKeyExample.secrets[0]?.id }),
});

/** A number of files that a quota may have. */
export const objects = z
  .number()
  .int()
  .min(1)
  .max(MAX_OBJECTS)
  .meta({ description: `Files, at most ${MAX_OBJECTS.toLocaleString('en-US')}`, example: 10000 });

export const keyName = singleLine(1, 100).meta({
  description: 'What the key is for, in a few words',
  example: 'photo backup',
});

export const permissions = z
  .array(z.enum(PERMISSIONS))
  .min(1)
  .refine((list) => new Set(list).size === list.length, 'must not name one twice');

export const changeKeyBody = z
  .strictObject({
    name: keyName.optional(),
    permissions: permissions
      .optional()
      .meta({ description: 'Some of the present ones: they can only become fewer', example: ['read', 'list'] }),
  })
  .refine(({ name, permissions: fewer }) => name !== undefined || fewer !== undefined, {
    message: 'name or permissions must be given',
    path: ['name'],
  });

export const changeKeyExample = { permissions: ['read', 'list'] };

const MAX_OVERLAP_HOURS = 720;

export const rotateBody = z.strictObject({
  overlapHours: z
    .number()
    .min(0)
    .max(MAX_OVERLAP_HOURS)
    .default(24)
    .meta({
      description: `How long the first secret still works, 0..${MAX_OVERLAP_HOURS}; with 0 it ends now`,
      example: 24,
    }),
});

export const rotateExample = { overlapHours: 24 };

/** Keyset paging where the cursor is the last entry's id. */
export const pageQuery = z.object({
  ...idPagingQuery,
});

export { pageMeta };

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

export const rotationData = claimData.extend({
  secretId: z.uuid().meta({ description: 'The new secret’s' }),
  oldSecretRetiresAt: z.iso
    .datetime()
    .nullable()
    .meta({ description: 'Until then both work; null where none was left' }),
});
export const rotationExample = {
  ...claimExample,
  secretId: '019aa8c1-5e6f-7a0b-9c1d-2e3f4a5b6c7d',
  oldSecretRetiresAt: '2026-11-23T08:00:00.000Z',
};
