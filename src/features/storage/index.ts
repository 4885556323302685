export { COLUMNS as FILE_COLUMNS, FileRepository, type FileRow, toFile } from './file.repository.ts';
export {
  COLUMNS as FOLDER_COLUMNS,
  type Folder,
  FolderRepository,
  type FolderRow,
  toFolder,
} from './folder.repository.ts';
export { FolderWalkRepository } from './folder-walk.repository.ts';
export { type FolderPage, type FolderQuery, LevelListing } from './level-listing.ts';
export { type ContentChoice, type LinkInput, ReadingService } from './reading.service.ts';
export { sendFile } from './send-file.router.ts';
export { deletePrefixJob, registerStorageJobs } from './storage.jobs.ts';
export { presentFile, presentQuotaUsage, presentUsage } from './storage.presenter.ts';
export { storageRoutes } from './storage.router.ts';
export {
  EXAMPLE_FILE,
  EXAMPLE_USAGE,
  EXAMPLE_USAGE_DATA,
  file as fileSchema,
  fileName,
  linkQuery,
  tagArray,
  uploadQuery,
  usage,
  usageData,
} from './storage.schemas.ts';
export { StorageService, type UploadInput } from './storage.service.ts';
export type { StoredFile } from './stored-file.ts';
