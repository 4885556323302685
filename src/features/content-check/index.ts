export { registerContentCheckJobs, sweepContentsJob } from './content-check.jobs.ts';
export { ContentCheckRepository } from './content-check.repository.ts';
export { ContentCheckService } from './content-check.service.ts';
