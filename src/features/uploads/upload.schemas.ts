import { z } from 'zod';
import { idPagingQuery } from '../../http/paging.ts';
import { JOB_STATES } from '../../platform/queue/job-record.ts';
import { CONFLICT_POLICIES } from '../ledger/index.ts';
import { EXAMPLE_FILE, fileNameSchema, fileSchema, tagArray, uploadQuery } from '../storage/index.ts';
import { UPLOAD_KINDS, UPLOAD_STATES } from './upload-session.ts';

export { pageMeta } from '../../http/paging.ts';

const EXAMPLE_SHA256 = EXAMPLE_FILE.checksumSha256;
export const EXAMPLE_UPLOAD_ID = '019aa2f4-7d1c-7e5a-9a55-0c6f1b1f6a21';

/** Of a file to come; what is too large is refused as a form would be. */
export const announced = {
  fileName: fileNameSchema,
  contentType: z.string().min(1).max(1024).meta({
    description: 'Its type; application/octet-stream stands for the one of the name’s ending, as on a form',
    example: 'image/jpeg',
  }),
  checksumSha256: z
    .string()
    .regex(/^[0-9a-fA-F]{64}$/, 'must be 64 hexadecimal digits')
    .transform((hex) => hex.toLowerCase())
    .optional()
    .meta({ description: 'Hex SHA-256 of the whole file: anything else is refused', example: EXAMPLE_SHA256 }),
  conflict: uploadQuery.shape.conflict,
  reservationId: uploadQuery.shape.reservationId,
  tags: tagArray.optional(),
};

export const expiresIn = z
  .int()
  .min(60)
  .max(86_400)
  .default(3600)
  .meta({ description: 'Seconds for which the URL holds, 60..86400', example: 3600 });

export const uploadParams = z.object({
  uploadId: z.string().meta({ description: 'What opening the upload answered', example: EXAMPLE_UPLOAD_ID }),
});

export const listUploadsQuery = z.object({
  ...idPagingQuery,
  state: z.enum(UPLOAD_STATES).optional().meta({ description: 'Only those in this state', example: 'OPEN' }),
});

export const upload = z
  .object({
    id: z.uuid(),
    kind: z.enum(UPLOAD_KINDS).meta({ description: 'By one PUT, by parts, or by tus' }),
    state: z.enum(UPLOAD_STATES).meta({
      description: 'OPEN, COMPLETED (`fileId` is the file), or ENDED: aborted, expired or refused',
    }),
    fileName: z.string().meta({ description: 'As announced; the file of a taken name may have another' }),
    size: z.number().int(),
    contentType: z.string(),
    checksumSha256: z.string().nullable().meta({ description: 'As announced' }),
    conflict: z.enum(CONFLICT_POLICIES),
    tags: z.array(z.string()).nullable(),
    partSize: z.number().int().nullable(),
    partCount: z.number().int().nullable(),
    fileId: z.uuid().nullable(),
    createdAt: z.iso.datetime(),
    expiresAt: z.iso.datetime().meta({ description: 'Until when it can be completed, and its room is held' }),
    completedAt: z.iso.datetime().nullable(),
  })
  .meta({ id: 'Upload' });

export const uploadData = z.object({
  upload: upload.extend({
    bytesReceived: z
      .number()
      .int()
      .nullable()
      .meta({ description: 'What has come; null of what has ended and, by tus, of what is open: HEAD tells' }),
  }),
});
export const uploadsData = z.object({ uploads: z.array(upload) });
export const abortedData = z.object({ upload });

export const EXAMPLE_UPLOAD = {
  id: EXAMPLE_UPLOAD_ID,
  kind: 'multipart',
  state: 'OPEN',
  fileName: 'videos/2026/holiday.mp4',
  size: 50_000_000,
  contentType: 'video/mp4',
  checksumSha256: null,
  conflict: 'replace',
  tags: null,
  partSize: 16_777_216,
  partCount: 3,
  fileId: null,
  createdAt: '2026-11-21T09:00:00.000Z',
  expiresAt: '2026-11-22T09:00:00.000Z',
  completedAt: null,
};

const job = z.object({ id: z.uuid(), name: z.string(), state: z.enum(JOB_STATES) });

/** What a completion answers. */
export const completedData = z.object({
  file: fileSchema,
  job: job
    .nullable()
    .meta({ description: 'What is done with the content, where something is and it is not forgotten' }),
});

export const EXAMPLE_COMPLETED = {
  file: EXAMPLE_FILE,
  job: { id: '019aa2f4-7d1c-7e5a-8a55-0c6f1b1f6a31', name: 'media.process', state: 'waiting' },
};
