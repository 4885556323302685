export { FileRepository } from './file.repository.ts';
export { storageRoutes } from './storage.router.ts';
export { type PrefixDeletion, StorageService } from './storage.service.ts';
export { deletePrefixJob, registerStorageJobs } from './storage.jobs.ts';
export { presentQuotaUsage } from './storage.presenter.ts';
export { EXAMPLE_USAGE_DATA, usageData } from './storage.schemas.ts';
