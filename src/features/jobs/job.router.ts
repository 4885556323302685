import { ok, type Route, route } from '../../http/route.ts';
import { actingUser } from '../audit/index.ts';
import { presentCounts, presentJob, presentJobDetail, presentQueue } from './job.presenter.ts';
import * as schemas from './job.schemas.ts';
import type { JobService } from './job.service.ts';

const TAG = 'Jobs';

/** `/jobs`: what works in the background, for admins. */
export function jobRoutes(jobs: JobService): Route[] {
  return [
    route({
      method: 'get',
      path: '/jobs/stats',
      operationId: 'getJobStatistics',
      tag: TAG,
      summary: 'Count the jobs',
      description: 'Of each kind by state, over all processes, and how long the oldest one waits.',
      access: 'admin',
      success: {
        200: { description: 'The counts', data: schemas.statisticsData, example: schemas.statisticsExample },
      },
      errors: ['DEPENDENCY_UNAVAILABLE'],
      handler: async () => {
        const { queues, totals } = await jobs.statistics();
        return ok('Job statistics', { queues: queues.map(presentQueue), totals: presentCounts(totals) });
      },
    }),
    route({
      method: 'get',
      path: '/jobs',
      operationId: 'listJobs',
      tag: TAG,
      summary: 'List jobs',
      description:
        'Newest first by creation. One entry a job, under the id that it has from the beginning to the end, whatever becomes of it.',
      access: 'admin',
      query: schemas.jobsQuery,
      success: {
        200: {
          description: 'A page of jobs',
          data: schemas.jobsData,
          meta: schemas.pageMeta,
          example: { jobs: [schemas.jobExample] },
        },
      },
      errors: ['DEPENDENCY_UNAVAILABLE'],
      handler: async ({ query }) => {
        const { limit, cursor, state, queue } = query;
        const { entries, nextCursor } = await jobs.list({ state, queue }, { limit, cursor });
        return ok('Jobs', { jobs: entries.map(presentJob) }, { nextCursor, limit });
      },
    }),
    route({
      method: 'get',
      path: '/jobs/:id',
      operationId: 'getJob',
      tag: TAG,
      summary: 'Show a job',
      description: 'With what it carries and what it left, up to 16 KiB of each. Sealed input stays sealed.',
      access: 'admin',
      params: schemas.idParams,
      success: {
        200: { description: 'The job', data: schemas.jobData, example: { job: schemas.jobDetailExample } },
      },
      errors: ['JOB_NOT_FOUND', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ params }) => ok('Job', { job: presentJobDetail(await jobs.get(params.id)) }),
    }),
    route({
      method: 'post',
      path: '/jobs/:id/retry',
      operationId: 'retryJob',
      tag: TAG,
      summary: 'Try a failed job again',
      description:
        'One that failed for good goes back into its queue at once, as the same job with all its tries. Any other is 409 `CONFLICT`, with its state in `details`: one that waits is tried again by itself.',
      access: 'admin',
      params: schemas.idParams,
      success: {
        200: {
          description: 'The job, waiting',
          data: schemas.jobData,
          example: {
            job: {
              ...schemas.jobDetailExample,
              state: 'waiting',
              attempts: 0,
              retryCount: 0,
              startedAt: null,
              completedAt: null,
              error: null,
              deadLetter: null,
            },
          },
        },
      },
      errors: ['JOB_NOT_FOUND', 'CONFLICT', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, params, context }) => {
        const job = await jobs.retry(actingUser(principal, context), params.id);
        return ok('The job is tried again', { job: presentJobDetail(job) });
      },
    }),
    route({
      method: 'delete',
      path: '/jobs/:id',
      operationId: 'deleteJob',
      tag: TAG,
      summary: 'Delete a job',
      description:
        'For good, whether it waits, is done or has failed. What it was to do stays undone, unless a sweep finds it. 409 `CONFLICT` while it runs.',
      access: 'admin',
      params: schemas.idParams,
      success: {
        200: {
          description: 'What was deleted',
          data: schemas.deletedData,
          example: { id: schemas.jobExample.id, queue: schemas.jobExample.queue },
        },
      },
      errors: ['JOB_NOT_FOUND', 'CONFLICT', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, params, context }) => {
        const { id, queue } = await jobs.delete(actingUser(principal, context), params.id);
        return ok('Job deleted', { id, queue });
      },
    }),
  ];
}
