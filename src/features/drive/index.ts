export { DriveAccessRepository } from './drive-access.repository.ts';
export { DriveAccess } from './drive-access.service.ts';
export { driveFileRoutes } from './drive-file.router.ts';
export { DriveFileService } from './drive-file.service.ts';
export { driveThumbnailRoutes } from './drive-thumbnail.router.ts';
export { folderRoutes } from './folder.router.ts';
export { FolderService } from './folder.service.ts';
