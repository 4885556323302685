import { z } from 'zod';
import { announced, EXAMPLE_UPLOAD_ID, expiresIn } from './upload.schemas.ts';

export const presignBody = z.strictObject({
  ...announced,
  size: z.int().min(0).meta({ description: 'Exact, in bytes; up to 5 GiB', example: 48213 }),
  expiresIn,
});

export const EXAMPLE_PRESIGN_BODY = {
  fileName: 'photos/2026/cat.jpg',
  size: 48213,
  contentType: 'image/jpeg',
  checksumSha256: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
  conflict: 'keepBoth',
  tags: ['cats'],
  expiresIn: 3600,
};

export const signedHeaders = z.record(z.string(), z.string()).meta({
  description: 'To be sent exactly so: they are signed. Browsers set content-length themselves',
});

export const presignData = z.object({
  uploadId: z.uuid(),
  method: z.literal('PUT'),
  url: z.string(),
  headers: signedHeaders,
  expiresAt: z.iso.datetime().meta({ description: 'Of the URL; completing is possible for ten minutes longer' }),
});

export const EXAMPLE_PRESIGNED = {
  uploadId: EXAMPLE_UPLOAD_ID,
  method: 'PUT',
  url: 'https://files.example.com/objects/users/019aa2f4/019aa2f5?expires=1795258800&size=48213&signature=mKq0',
  headers: { 'content-length': '48213', 'content-type': 'image/jpeg', 'if-none-match': '*' },
  expiresAt: '2026-11-21T10:00:00.000Z',
};

export const completeBody = z.strictObject({
  uploadId: z.string().max(100).meta({ description: 'What presigning answered', example: EXAMPLE_UPLOAD_ID }),
});
