import {
  RunningHashes,
  TusService,
  TusTransfer,
  tusRoutes,
  UploadLockRepository,
  UploadLocks,
  UploadSessionRepository,
} from '../features/uploads/index.ts';
import type { Basis } from './basis.ts';
import type { composeFiles } from './files.ts';

/** Uploads that come by requests of their own. */
export function composeUploads(basis: Basis, files: ReturnType<typeof composeFiles>) {
  const { config, database, store, budget, clock, log } = basis;
  const { ledger, sessionIngest, policy, refusals, spaces } = files;
  const lockRows = new UploadLockRepository(database);
  const hashes = new RunningHashes();
  const tus = new TusService({
    ledger,
    ingest: sessionIngest,
    refusals,
    sessions: new UploadSessionRepository(database),
    lockRows,
    locks: new UploadLocks(lockRows, log),
    transfer: new TusTransfer({ store, hashes, buffers: { budget, spoolDirectory: config.spoolDirectory } }),
    hashes,
    store,
    policy,
    clock,
    log,
  });
  return { routes: tusRoutes(tus, spaces) };
}
