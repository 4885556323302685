import { z } from 'zod';
import { OPERATION_KINDS, OPERATION_STATES } from './operation.ts';

export const EXAMPLE_JOB_ID = '019aa2f4-7d1c-7e5a-9a55-0c6f1b1f6a02';

export const jobParams = z.object({
  jobId: z.string().meta({ description: 'What a 202 named', example: EXAMPLE_JOB_ID }),
});

export const job = z
  .object({
    id: z.uuid(),
    kind: z.enum(OPERATION_KINDS),
    state: z.enum(OPERATION_STATES),
    total: z.number().int().meta({ description: 'Files, as counted when it began' }),
    done: z.number().int(),
    createdAt: z.iso.datetime(),
    finishedAt: z.iso.datetime().nullable(),
    error: z
      .string()
      .nullable()
      .meta({ description: 'What went wrong, in words; also what a job had to leave undone' }),
  })
  .meta({ id: 'StorageJob' });

export const EXAMPLE_JOB = {
  id: EXAMPLE_JOB_ID,
  kind: 'prefix.delete',
  state: 'RUNNING',
  total: 25000,
  done: 11000,
  createdAt: '2026-11-21T09:00:00.000Z',
  finishedAt: null,
  error: null,
};
