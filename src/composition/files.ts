import { MediaRepository, ThumbnailService } from '../features/assets/index.ts';
import {
  AuditLogRepository,
  AuditLogService,
  AuditRecorder,
  auditLogRoutes,
  registerAuditJobs,
} from '../features/audit/index.ts';
import {
  ContentPolicy,
  ContentProcessing,
  FileCommitter,
  IngestService,
  QuotaRefusals,
  SessionIngestService,
} from '../features/ingest/index.ts';
import {
  FileLedgerRepository,
  FolderLedgerRepository,
  LedgerRepository,
  LedgerService,
  registerLedgerJobs,
  TombstoneRepository,
  TombstoneService,
} from '../features/ledger/index.ts';
import {
  AnalyticsRepository,
  changeRoutes,
  FileListingRepository,
  FileRepository,
  FolderRepository,
  FolderWalkRepository,
  LevelListing,
  OperationRepository,
  OperationService,
  operationRoutes,
  ReadingService,
  registerStorageJobs,
  SpaceRepository,
  SpaceService,
  StorageService,
  spaceRoutes,
  storageRoutes,
  TrashRepository,
  TrashService,
  trashRoutes,
  UsageHistoryRepository,
  UsageService,
  usageRoutes,
  VersionRepository,
  VersionService,
  versionRoutes,
  ZipRepository,
  ZipService,
  zipRoutes,
} from '../features/storage/index.ts';
import { mediaKindOf } from '../platform/media/media-kinds.ts';
import { ProbedStore } from '../platform/object-store/probed-store.ts';
import type { JobBoard } from '../platform/queue/job-board.ts';
import { composeAssets } from './assets.ts';
import type { Basis } from './basis.ts';
import { composeDrive } from './drive.ts';

/** What reads the audit log and ends it, and what writes to it outside transactions. */
export function composeAuditLog({ config, database, clock, queue }: Basis) {
  const logs = new AuditLogRepository(database);
  const recorder = new AuditRecorder(logs);
  const auditLog = new AuditLogService({ logs, recorder, clock, retentionDays: config.retention.auditDays });
  registerAuditJobs(queue, auditLog);
  return { recorder, routes: auditLogRoutes(auditLog, clock) };
}

/** Files: the ledger, the one way in, and what is read and removed. */
export function composeFiles(basis: Basis, recorder: AuditRecorder, board: JobBoard) {
  const { config, database, store, budget, clock, log, queue, uow, audit } = basis;
  const { trashDays: driveTrashDays } = config.retention;
  const ledger = new LedgerService({ repository: new LedgerRepository(database), log });
  const graves = new TombstoneRepository(database);
  const tombstones = new TombstoneService({ repository: graves, store, log });
  const probed = new ProbedStore(store, log);
  const refusals = new QuotaRefusals(recorder, clock);
  const policy = new ContentPolicy(config.limits);
  const processing = new ContentProcessing({
    scans: config.clamdUrl !== undefined,
    makesMedia: (contentType) => mediaKindOf(contentType) !== null,
    outbox: basis.outbox,
  });
  const committer = new FileCommitter(ledger, processing);
  const ingest = new IngestService({
    ledger,
    committer,
    store,
    budget,
    policy,
    refusals,
    log,
  });
  const sessionIngest = new SessionIngestService({
    ledger,
    tombstones: graves,
    store,
    probed,
    policy,
    committer,
    refusals,
  });
  const fileLedger = new FileLedgerRepository(database, { driveTrashDays });
  const listing = new FileListingRepository(database);
  const folders = new FolderRepository(database);
  const levels = new LevelListing({ files: listing, folders, walk: new FolderWalkRepository(database) });
  const folderLedger = new FolderLedgerRepository(database, { driveTrashDays });
  const operations = new OperationService({
    uow,
    operations: new OperationRepository(database),
    fileLedger,
    folderLedger,
    queue,
    clock,
  });
  const storage = new StorageService({
    uow,
    files: new FileRepository(database),
    listing,
    fileLedger,
    ingest,
    policy,
    operations,
    assertReservation: (spaceId, id) => ledger.assertReservation(spaceId, id),
  });
  const reading = new ReadingService({ find: (spaceId, ref) => storage.find(spaceId, ref), store, recorder });
  const trash = new TrashService({ trash: new TrashRepository(database), fileLedger, operations });
  const spaces = new SpaceService({ uow, spaces: new SpaceRepository(database), audit, driveTrashDays });
  const versions = new VersionService({
    getFile: (spaceId, ref) => storage.getFile(spaceId, ref),
    versions: new VersionRepository(database),
    fileLedger,
  });
  const usage = new UsageService({
    history: new UsageHistoryRepository(database),
    analytics: new AnalyticsRepository(database),
    clock,
  });
  const zips = new ZipService({ files: new ZipRepository(database), store, recorder, clock });
  const media = new MediaRepository(database);
  const thumbnails = new ThumbnailService({ media, store });
  const drive = composeDrive(basis, {
    storage,
    levels,
    reading,
    fileLedger,
    folderLedger,
    operations,
    policy,
    zips,
    spaces,
    thumbnails,
  });
  const assets = composeAssets(basis, { storage, reading, spaces, board, media, thumbnails });
  registerLedgerJobs(queue, ledger, tombstones);
  registerStorageJobs(queue, operations, trash);
  return {
    ledger,
    refusals,
    probed,
    sessionIngest,
    spaces,
    tombstones,
    operations,
    trash,
    ingest,
    policy,
    storage,
    folders,
    levels,
    reading,
    zips,
    mediaWorker: assets.worker,
    mediaSweeps: assets.sweeps,
    routes: [
      ...storageRoutes({ storage, levels, reading, spaces, clock }),
      ...changeRoutes(storage, spaces),
      ...trashRoutes({ trash, storage, spaces, clock }),
      ...versionRoutes({ versions, storage, reading, spaces }),
      ...spaceRoutes(spaces),
      ...operationRoutes(operations),
      ...usageRoutes(usage),
      ...zipRoutes(zips),
      ...drive.routes,
      ...assets.routes,
    ],
  };
}
