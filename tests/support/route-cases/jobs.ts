import { deadJob, laterJob } from '../job-rows.ts';
import type { RouteCases } from './route-case.ts';

export const jobCases: RouteCases = {
  getJobStatistics: { call: () => ({ path: '/jobs/stats' }), status: 200 },
  listJobs: { call: () => ({ path: '/jobs' }), status: 200 },
  getJob: { call: async ({ accounts }) => ({ path: `/jobs/${await laterJob(accounts)}` }), status: 200 },
  retryJob: { call: async ({ accounts }) => ({ path: `/jobs/${await deadJob(accounts)}/retry` }), status: 200 },
  deleteJob: { call: async ({ accounts }) => ({ path: `/jobs/${await laterJob(accounts)}` }), status: 200 },
};
