import { z } from 'zod';
import { pagingQuery } from '../../http/paging.ts';
import { EXAMPLE_FILE, file } from './storage.schemas.ts';

export const historyQuery = z.object({
  ...pagingQuery,
  days: z.coerce
    .number()
    .int()
    .min(1)
    .max(366)
    .default(30)
    .meta({ description: 'Today and so many whole days (UTC) before, 1..366', example: 30 }),
});

const usageEntry = z
  .object({
    id: z.uuid(),
    at: z.iso.datetime(),
    reason: z.string().meta({ description: 'What happened: upload, copy, delete, trash, restore, ...' }),
    deltaBytes: z.number().int(),
    deltaObjects: z.number().int(),
    deltaTrashBytes: z
      .number()
      .int()
      .meta({ description: 'How much of what is used went into the trash, or out of it' }),
    deltaVersionBytes: z.number().int().meta({ description: 'The same of older contents' }),
    fileId: z.uuid().nullable(),
    fileName: z.string().meta({ description: 'The name that the file had then' }),
  })
  .meta({ id: 'UsageEntry' });

const usageDay = z.object({
  day: z.iso.date(),
  addedBytes: z.number().int(),
  removedBytes: z.number().int(),
  addedObjects: z.number().int(),
  removedObjects: z.number().int(),
});

export const historyData = z.object({
  entries: z.array(usageEntry),
  days: z
    .array(usageDay)
    .optional()
    .meta({ description: 'On the first page: the days on which something changed, newest first' }),
});

export const analyticsData = z.object({
  overview: z.object({
    totalFiles: z.number().int(),
    totalBytes: z.number().int(),
    averageFileSize: z.number().int().meta({ description: 'Bytes, rounded; 0 without files' }),
    largestFile: file.nullable(),
  }),
  fileTypes: z.record(z.string(), z.object({ count: z.number().int(), bytes: z.number().int() })),
  recentFiles: z.array(file).meta({ description: 'The 10 newest' }),
  quota: z.object({
    usagePercentage: z.number().meta({ description: 'Of bytes' }),
    remainingBytes: z.number().int().meta({ description: 'Neither used nor reserved' }),
    daysUntilFull: z
      .number()
      .int()
      .nullable()
      .meta({ description: 'At the growth of the last 30 days; null when there was none' }),
  }),
});

export const EXAMPLE_HISTORY = {
  entries: [
    {
      id: '019aa2f4-7d1c-7e5a-9a55-0c6f1b1f6a03',
      at: '2026-11-21T09:00:00.000Z',
      reason: 'upload',
      deltaBytes: 48213,
      deltaObjects: 1,
      deltaTrashBytes: 0,
      deltaVersionBytes: 0,
      fileId: EXAMPLE_FILE.id,
      fileName: EXAMPLE_FILE.fileName,
    },
  ],
  days: [{ day: '2026-11-21', addedBytes: 48213, removedBytes: 0, addedObjects: 1, removedObjects: 0 }],
};

export const EXAMPLE_ANALYTICS = {
  overview: { totalFiles: 1, totalBytes: 48213, averageFileSize: 48213, largestFile: EXAMPLE_FILE },
  fileTypes: { image: { count: 1, bytes: 48213 } },
  recentFiles: [EXAMPLE_FILE],
  quota: { usagePercentage: 0, remainingBytes: 5368660907, daysUntilFull: 111351 },
};
