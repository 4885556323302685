import { z } from 'zod';
import { pagingQuery } from '../../http/paging.ts';
import { EXAMPLE_FILE, fileSchema, listQuery as storageListQuery } from '../storage/index.ts';

const id = z.string().meta({ description: 'The id of a file in the space', example: EXAMPLE_FILE.id });

export const assetParams = z.object({ id });

export const thumbnailParams = z.object({
  id,
  size: z.string().meta({ description: 'small, medium or large: within 256, 512 or 1024 pixels', example: 'small' }),
});

export const thumbnailQuery = z.object({
  v: z.string().max(200).optional().meta({
    description: 'The file’s `etag`: while it is that, the answer may be kept for a week without asking again',
    example: EXAMPLE_FILE.etag,
  }),
});

const { search, category, tag } = storageListQuery.shape;

export const listQuery = z.object({
  ...pagingQuery,
  status: z
    .enum(['READY', 'PROCESSING', 'QUARANTINED'])
    .optional()
    .meta({ description: 'Only files that are so', example: 'READY' }),
  category,
  search: search.meta({
    description: 'Part of the name, or of what the file says of itself (camera, lens, title, author, album); any case',
    example: 'canon',
  }),
  tag,
});

const count = z.number().int();

const metadata = z
  .object({
    format: z.string(),
    width: count.meta({ description: 'Pixels as shown, that is after turning; of a PDF points of the first page' }),
    height: count,
    orientation: count.meta({ description: 'EXIF 1..8: how the stored pixels have to be turned' }),
    frames: count.meta({ description: 'Pictures of an animation' }),
    pages: count,
    durationSeconds: z.number(),
    frameRate: z.number().meta({ description: 'Pictures a second' }),
    videoCodec: z.string(),
    audioCodec: z.string(),
    camera: z.string(),
    lens: z.string(),
    iso: count,
    exposureTime: z.number().meta({ description: 'Seconds' }),
    fNumber: z.number(),
    focalLength: z.number().meta({ description: 'Millimetres' }),
    takenAt: z.string().meta({ description: 'ISO 8601; without an offset it is the camera’s local time' }),
    location: z.object({ latitude: z.number(), longitude: z.number() }).meta({ description: 'Degrees, WGS 84' }),
    title: z.string(),
    author: z.string(),
    album: z.string(),
  })
  .partial()
  .meta({ id: 'AssetMetadata', description: 'What the file says of itself, as far as it does; written by strangers' });

export const asset = fileSchema
  .extend({
    processing: z.object({
      state: z.enum(['NONE', 'PENDING', 'DONE', 'FAILED', 'SKIPPED']).meta({
        description:
          'NONE: nothing is made of this content; SKIPPED: nothing can be made of it on this server, as of what is larger than 1 GiB (images 128 MiB, PDFs 96 MiB)',
      }),
      error: z.string().nullable().meta({ description: 'Why it is not DONE, for people' }),
    }),
    thumbnails: z.object({ small: z.url(), medium: z.url(), large: z.url() }).nullable().meta({
      description:
        'WebP within 256, 512 and 1024 pixels: links that need no credentials, for 45 to 60 minutes. null as long as there are none, for a key without the permission `read`, of HEIC pictures (which have metadata), sounds without a cover, and whatever is larger than 1 GiB',
    }),
    metadata: metadata.nullable().meta({
      description: 'null as long as nothing has been read, and for a key without the permission `read`',
    }),
  })
  .meta({ id: 'Asset' });

const THUMBNAIL = 'https://files.example.com/objects/apikeys/AKIAEXAMPLE/019aa2f4?signature=...';

export const EXAMPLE_ASSET = {
  ...EXAMPLE_FILE,
  processing: { state: 'DONE', error: null },
  thumbnails: { small: THUMBNAIL, medium: THUMBNAIL, large: THUMBNAIL },
  metadata: { format: 'jpeg', width: 4000, height: 3000, camera: 'Canon EOS R6', takenAt: '2026-11-20T17:03:11' },
};
