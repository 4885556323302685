import { z } from 'zod';

/** An account as its owner and admins see it. */
export const userSchema = z
  .object({
    id: z.uuid(),
    email: z.string(),
    username: z.string().nullable(),
    name: z.string().nullable(),
    role: z.enum(['USER', 'ADMIN']),
    emailVerified: z.boolean(),
    createdAt: z.iso.datetime(),
    updatedAt: z.iso.datetime(),
  })
  .meta({ id: 'User', description: 'An account.' });

export const userExample = {
  id: '019aa3f0-5f5e-7c3a-9d55-0c8a3f1b2c4d',
  email: 'ada@example.com',
  username: 'ada',
  name: 'Ada Lovelace',
  role: 'USER',
  emailVerified: true,
  createdAt: '2026-11-21T09:00:00.000Z',
  updatedAt: '2026-11-21T09:05:00.000Z',
} as const;
