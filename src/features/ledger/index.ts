export { expireReservationsJob, purgeTombstonesJob, registerLedgerJobs } from './ledger.jobs.ts';
export { LedgerRepository } from './ledger.repository.ts';
export { LedgerService, type Reservation } from './ledger.service.ts';
export { CONFLICT_POLICIES, type ConflictPolicy, type SpaceCounters } from './ledger.ts';
export { TombstoneRepository } from './tombstone.repository.ts';
export { TombstoneService } from './tombstone.service.ts';
