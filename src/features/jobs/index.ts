export { jobRoutes } from './job.router.ts';
export { JobService } from './job.service.ts';
