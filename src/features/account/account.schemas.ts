import { z } from 'zod';
import { typedPassword } from '../auth/index.ts';
import { userExample, userSchema } from '../users/index.ts';

export const deletionBody = z.strictObject({ password: typedPassword });
export const deletionBodyExample = { password: 'correct horse battery' };

export const deletionData = z.object({
  deletion: z.object({
    requestedAt: z.iso.datetime(),
    dueAt: z.iso.datetime().meta({ description: 'From when on the account is erased' }),
  }),
});

export const deletionExample = {
  deletion: { requestedAt: '2026-11-21T09:00:00.000Z', dueAt: '2026-12-21T09:00:00.000Z' },
};

export const restoredData = z.object({ user: userSchema });
export const restoredExample = { user: userExample };
