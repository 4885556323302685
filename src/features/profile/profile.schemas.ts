import { z } from 'zod';
import { singleLine } from '../../http/text-fields.ts';
import { apiKeyExample, apiKeySchema } from '../api-keys/index.ts';
import { emailField, username } from '../auth/index.ts';
import { EXAMPLE_USAGE, EXAMPLE_USAGE_DATA, usage, usageData } from '../storage/index.ts';
import { userExample, userSchema } from '../users/index.ts';

export const profileBody = z
  .strictObject({
    name: singleLine(1, 100).nullable().optional().meta({ description: 'null clears it', example: 'Ada Lovelace' }),
    email: emailField.optional(),
    username: username.nullable().optional().meta({ description: 'null clears it', example: 'ada' }),
  })
  .refine((body) => Object.values(body).some((value) => value !== undefined), {
    path: ['body'],
    message: 'give at least one of name, email and username',
  });

export const userData = z.object({ user: userSchema });

export const profileData = z.object({ user: userSchema, apiKeys: z.array(apiKeySchema) });
export const profileExample = { user: userExample, apiKeys: [apiKeyExample] };

const { quota, usagePercentage } = usageData.shape;

export const summaryData = z.object({
  profile: userSchema,
  drive: usage
    .extend({ quota, usagePercentage })
    .meta({ id: 'DriveUsage', description: 'The drive against its quota.' }),
  apiKeys: z.array(apiKeySchema.extend({ usage }).meta({ id: 'ApiKeyWithUsage', description: 'A key and its usage.' })),
});

export const summaryExample = {
  profile: userExample,
  drive: {
    ...EXAMPLE_USAGE,
    quota: EXAMPLE_USAGE_DATA.quota,
    usagePercentage: EXAMPLE_USAGE_DATA.usagePercentage,
  },
  apiKeys: [{ ...apiKeyExample, usage: EXAMPLE_USAGE }],
};

export const photoData = z.object({
  url: z.url().meta({ description: 'Shows the photo (WebP, at most 512 x 512) to whoever has it' }),
  expiresIn: z.number().int().meta({ description: 'Seconds' }),
});

export const photoExample = {
  url: 'https://pockity.example.com/objects/users/019aa3f0-5f5e-7c3a-9d55-0c8a3f1b2c4d/019aa3f6-0b1c-7d2e-8f3a-4b5c6d7e8f90?X-Signature=c2ln',
  expiresIn: 3600,
};
