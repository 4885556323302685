import {
  DriveAccess,
  DriveAccessRepository,
  DriveFileService,
  driveFileRoutes,
  FolderService,
  folderRoutes,
} from '../features/drive/index.ts';
import { type FileLedgerRepository, FolderLedgerRepository } from '../features/ledger/index.ts';
import type { LevelListing, ReadingService, StorageService } from '../features/storage/index.ts';
import type { Tx } from '../platform/db/unit-of-work.ts';
import type { Basis } from './basis.ts';

/** Files below a folder that one answer moves or deletes; with more, a job does the rest. */
const FOLDER_LIMITS = { movedFiles: 100_000, deletedFiles: 1000 };

export interface DriveInput {
  readonly storage: StorageService;
  readonly levels: LevelListing;
  readonly reading: ReadingService;
  readonly fileLedger: FileLedgerRepository;
  readonly enqueueOperation: (tx: Tx, operationId: string) => Promise<unknown>;
}

/** Drives by id: folders and files, the own ones and what others share. */
export function composeDrive({ config, database, clock, uow, folderLimits }: Basis, input: DriveInput) {
  const { storage, levels, reading, fileLedger, enqueueOperation } = input;
  const access = new DriveAccess({ repository: new DriveAccessRepository(database), clock });
  const folderLedger = new FolderLedgerRepository(database, { driveTrashDays: config.retention.trashDays });
  const limits = folderLimits ?? FOLDER_LIMITS;
  const folders = new FolderService({ access, levels, folderLedger, uow, limits, enqueueOperation });
  const files = new DriveFileService({ access, storage, reading, fileLedger });
  return { access, routes: [...folderRoutes({ folders, clock }), ...driveFileRoutes({ files, clock })] };
}
