import { z } from 'zod';
import { CONFLICT_POLICIES } from '../ledger/index.ts';
import { fileName, tagArray } from './storage.schemas.ts';

/** What to do when a name is taken by another file; unlike an upload's, it never destroys anything unless told. */
export const conflict = z.enum(CONFLICT_POLICIES).default('fail').meta({
  description: 'When the name is taken: fail with 409, keep both (`name (1).ext`), or replace the other file',
  example: 'keepBoth',
});

export const changeBody = z
  .strictObject({
    fileName: fileName.optional().meta({ description: 'The new path', example: 'photos/cats/cat.jpg' }),
    tags: tagArray.optional().meta({ description: 'All tags from now on', example: ['cats', 'year=2026'] }),
    conflict,
  })
  .superRefine(({ fileName, tags }, context) => {
    if (fileName !== undefined || tags !== undefined) return;
    context.addIssue({ code: 'custom', path: ['fileName'], message: 'give fileName, tags or both' });
  });

export const copyBody = z.strictObject({
  from: z
    .string()
    .min(1)
    .max(4096)
    .meta({ description: 'The path of the file to copy', example: 'photos/2026/cat.jpg' }),
  to: fileName.meta({ description: 'The path of the copy', example: 'photos/cats/cat.jpg' }),
  conflict,
});
