import {
  AuditLogRepository,
  AuditLogService,
  AuditRecorder,
  auditLogRoutes,
  registerAuditJobs,
} from '../features/audit/index.ts';
import { IngestService, QuotaRefusals } from '../features/ingest/index.ts';
import {
  FileLedgerRepository,
  LedgerRepository,
  LedgerService,
  registerLedgerJobs,
  TombstoneRepository,
  TombstoneService,
} from '../features/ledger/index.ts';
import {
  AnalyticsRepository,
  deletePrefixJob,
  FileListingRepository,
  FileRepository,
  FolderRepository,
  FolderWalkRepository,
  LevelListing,
  ReadingService,
  registerStorageJobs,
  StorageService,
  storageRoutes,
  UsageHistoryRepository,
  UsageService,
  usageRoutes,
  ZipRepository,
  ZipService,
  zipRoutes,
} from '../features/storage/index.ts';
import type { Basis } from './basis.ts';

/** What reads the audit log and ends it, and what writes to it outside transactions. */
export function composeAuditLog({ config, database, clock, queue }: Basis) {
  const logs = new AuditLogRepository(database);
  const recorder = new AuditRecorder(logs);
  const auditLog = new AuditLogService({ logs, recorder, clock, retentionDays: config.retention.auditDays });
  registerAuditJobs(queue, auditLog);
  return { recorder, routes: auditLogRoutes(auditLog, clock) };
}

/** Files: the ledger, the one way in, and what is read and removed. */
export function composeFiles({ config, database, store, budget, clock, log, queue }: Basis, recorder: AuditRecorder) {
  const ledger = new LedgerService({ repository: new LedgerRepository(database), log });
  const tombstones = new TombstoneService({ repository: new TombstoneRepository(database), store, log });
  const refusals = new QuotaRefusals(recorder, clock);
  const ingest = new IngestService({ ledger, store, budget, maxFileBytes: config.limits.maxFileBytes, refusals, log });
  const fileLedger = new FileLedgerRepository(database, { driveTrashDays: config.retention.trashDays });
  const listing = new FileListingRepository(database);
  const folders = new FolderRepository(database);
  const levels = new LevelListing({ files: listing, folders, walk: new FolderWalkRepository(database) });
  const storage = new StorageService({
    files: new FileRepository(database),
    listing,
    fileLedger,
    ingest,
    clock,
    enqueuePrefixDeletion: (deletion) => queue.enqueue(null, deletePrefixJob, deletion),
  });
  const reading = new ReadingService({ find: (spaceId, ref) => storage.find(spaceId, ref), store, recorder });
  const usage = new UsageService({
    history: new UsageHistoryRepository(database),
    analytics: new AnalyticsRepository(database),
    clock,
  });
  const zips = new ZipService({ files: new ZipRepository(database), store, recorder });
  registerLedgerJobs(queue, ledger, tombstones);
  registerStorageJobs(queue, storage);
  const routes = [...storageRoutes({ storage, levels, reading, clock }), ...usageRoutes(usage), ...zipRoutes(zips)];
  return { ledger, tombstones, routes };
}
