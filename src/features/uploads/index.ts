export { RunningHashes } from './tus/running-hashes.ts';
export { tusRoutes } from './tus/tus.router.ts';
export { TusService } from './tus/tus.service.ts';
export { TusTransfer } from './tus/tus-transfer.ts';
export { UploadLockRepository } from './tus/upload-lock.repository.ts';
export { UploadLocks } from './tus/upload-locks.ts';
export { UploadSessionRepository } from './upload-session.repository.ts';
