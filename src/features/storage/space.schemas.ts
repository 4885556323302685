import { z } from 'zod';

export const settings = z
  .object({
    trashDays: z.number().int().meta({ description: 'How long deleted files stay in the trash; 0: they do not' }),
    versionsKept: z.number().int().meta({ description: 'How many older contents of each file stay' }),
  })
  .meta({ id: 'SpaceSettings' });

export const settingsBody = z
  .strictObject({
    trashDays: z
      .number()
      .int()
      .min(0)
      .max(3650)
      .nullable()
      .optional()
      .meta({ description: '0: no trash; null: as the server does for this kind of space', example: 30 }),
    versionsKept: z.number().int().min(0).max(100).optional().meta({ description: '0: none', example: 5 }),
  })
  .superRefine(({ trashDays, versionsKept }, context) => {
    if (trashDays !== undefined || versionsKept !== undefined) return;
    context.addIssue({ code: 'custom', path: ['trashDays'], message: 'give trashDays, versionsKept or both' });
  });

export const EXAMPLE_SETTINGS = { trashDays: 30, versionsKept: 5 };
