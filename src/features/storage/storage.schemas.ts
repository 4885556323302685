import { z } from 'zod';
import { givesExactlyOne } from '../../http/exactly-one.ts';
import { pagingQuery } from '../../http/paging.ts';
import { CATEGORIES, fileNameFault, normalizeFileName } from '../ingest/index.ts';
import { CONFLICT_POLICIES } from '../ledger/index.ts';
import { tag, tagList } from './tag.schemas.ts';

export { tagArray } from './tag.schemas.ts';

const EXAMPLE_NAME = 'photos/2026/cat.jpg';

/** A path in a space: normalized to NFC, then held against API.md's rules. */
export const fileName = z
  .string()
  .transform(normalizeFileName)
  .superRefine((name, context) => {
    const fault = fileNameFault(name);
    if (fault !== null) context.addIssue({ code: 'custom', message: fault });
  })
  .meta({ description: 'Path in the space: 1-1024 UTF-8 bytes, `/` makes folders', example: EXAMPLE_NAME });

/** A path to look up: what is no path is simply not there. */
export const fileNameParams = z.object({
  fileName: z.string().meta({ description: 'The path as one percent-encoded segment', example: EXAMPLE_NAME }),
});

export const withoutNul = z
  .string()
  .refine((text) => !text.includes('\0') && text.isWellFormed(), 'must be valid UTF-8 without NUL');

/** A piece of names: NFC as they are, so that it is found however it was typed. */
export const partOfName = withoutNul.transform(normalizeFileName);

export const uploadQuery = z.object({
  fileName: fileName.optional(),
  conflict: z.enum(CONFLICT_POLICIES).default('replace').meta({
    description: 'When the name is taken: replace the content, keep both (`name (1).ext`), or fail with 409',
    example: 'keepBoth',
  }),
  tags: tagList.optional().meta({
    description: 'Up to 10 tags, `key` or `key=value`, divided by commas; absent keeps those of a replaced file',
    example: 'cats,year=2026',
  }),
  reservationId: z.string().max(100).optional().meta({
    description: 'Draws the room from this reservation (POST /reservations), and from nothing else',
    example: '019aa2f4-7d1c-7e5a-9a55-0c6f1b1f6a11',
  }),
});

export const listQuery = z.object({
  ...pagingQuery,
  prefix: partOfName
    .pipe(z.string().max(1024))
    .default('')
    .meta({ description: 'Only names that begin so', example: 'photos/' }),
  delimiter: z
    .literal('/')
    .optional()
    .meta({ description: 'Show one level; what lies deeper appears in `folders`', example: '/' }),
  search: partOfName
    .pipe(z.string().min(1).max(200))
    .optional()
    .meta({ description: 'Part of the name, any case', example: 'cat' }),
  category: z.enum(CATEGORIES).optional().meta({ description: 'Only files of this kind', example: 'image' }),
  tag: tag
    .optional()
    .meta({ description: 'Only files with this tag: `key` with whatever value, `key=value` exactly', example: 'cats' }),
  sort: z.enum(['name', 'date', 'size']).default('name').meta({ description: 'By what', example: 'date' }),
  order: z.enum(['asc', 'desc']).default('asc').meta({ description: 'Which way', example: 'desc' }),
});

export const linkQuery = z.object({
  expiresIn: z.coerce
    .number()
    .int()
    .min(60)
    .max(604_800)
    .default(3600)
    .meta({ description: 'Seconds, 60..604800', example: 3600 }),
  disposition: z
    .enum(['attachment', 'inline'])
    .default('attachment')
    .meta({ description: 'Whether a browser saves or shows it', example: 'inline' }),
});

export const deleteQuery = z.object({
  permanent: z
    .enum(['true', 'false'])
    .default('false')
    .transform((text) => text === 'true')
    .meta({ description: 'Past the trash', example: 'true' }),
});

/** Names to look up, instead of a prefix. */
export const namesOrPrefix = z
  .array(z.string().min(1).max(4096))
  .min(1)
  .max(1000)
  .optional()
  .meta({ description: 'This or `prefix`', example: ['photos/2026/cat.jpg'] });

export const bulkDeleteBody = z
  .strictObject({
    fileNames: namesOrPrefix,
    prefix: withoutNul
      .pipe(z.string().min(1).max(1024))
      .optional()
      .meta({ description: 'This or `fileNames`', example: 'photos/2026/' }),
    permanent: z.boolean().default(false).meta({ description: 'Past the trash', example: false }),
  })
  .transform((body, context) => {
    if (!givesExactlyOne(body, ['fileNames', 'prefix'], context)) return z.NEVER;
    const { fileNames, prefix = '', permanent } = body;
    return fileNames === undefined ? { prefix, permanent } : { fileNames, permanent };
  });

export const file = z
  .object({
    id: z.uuid(),
    fileName: z.string(),
    size: z.number().int(),
    contentType: z.string(),
    category: z.string(),
    extension: z.string(),
    checksumSha256: z.string().nullable().meta({
      description: 'Hex; null until a large file that was uploaded directly to the store has been read',
    }),
    etag: z.string(),
    status: z.enum(['READY', 'PROCESSING', 'QUARANTINED']),
    tags: z.array(z.string()),
    uploadedAt: z.iso.datetime(),
    lastModified: z.iso.datetime(),
    thumbnails: z.object({ small: z.string(), medium: z.string(), large: z.string() }).nullable().meta({
      description: 'Paths on this server, read with the same credentials; `/assets/:id` gives links that need none',
    }),
  })
  .meta({ id: 'File' });

export const usage = z
  .object({
    bytesUsed: z.number().int(),
    objects: z.number().int(),
    bytesReserved: z.number().int(),
    trashBytes: z.number().int(),
    versionBytes: z.number().int(),
    lastUpdated: z.iso.datetime(),
  })
  .meta({ id: 'Usage' });

export const usageData = z.object({
  usage,
  quota: z.object({
    maxBytes: z.number().int(),
    maxObjects: z.number().int(),
    canUpload: z.boolean(),
    quotaExceeded: z.boolean(),
  }),
  usagePercentage: z.object({ bytes: z.number(), objects: z.number() }),
});

export const bulkDeleteData = z.object({
  deleted: z.array(z.object({ fileName: z.string(), sizeFreed: z.number().int(), trashed: z.boolean() })),
  failed: z.array(z.object({ fileName: z.string(), reason: z.string() })),
  summary: z.object({
    requested: z.number().int(),
    deleted: z.number().int(),
    failed: z.number().int(),
    sizeFreed: z.number().int(),
  }),
});

export const EXAMPLE_FILE = {
  id: '019aa2f4-7d1c-7e5a-9a55-0c6f1b1f6a01',
  fileName: EXAMPLE_NAME,
  size: 48213,
  contentType: 'image/jpeg',
  category: 'image',
  extension: 'jpg',
  checksumSha256: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
  etag: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
  status: 'READY',
  tags: ['cats', 'year=2026'],
  uploadedAt: '2026-11-21T09:00:00.000Z',
  lastModified: '2026-11-21T09:00:00.000Z',
  thumbnails: null,
};

export const EXAMPLE_USAGE = {
  bytesUsed: 48213,
  objects: 1,
  bytesReserved: 0,
  trashBytes: 0,
  versionBytes: 0,
  lastUpdated: '2026-11-21T09:00:00.000Z',
};

export const EXAMPLE_USAGE_DATA = {
  usage: EXAMPLE_USAGE,
  quota: { maxBytes: 5368709120, maxObjects: 10000, canUpload: true, quotaExceeded: false },
  usagePercentage: { bytes: 0, objects: 0.01 },
};
