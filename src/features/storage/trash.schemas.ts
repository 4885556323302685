import { z } from 'zod';
import { givesExactlyOne } from '../../http/exactly-one.ts';
import { pagingQuery } from '../../http/paging.ts';
import { conflict } from './change.schemas.ts';
import { EXAMPLE_FILE, file, partOfName } from './storage.schemas.ts';

export const trashParams = z.object({
  id: z.string().meta({ description: 'The id of a file in the trash', example: EXAMPLE_FILE.id }),
});

export const trashQuery = z.object({
  ...pagingQuery,
  prefix: partOfName
    .pipe(z.string().max(1024))
    .default('')
    .meta({ description: 'Only files whose name began so', example: 'photos/' }),
});

export const restoreBody = z.strictObject({ conflict });

/** One object and not a union of two: a union's faults would name no field. */
export const restoreManyBody = z
  .strictObject({
    ids: z
      .array(z.string().min(1).max(64))
      .min(1)
      .max(1000)
      .optional()
      .meta({ description: 'This or `prefix`', example: [EXAMPLE_FILE.id] }),
    prefix: partOfName
      .pipe(z.string().min(1).max(1024))
      .optional()
      .meta({ description: 'This or `ids`', example: 'photos/2026/' }),
    conflict,
  })
  .transform((body, context) => {
    if (!givesExactlyOne(body, ['ids', 'prefix'], context)) return z.NEVER;
    const { ids, prefix = '', conflict } = body;
    return ids === undefined ? { prefix, conflict } : { ids, conflict };
  });

export const trashedFile = z
  .object({
    ...file.shape,
    deletedAt: z.iso.datetime(),
    expiresAt: z.iso.datetime().meta({ description: 'When it is removed for good' }),
  })
  .meta({ id: 'TrashedFile' });

export const restorationData = z.object({
  restored: z.array(z.object({ id: z.string(), fileName: z.string() })),
  failed: z.array(
    z.object({
      id: z.string(),
      fileName: z.string().nullable().meta({ description: 'null where no such file is in the trash' }),
      reason: z.enum(['FILE_NOT_FOUND', 'FILE_EXISTS', 'CONFLICT']),
    }),
  ),
  summary: z.object({ requested: z.number().int(), restored: z.number().int(), failed: z.number().int() }),
});

export const purgeData = z.object({
  fileName: z.string(),
  sizeFreed: z.number().int(),
  deletedAt: z.iso.datetime(),
});

export const emptyData = z.object({
  summary: z.object({ deleted: z.number().int(), sizeFreed: z.number().int() }),
});

export const EXAMPLE_TRASHED = {
  ...EXAMPLE_FILE,
  deletedAt: '2026-11-21T09:05:00.000Z',
  expiresAt: '2026-12-21T09:05:00.000Z',
};
