export { registerAccountJobs } from './account.jobs.ts';
export { accountRoutes } from './account.router.ts';
export { deletionData, deletionExample } from './account.schemas.ts';
export { DeletionRepository } from './deletion.repository.ts';
export { AccountDeletionService } from './deletion.service.ts';
export { ErasureRepository } from './erasure.repository.ts';
export { AccountErasureService } from './erasure.service.ts';
export { eraseDueJob, eraseJob, eraseTracesJob } from './erasure.ts';
