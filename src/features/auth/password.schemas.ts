import { z } from 'zod';
import { emailField, newPassword, otpField, typedPassword } from './auth.schemas.ts';

export const changeBody = z
  .strictObject({
    currentPassword: typedPassword,
    newPassword: newPassword.meta({ description: 'Another one than the current', example: 'battery staple correct' }),
  })
  .refine((body) => body.currentPassword !== body.newPassword, {
    path: ['newPassword'],
    message: 'must not be the current password',
  });
export const changeExample = { currentPassword: 'correct horse battery', newPassword: 'battery staple correct' };

export const forgotBody = z.strictObject({ email: emailField });
export const forgotExample = { email: 'ada@example.com' };

export const resetBody = z.strictObject({ email: emailField, otp: otpField, newPassword });
export const resetExample = { email: 'ada@example.com', otp: '048213', newPassword: 'battery staple correct' };
