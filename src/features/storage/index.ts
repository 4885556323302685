export { AnalyticsRepository } from './analytics.repository.ts';
export { changeRoutes } from './change.router.ts';
export { changeBody } from './change.schemas.ts';
export { FILE_COLUMNS, FileRepository, type FileRow, toFile } from './file.repository.ts';
export { FileListingRepository } from './file-listing.repository.ts';
export {
  COLUMNS as FOLDER_COLUMNS,
  type Folder,
  FolderRepository,
  type FolderRow,
  toFolder,
} from './folder.repository.ts';
export { FolderWalkRepository } from './folder-walk.repository.ts';
export { freshUsage, showFreed } from './fresh-usage.ts';
export { type FolderPage, LevelListing } from './level-listing.ts';
export { OperationRepository } from './operation.repository.ts';
export { operationRoutes } from './operation.router.ts';
export { OperationService } from './operation.service.ts';
export { runOperationJob } from './operation.ts';
export { type ContentChoice, type LinkInput, ReadingService } from './reading.service.ts';
export { CONTENT_ERRORS, CONTENT_STREAM, sendFile, UNREADABLE_ERRORS } from './send-file.router.ts';
export { SpaceRepository } from './space.repository.ts';
export { spaceRoutes } from './space.router.ts';
export { SpaceService } from './space.service.ts';
export { purgeTrashJob, registerStorageJobs } from './storage.jobs.ts';
export {
  livingFiles,
  presentDeletedFile,
  presentFile,
  presentQuotaUsage,
  presentUsage,
  thumbnailPaths,
} from './storage.presenter.ts';
export { storageRoutes } from './storage.router.ts';
export {
  deleteQuery,
  EXAMPLE_FILE,
  EXAMPLE_USAGE,
  EXAMPLE_USAGE_DATA,
  file as fileSchema,
  fileName as fileNameSchema,
  linkQuery,
  listQuery,
  tagArray,
  uploadQuery,
  usage,
  usageData,
} from './storage.schemas.ts';
export { type ChangeInput, type DeleteOptions, StorageService, type UploadInput } from './storage.service.ts';
export { fileNotFound } from './storage-faults.ts';
export type { ListQuery, StoredFile } from './stored-file.ts';
export { TrashRepository } from './trash.repository.ts';
export { trashRoutes } from './trash.router.ts';
export { TrashService } from './trash.service.ts';
export { usageRoutes } from './usage.router.ts';
export { UsageService } from './usage.service.ts';
export { UsageHistoryRepository } from './usage-history.repository.ts';
export { VersionRepository } from './version.repository.ts';
export { versionRoutes } from './version.router.ts';
export { VersionService } from './version.service.ts';
export { ZipRepository } from './zip.repository.ts';
export { zipRoutes } from './zip.router.ts';
export { type ZipOptions, ZipService } from './zip.service.ts';
