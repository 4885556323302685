import { z } from 'zod';
import { givesExactlyOne } from '../../http/exactly-one.ts';
import { namesOrPrefix, partOfName, withoutNul } from './storage.schemas.ts';

export const zipBody = z
  .strictObject({
    fileNames: namesOrPrefix,
    prefix: partOfName
      .pipe(z.string().max(1024))
      .optional()
      .meta({ description: 'This or `fileNames`; empty for all there is', example: 'photos/2026/' }),
    name: withoutNul
      .pipe(z.string().min(1).max(255))
      .optional()
      .meta({ description: 'Name of the ZIP; the folder’s unless given', example: 'summer.zip' }),
  })
  .transform((body, context) => {
    if (!givesExactlyOne(body, ['fileNames', 'prefix'], context)) return z.NEVER;
    const { fileNames, prefix = '', name } = body;
    return fileNames === undefined
      ? { selection: { prefix }, name }
      : { selection: { files: fileNames.map((path) => ({ path })) }, name };
  });
