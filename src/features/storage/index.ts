export { FileRepository } from './file.repository.ts';
export { deletePrefixJob, registerStorageJobs } from './storage.jobs.ts';
export { presentQuotaUsage } from './storage.presenter.ts';
export { storageRoutes } from './storage.router.ts';
export { EXAMPLE_USAGE_DATA, usageData } from './storage.schemas.ts';
export { StorageService } from './storage.service.ts';
