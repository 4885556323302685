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
  deletePrefixJob,
  FileRepository,
  FolderRepository,
  FolderWalkRepository,
  LevelListing,
  ReadingService,
  registerStorageJobs,
  StorageService,
  storageRoutes,
} from '../features/storage/index.ts';
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
export function composeFiles(basis: Basis, recorder: AuditRecorder) {
  const { config, database, store, budget, clock, log, queue } = basis;
  const ledger = new LedgerService({ repository: new LedgerRepository(database), log });
  const tombstones = new TombstoneService({ repository: new TombstoneRepository(database), store, log });
  const refusals = new QuotaRefusals(recorder, clock);
  const ingest = new IngestService({ ledger, store, budget, maxFileBytes: config.limits.maxFileBytes, refusals, log });
  const fileLedger = new FileLedgerRepository(database, { driveTrashDays: config.retention.trashDays });
  const files = new FileRepository(database);
  const folders = new FolderRepository(database);
  const levels = new LevelListing({ files, folders, walk: new FolderWalkRepository(database) });
  const storage = new StorageService({
    files,
    fileLedger,
    ingest,
    clock,
    enqueuePrefixDeletion: (deletion) => queue.enqueue(null, deletePrefixJob, deletion),
  });
  const reading = new ReadingService({ find: (spaceId, ref) => storage.find(spaceId, ref), store, recorder });
  registerLedgerJobs(queue, ledger, tombstones);
  registerStorageJobs(queue, storage);
  // The job of `operations` is the lead's to name here.
  const enqueueOperation = async () => undefined;
  const drive = composeDrive(basis, { storage, levels, reading, fileLedger, enqueueOperation });
  return { ledger, tombstones, routes: [...storageRoutes({ storage, levels, reading, clock }), ...drive.routes] };
}
