import { composeAccounts } from './composition/accounts.ts';
import { type Basis, type CompositionInput, composeBasis } from './composition/basis.ts';
import { composeContentCheck } from './composition/content-check.ts';
import { composeDirectUploads } from './composition/direct-uploads.ts';
import { composeAuditLog, composeFiles } from './composition/files.ts';
import { composeKeys } from './composition/keys.ts';
import { composeLinks, composeShares } from './composition/sharing.ts';
import { composeSignIn } from './composition/sign-in.ts';
import { composeUploads } from './composition/uploads.ts';
import type { AccessService } from './features/access/index.ts';
import { eraseDueJob, eraseJob, eraseTracesJob } from './features/account/index.ts';
import { adminHealthRoutes, HealthRepository, HealthService } from './features/admin/index.ts';
import { purgeSecretsJob } from './features/api-keys/index.ts';
import { type MediaSweepService, sweepMediaJob } from './features/assets/index.ts';
import { purgeAuditJob } from './features/audit/index.ts';
import { type FirstAdminService, purgeAuthJob, resetRequestJob } from './features/auth/index.ts';
import { type ContentCheckService, sweepContentsJob } from './features/content-check/index.ts';
import { type IdempotencyService, purgeIdempotencyJob } from './features/idempotency/index.ts';
import { CONTENT_JOBS } from './features/ingest/index.ts';
import { JobService, jobRoutes } from './features/jobs/index.ts';
import {
  expireReservationsJob,
  type LedgerService,
  purgeTombstonesJob,
  type TombstoneService,
} from './features/ledger/index.ts';
import { mailSendJob } from './features/mail/index.ts';
import { claimSharesJob } from './features/sharing/index.ts';
import { type OperationService, purgeTrashJob, runOperationJob, type TrashService } from './features/storage/index.ts';
import { ReadinessService, systemRoutes } from './features/system/index.ts';
import { purgeUploadsJob, type UploadService } from './features/uploads/index.ts';
import type { RateLimiters } from './http/rate-limits.ts';
import type { Route } from './http/route.ts';
import type { ProbedStore } from './platform/object-store/probed-store.ts';
import { JobBoard } from './platform/queue/job-board.ts';
import type { JobQueue } from './platform/queue/job-queue.ts';
import { registerOutboxJobs, relayOutboxJob } from './platform/queue/outbox.jobs.ts';
import { PgBossQueue } from './platform/queue/pg-boss-queue.ts';
import { RateLimiter } from './platform/rate-limit/rate-limiter.ts';

const JOBS = [
  claimSharesJob,
  eraseDueJob,
  eraseJob,
  eraseTracesJob,
  expireReservationsJob,
  mailSendJob,
  purgeAuditJob,
  purgeAuthJob,
  purgeIdempotencyJob,
  purgeSecretsJob,
  purgeTombstonesJob,
  purgeTrashJob,
  purgeUploadsJob,
  relayOutboxJob,
  resetRequestJob,
  runOperationJob,
  sweepMediaJob,
  sweepContentsJob,
  ...CONTENT_JOBS,
];

/** The services of one process, wired; nothing runs before `queue.start`. */
export interface Composition {
  readonly routes: readonly Route[];
  readonly access: AccessService;
  readonly limits: RateLimiters;
  readonly idempotency: IdempotencyService;
  readonly firstAdmin: FirstAdminService;
  readonly queue: JobQueue;
  readonly readiness: ReadinessService;
  readonly ledger: LedgerService;
  readonly tombstones: TombstoneService;
  readonly operations: OperationService;
  readonly trash: TrashService;
  readonly uploads: UploadService;
  /** To be started where uploads are signed. */
  readonly probed: ProbedStore;
  readonly mediaSweeps: MediaSweepService;
  /** Ends what is under way outside the queue. */
  stop(): Promise<void>;
  readonly contentChecks: ContentCheckService;
}

/** With `composition/`, the only place that knows who needs whom. */
export function compose(input: CompositionInput): Composition {
  const { infrastructure, clock, log, version } = input;
  const queue = new PgBossQueue({ url: infrastructure.databaseUrl, jobs: JOBS, log });
  const readiness = new ReadinessService({
    pingDatabase: () => infrastructure.database.ping(),
    pingObjectStore: () => infrastructure.store.ping(),
    clock,
  });
  const basis = composeBasis(input, queue);
  registerOutboxJobs(queue, basis.outbox);
  const shares = composeShares(basis);
  const signIn = composeSignIn(basis, { onEmailVerified: (tx, user) => shares.received.claim(tx, user) });
  const keys = composeKeys(basis);
  const accounts = composeAccounts(basis, signIn, keys.keys);
  const auditLog = composeAuditLog(basis);
  const board = new JobBoard(infrastructure.database, queue);
  const files = composeFiles(basis, auditLog.recorder, board);
  const direct = composeDirectUploads(basis, files, (id) => board.find(id));
  const contentChecks = composeContentCheck(basis);
  return {
    routes: [
      ...systemRoutes({ version, clock, readiness }),
      ...signIn.routes,
      ...accounts.routes,
      ...keys.routes,
      ...files.routes,
      ...direct.routes,
      ...composeUploads(basis, files).routes,
      ...composeLinks(basis, files).routes,
      ...shares.routes,
      ...auditLog.routes,
      ...jobRoutes(composeJobs(basis, board)),
      ...adminHealthRoutes(composeHealth(basis)),
    ],
    access: signIn.access,
    limits: composeLimits(basis),
    idempotency: basis.idempotency,
    firstAdmin: signIn.firstAdmin,
    queue,
    readiness,
    ledger: files.ledger,
    tombstones: files.tombstones,
    operations: files.operations,
    trash: files.trash,
    uploads: direct.uploads,
    probed: files.probed,
    mediaSweeps: files.mediaSweeps,
    stop: async () => {
      files.probed.stop();
      files.ledger.stop();
      await files.mediaWorker.stop();
    },
    contentChecks,
  };
}

/** Exact over all processes where somebody could guess; elsewhere each process counts for itself. */
function composeLimits({ config, database }: Basis): RateLimiters {
  const { auth, upload, api } = config.rateLimits;
  return {
    auth: auth && RateLimiter.shared('auth', auth, { database, remembersRefusals: true }),
    upload: upload && RateLimiter.local('upload', upload),
    api: api && RateLimiter.local('api', api),
  };
}

/** What admins see of the queue. */
function composeJobs({ uow, users, audit }: Basis, board: JobBoard): JobService {
  return new JobService({ uow, board, users, audit });
}

/** What admins see of the whole. */
function composeHealth({ database, store, queue, clock, version, log }: Basis): HealthService {
  const repository = new HealthRepository(database);
  return new HealthService({
    askDatabase: () => repository.database(),
    askObjectStore: () => store.ping(),
    askQueue: () => queue.stats(),
    countAll: (now) => repository.statistics(now),
    clock,
    version,
    log,
  });
}
