import { z } from 'zod';
import { partOfName, withoutNul } from './storage.schemas.ts';

/** One object and not a union of two, as in `bulkDeleteBody`. */
export const zipBody = z
  .strictObject({
    fileNames: z
      .array(z.string().min(1).max(4096))
      .min(1)
      .max(1000)
      .optional()
      .meta({ description: 'This or `prefix`', example: ['photos/2026/cat.jpg'] }),
    prefix: partOfName
      .pipe(z.string().max(1024))
      .optional()
      .meta({ description: 'This or `fileNames`; empty for all there is', example: 'photos/2026/' }),
    name: withoutNul
      .pipe(z.string().min(1).max(255))
      .optional()
      .meta({ description: 'Name of the ZIP; the folder’s unless given', example: 'summer.zip' }),
  })
  .transform(({ fileNames, prefix, name }, context) => {
    if (fileNames !== undefined && prefix === undefined) {
      return { selection: { files: fileNames.map((path) => ({ path })) }, name };
    }
    if (prefix !== undefined && fileNames === undefined) return { selection: { prefix }, name };
    const path = prefix === undefined ? 'fileNames' : 'prefix';
    context.addIssue({ code: 'custom', path: [path], message: 'give either fileNames or prefix' });
    return z.NEVER;
  });
