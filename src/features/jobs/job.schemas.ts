import { z } from 'zod';
import { pageMeta, pagingQuery } from '../../http/paging.ts';
import { singleLine } from '../../http/text-fields.ts';
import { JOB_STATES } from '../../platform/queue/job-record.ts';

const count = z.number().int();
const moment = z.iso.datetime().nullable();

const counts = {
  waiting: count.meta({ description: 'To be taken up now or later, also after a failed try' }),
  retrying: count.meta({ description: 'Of those that wait, how many have failed before' }),
  active: count.meta({ description: 'Being worked on' }),
  completed: count.meta({ description: 'Done, and still kept: each kind of job sets for how long' }),
  failed: count.meta({ description: 'Failed for good: kept for 30 days, sweeps for an hour' }),
  oldestWaitingSeconds: z
    .number()
    .nullable()
    .meta({ description: 'For how long the first of those that wait could have been taken up; null when none is due' }),
};

export const statisticsData = z.object({
  queues: z.array(z.object({ queue: z.string(), ...counts })).meta({ description: 'By name' }),
  totals: z.object(counts),
});

const exampleCounts = { waiting: 2, retrying: 1, active: 1, completed: 240, failed: 1, oldestWaitingSeconds: 3.4 };
export const statisticsExample = {
  queues: [{ queue: 'mail.send', ...exampleCounts }],
  totals: exampleCounts,
};

const jobSchema = z
  .object({
    id: z.string(),
    queue: z.string().meta({ description: 'What kind of job it is' }),
    state: z.enum(JOB_STATES),
    priority: count,
    attempts: count.meta({ description: 'Tries that were begun' }),
    retryCount: count.meta({ description: 'Of these, how many after the first' }),
    retryLimit: count.meta({ description: 'How often it is tried after the first try' }),
    createdAt: z.iso.datetime(),
    startAfter: moment.meta({ description: 'Not before this time; of one that failed for good null after a while' }),
    startedAt: moment.meta({ description: 'Begin of the latest try; of one that failed for good null after a while' }),
    completedAt: moment.meta({ description: 'When it was done, or had failed for good' }),
    error: z
      .object({
        name: z.string(),
        message: z.string().nullable().meta({ description: 'At most 1000 characters; null where the input is sealed' }),
        code: z.string().nullable(),
      })
      .nullable()
      .meta({ description: 'Of the latest try that failed' }),
    deadLetter: z
      .object({ since: moment, keptUntil: z.iso.datetime() })
      .nullable()
      .meta({ description: 'Where it lies among the dead letters: since when, and until when it can be tried again' }),
  })
  .meta({ id: 'Job', description: 'One piece of work in the background.' });

const content = z
  .object({
    kind: z.enum(['shown', 'sealed', 'truncated']).meta({
      description: '`sealed`: it holds a secret or an address, and nobody is shown it; `truncated`: more than 16 KiB',
    }),
    bytes: count,
    value: z.unknown().meta({ description: 'JSON where it is shown, else null' }),
  })
  .nullable();

const jobDetailSchema = jobSchema
  .extend({ input: content, output: content.meta({ description: 'What a job that is done left, if anything' }) })
  .meta({ id: 'JobDetail', description: 'The same with what it carries and what it left.' });

export const jobExample = {
  id: '019aa3f4-1c2d-7b8e-8f90-5a6b7c8d9e0f',
  queue: 'storage.operation.run',
  state: 'failed',
  priority: 0,
  attempts: 5,
  retryCount: 4,
  retryLimit: 4,
  createdAt: '2026-11-21T09:00:00.000Z',
  startAfter: '2026-11-21T09:02:10.000Z',
  startedAt: '2026-11-21T09:02:12.000Z',
  completedAt: '2026-11-21T09:02:13.000Z',
  error: { name: 'Error', message: 'connect ECONNREFUSED 127.0.0.1:9000', code: 'ECONNREFUSED' },
  deadLetter: { since: '2026-11-21T09:02:13.000Z', keptUntil: '2026-12-21T09:02:13.000Z' },
} as const;

export const jobDetailExample = {
  ...jobExample,
  input: { kind: 'shown', bytes: 55, value: { operationId: '019aa3f4-0000-7b8e-8f90-5a6b7c8d9e0f' } },
  output: null,
} as const;

export const jobsData = z.object({ jobs: z.array(jobSchema) });
export const jobData = z.object({ job: jobDetailSchema });
export const deletedData = z.object({ id: z.string(), queue: z.string() });
export { pageMeta };

export const jobsQuery = z.object({
  ...pagingQuery,
  state: z.enum(JOB_STATES).optional().meta({ description: 'Only jobs in this state', example: 'failed' }),
  queue: singleLine(1, 100).optional().meta({ description: 'Only jobs of this kind', example: 'mail.send' }),
});

export const idParams = z.object({ id: z.string().meta({ description: 'Id of the job', example: jobExample.id }) });
