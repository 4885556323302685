export { FileLedgerRepository } from './file-ledger.repository.ts';
export { FolderLedgerRepository } from './folder-ledger.repository.ts';
export { expireReservationsJob, purgeTombstonesJob, registerLedgerJobs } from './ledger.jobs.ts';
export { LedgerRepository } from './ledger.repository.ts';
export { LedgerService, type Reservation } from './ledger.service.ts';
export {
  CONFLICT_POLICIES,
  type CommitInput,
  type CommitPlace,
  type CommitRecord,
  type ConflictPolicy,
  type ContentJob,
  type ContentJobPayload,
  type ContentStatus,
  type DeletedFile,
  type FileRef,
  type RestoreInput,
  type SpaceScope,
} from './ledger.ts';
export { type AuditColumns, auditColumns, auditOfColumns } from './ledger-audit.ts';
export { fileExists, folderBusy, quotaExceeded, tooManyFolders } from './ledger-faults.ts';
export { ReservationRepository, type SpaceReservation } from './reservation.repository.ts';
export { scopeOf } from './space-scope.ts';
export { TombstoneRepository } from './tombstone.repository.ts';
export { TombstoneService } from './tombstone.service.ts';
