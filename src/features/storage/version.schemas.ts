import { z } from 'zod';
import { EXAMPLE_FILE, fileNameParams } from './storage.schemas.ts';

const EXAMPLE_VERSION_ID = '019aa2f4-7d1c-7e5a-9a55-0c6f1b1f6a03';

export const versionParams = z.object({
  ...fileNameParams.shape,
  versionId: z.string().meta({ description: 'The id of a version of the file', example: EXAMPLE_VERSION_ID }),
});

export const version = z
  .object({
    id: z.uuid(),
    size: z.number().int(),
    contentType: z.string(),
    checksumSha256: z.string().nullable().meta({ description: 'Hex; null until it has been read' }),
    etag: z.string(),
    status: z
      .enum(['READY', 'PROCESSING', 'QUARANTINED'])
      .meta({ description: 'Of this content, whatever the present one’s is; only READY ones can be read' }),
    uploadedAt: z.iso.datetime().meta({ description: 'When this content came' }),
    replacedAt: z.iso.datetime().meta({ description: 'When another took its place' }),
  })
  .meta({ id: 'FileVersion' });

export const EXAMPLE_VERSION = {
  id: EXAMPLE_VERSION_ID,
  size: 47120,
  contentType: EXAMPLE_FILE.contentType,
  checksumSha256: EXAMPLE_FILE.checksumSha256,
  etag: EXAMPLE_FILE.etag,
  status: EXAMPLE_FILE.status,
  uploadedAt: '2026-11-20T09:00:00.000Z',
  replacedAt: '2026-11-21T09:00:00.000Z',
};
