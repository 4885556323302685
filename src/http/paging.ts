import { z } from 'zod';

export const DEFAULT_PAGE_SIZE = 50;
export const MAX_PAGE_SIZE = 200;

/** `?limit=1..200&cursor=`; spread into a route's query schema. */
export const pagingQuery = {
  limit: z.coerce
    .number()
    .int()
    .min(1)
    .max(MAX_PAGE_SIZE)
    .default(DEFAULT_PAGE_SIZE)
    .meta({ description: `Entries on a page, 1..${MAX_PAGE_SIZE}`, example: 50 }),
  cursor: z
    .string()
    .max(8192)
    .optional()
    .meta({ description: '`meta.nextCursor` of the page before', example: 'WyJjYXQuanBnIl0' }),
};

/** The same where the cursor is the last entry's id. */
export const idPagingQuery = {
  limit: pagingQuery.limit,
  cursor: z.uuid('is not a cursor of this list').optional().meta({
    description: '`meta.nextCursor` of the page before',
    example: '019aa3f4-1c2d-7b8e-8f90-5a6b7c8d9e0f',
  }),
};

/** The `meta` of a page. */
export const pageMeta = z.object({
  nextCursor: z.string().nullable().meta({ description: 'For the next page; null on the last one' }),
  limit: z.number().int(),
  total: z.number().int().optional().meta({ description: 'All entries, where that is known without counting' }),
});
