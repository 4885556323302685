import type { ThumbnailService } from '../features/assets/index.ts';
import {
  DriveAccess,
  DriveAccessRepository,
  DriveFileService,
  driveFileRoutes,
  driveThumbnailRoutes,
  FolderService,
  folderRoutes,
} from '../features/drive/index.ts';
import type { ContentPolicy } from '../features/ingest/index.ts';
import type { FileLedgerRepository, FolderLedgerRepository } from '../features/ledger/index.ts';
import type {
  LevelListing,
  OperationService,
  ReadingService,
  SpaceService,
  StorageService,
  ZipService,
} from '../features/storage/index.ts';
import type { Basis } from './basis.ts';

/** Files below a folder that one answer moves or deletes; with more, a job does the rest. */
const FOLDER_LIMITS = { movedFiles: 100_000, deletedFiles: 1000 };

export interface DriveInput {
  readonly storage: StorageService;
  readonly levels: LevelListing;
  readonly reading: ReadingService;
  readonly zips: ZipService;
  readonly thumbnails: ThumbnailService;
  readonly fileLedger: FileLedgerRepository;
  readonly folderLedger: FolderLedgerRepository;
  readonly operations: OperationService;
  readonly spaces: SpaceService;
  readonly policy: ContentPolicy;
}

/** Drives by id: folders and files, the own ones and what others share. */
export function composeDrive({ database, clock, uow, folderLimits }: Basis, input: DriveInput) {
  const { storage, levels, reading, zips, thumbnails, fileLedger, folderLedger, operations, spaces, policy } = input;
  const access = new DriveAccess({ repository: new DriveAccessRepository(database), clock });
  const folders = new FolderService({
    access,
    levels,
    zips,
    folderLedger,
    uow,
    limits: folderLimits ?? FOLDER_LIMITS,
    startOperation: (tx, spaceId, operationId) => operations.start(tx, spaceId, operationId),
  });
  const files = new DriveFileService({ access, storage, reading, fileLedger, policy });
  return {
    access,
    routes: [
      ...folderRoutes({ folders, clock }),
      ...driveFileRoutes({ files, spaces, clock }),
      ...driveThumbnailRoutes(files, thumbnails),
    ],
  };
}
