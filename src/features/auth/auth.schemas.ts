import { z } from 'zod';
import { singleLine } from '../../http/text-fields.ts';
import { passwordFault } from '../../platform/crypto/password-hasher.ts';
import { emailFault, userExample, usernameFault, userSchema } from '../users/index.ts';

const MIN_PASSWORD_BYTES = 8;
const MAX_LOGIN_LENGTH = 320;

const TOKEN_EXAMPLE = 'eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIwMTlhYTNmMCJ9.c2lnbmF0dXJl';
const REFRESH_EXAMPLE = '019aa3f0-6a01-7f10-8a51-1d1c9a7f2b3e.pQ0yG3m1V7a0nXcJt4bS2eLr9kHfUwZxDiOoYq5T6sM';

/** A password to be set: 8 to 72 bytes, because bcrypt reads no more. */
export const newPassword = z
  .string()
  .superRefine((password, context) => {
    const fault =
      Buffer.byteLength(password) < MIN_PASSWORD_BYTES
        ? `must be at least ${MIN_PASSWORD_BYTES} bytes`
        : passwordFault(password);
    if (fault !== null) context.addIssue({ code: 'custom', message: fault });
  })
  .meta({ description: '8 to 72 bytes of UTF-8, without NUL', example: 'correct horse battery' });

/** A password to be compared: whatever was typed. */
export const typedPassword = z
  .string()
  .min(1)
  .max(1024)
  .meta({ description: 'The password', example: 'correct horse battery' });

export const emailField = z
  .string()
  .trim()
  .superRefine((text, context) => {
    const fault = emailFault(text.normalize('NFC'));
    if (fault !== null) context.addIssue({ code: 'custom', message: fault });
  })
  .meta({ description: 'Compared without regard to case', example: 'ada@example.com' });

export const username = z
  .string()
  .trim()
  .superRefine((text, context) => {
    const fault = usernameFault(text);
    if (fault !== null) context.addIssue({ code: 'custom', message: fault });
  })
  .meta({ description: '3 to 32 of A-Z a-z 0-9 _ . -, compared without regard to case', example: 'ada' });

export const registerBody = z.strictObject({
  email: emailField,
  password: newPassword,
  name: singleLine(1, 100).optional().meta({ description: 'Shown to others', example: 'Ada Lovelace' }),
  username: username.optional(),
});

export const registerExample = { email: 'ada@example.com', password: 'correct horse battery', username: 'ada' };

const login = singleLine(1, MAX_LOGIN_LENGTH);

export const loginBody = z
  .strictObject({
    email: login.optional().meta({ description: 'This or `username`', example: 'ada@example.com' }),
    username: login.optional().meta({ description: 'This or `email`', example: 'ada' }),
    password: typedPassword,
  })
  .refine((body) => (body.email === undefined) !== (body.username === undefined), {
    path: ['email'],
    message: 'give either email or username',
    // Also when a field of its own is faulty: all faults are told at once.
    when: ({ value }) => typeof value === 'object' && value !== null && !Array.isArray(value),
  });

export const loginExample = { email: 'ada@example.com', password: 'correct horse battery' };

export const refreshBody = z.strictObject({
  refreshToken: z
    .string()
    .min(1)
    .max(256)
    .meta({ description: 'The latest one; each works once', example: REFRESH_EXAMPLE }),
});

export const refreshExample = { refreshToken: REFRESH_EXAMPLE };

/** What logging in gives. */
export const sessionData = z.object({
  user: userSchema,
  token: z.string().meta({ description: 'Access token for `Authorization: Bearer`, good for 15 minutes' }),
  refreshToken: z.string().meta({ description: 'Gives the next access token once; good for 30 days' }),
});

/** What only the answer to a registration holds. */
export const keptTokens = sessionData.pick({ token: true, refreshToken: true });

export const sessionExample = { user: userExample, token: TOKEN_EXAMPLE, refreshToken: REFRESH_EXAMPLE };

export const loginData = sessionData.extend({
  deletion: z
    .object({
      requestedAt: z.iso.datetime(),
      dueAt: z.iso.datetime().meta({ description: 'From when on the account is erased' }),
      byAdmin: z.boolean().meta({ description: 'Only an admin can undo it' }),
    })
    .optional()
    .meta({ description: 'Only where the account is about to be deleted: the session can do no more than undo that' }),
});

/** Six digits. */
export const otpField = z
  .string()
  .regex(/^[0-9]{6}$/, 'must be 6 digits')
  .meta({ description: 'The six digits from the mail', example: '048213' });

export const otpParams = z.object({ otp: otpField });

export const sentCodeData = z.object({
  sent: z.boolean().meta({ description: 'False when the address is verified already' }),
  expiresAt: z.iso.datetime().nullable().meta({ description: 'Until when the code is good' }),
});

export const sentCodeExample = { sent: true, expiresAt: '2026-11-21T09:15:00.000Z' };

export const verifiedData = z.object({ user: userSchema });

export const verifiedExample = { user: userExample };
