import { z } from 'zod';
import { ok, type Route, route } from '../../http/route.ts';
import { EXAMPLE_JOB, job, jobParams } from './operation.schemas.ts';
import type { OperationService } from './operation.service.ts';
import type { Operation } from './operation.ts';

/** `/storage/jobs`: how far the work is that a 202 promised. */
export function operationRoutes(operations: OperationService): Route[] {
  return [
    route({
      method: 'get',
      path: '/storage/jobs/:jobId',
      operationId: 'getStorageJob',
      tag: 'Storage',
      summary: 'Get a job’s progress',
      description:
        'How far a large deletion, restoration or move is: one of the own space, or one that the user has begun in a folder that others share. Jobs are forgotten 30 days after their end.',
      access: 'space:any',
      params: jobParams,
      success: { 200: { description: 'The job', data: z.object({ job }), example: { job: EXAMPLE_JOB } } },
      errors: ['JOB_NOT_FOUND', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, params }) => {
        const reader = {
          spaceId: principal.space.id,
          userId: principal.kind === 'user' ? principal.userId : null,
        };
        return ok('Job', { job: presentOperation(await operations.get(reader, params.jobId)) });
      },
    }),
  ];
}

function presentOperation({ createdAt, finishedAt, ...operation }: Operation) {
  return { ...operation, createdAt: createdAt.toISOString(), finishedAt: finishedAt?.toISOString() ?? null };
}
