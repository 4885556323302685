import { z } from 'zod';
import { MAX_PART_BYTES, MAX_PARTS, MIN_PART_BYTES } from './part-plan.ts';
import { signedHeaders } from './presign.schemas.ts';
import { announced, EXAMPLE_UPLOAD_ID, expiresIn } from './upload.schemas.ts';

const MAX_NUMBERS = 1000;
const EXAMPLE_ETAG = '9e107d9d372bb6826bd81d3542a419d6';

const partNumber = z.int().min(1).max(MAX_PARTS).meta({ description: '1..10000', example: 1 });

export const openBody = z.strictObject({
  ...announced,
  size: z.int().min(1).meta({ description: 'Exact, in bytes; up to 5 TiB', example: 50_000_000 }),
  partSize: z.int().min(MIN_PART_BYTES).max(MAX_PART_BYTES).optional().meta({
    description: 'Bytes of each part but the last, 5 MiB..5 GiB; 16 MiB unless told, more for more than 10,000 parts',
    example: 16_777_216,
  }),
});

export const EXAMPLE_OPEN_BODY = {
  fileName: 'videos/2026/holiday.mp4',
  size: 50_000_000,
  contentType: 'video/mp4',
  partSize: 16_777_216,
};

export const openedData = z.object({
  uploadId: z.uuid(),
  partSize: z.number().int(),
  partCount: z.number().int(),
  expiresAt: z.iso.datetime().meta({ description: 'Asking for parts puts it off, up to 7 days from the beginning' }),
});

export const EXAMPLE_OPENED = {
  uploadId: EXAMPLE_UPLOAD_ID,
  partSize: 16_777_216,
  partCount: 3,
  expiresAt: '2026-11-22T09:00:00.000Z',
};

export const presignPartsBody = z.strictObject({
  partNumbers: z
    .array(partNumber)
    .min(1)
    .max(MAX_NUMBERS)
    .refine((numbers) => new Set(numbers).size === numbers.length, 'must not name a part twice')
    .meta({ description: `Up to ${MAX_NUMBERS} of them`, example: [1, 2, 3] }),
  expiresIn,
});

const partRequest = z.object({
  partNumber: z.number().int(),
  size: z.number().int().meta({ description: 'Exactly so many bytes' }),
  method: z.literal('PUT'),
  url: z.string(),
  headers: signedHeaders,
  expiresAt: z.iso.datetime(),
});

export const partRequestsData = z.object({ parts: z.array(partRequest) });

export const EXAMPLE_PART_REQUEST = {
  partNumber: 1,
  size: 16_777_216,
  method: 'PUT',
  url: 'https://files.example.com/objects/users/019aa2f4/019aa2f5?expires=1795258800&partNumber=1&signature=mKq0',
  headers: { 'content-length': '16777216' },
  expiresAt: '2026-11-21T10:00:00.000Z',
};

export const partsData = z.object({
  parts: z.array(z.object({ partNumber: z.number().int(), size: z.number().int(), etag: z.string() })),
});

export const EXAMPLE_PART = { partNumber: 1, size: 16_777_216, etag: EXAMPLE_ETAG };

export const completePartsBody = z.strictObject({
  parts: z
    .array(
      z.strictObject({
        partNumber,
        etag: z.string().min(1).max(200).meta({ description: 'As the PUT answered it', example: EXAMPLE_ETAG }),
      }),
    )
    .min(1)
    .max(MAX_PARTS)
    .refine(
      (parts) => new Set(parts.map((part) => part.partNumber)).size === parts.length,
      'must not name a part twice',
    )
    .meta({ description: 'Every part of the upload', example: [{ partNumber: 1, etag: EXAMPLE_ETAG }] }),
});
