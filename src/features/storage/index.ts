export { FileRepository } from './file.repository.ts';
export { ReadingService } from './reading.service.ts';
export { deletePrefixJob, registerStorageJobs } from './storage.jobs.ts';
export { presentQuotaUsage, presentUsage } from './storage.presenter.ts';
export { storageRoutes } from './storage.router.ts';
export { EXAMPLE_USAGE, EXAMPLE_USAGE_DATA, usage, usageData } from './storage.schemas.ts';
export { StorageService } from './storage.service.ts';
