export { FileRepository } from './file.repository.ts';
export { storageRoutes } from './storage.router.ts';
export { type PrefixDeletion, StorageService } from './storage.service.ts';
export { deletePrefixJob, registerStorageJobs } from './storage.jobs.ts';
