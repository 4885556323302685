import type { Config } from './config/env.ts';
import type { Secrets } from './config/secrets.ts';
import { AccessRepository, AccessService } from './features/access/index.ts';
import {
  ApiKeyRepository,
  ApiKeyService,
  apiKeyRoutes,
  KeyRequestRepository,
  KeyRequestService,
  KeyReviewService,
  keyRequestRoutes,
} from './features/api-keys/index.ts';
import {
  AuditLogRepository,
  AuditLogService,
  AuditRecorder,
  AuditRepository,
  auditLogRoutes,
  purgeAuditJob,
  registerAuditJobs,
} from './features/audit/index.ts';
import {
  AuthService,
  authRoutes,
  EmailVerificationService,
  FirstAdminService,
  OneTimeCodeRepository,
  RefreshTokens,
  SessionRepository,
} from './features/auth/index.ts';
import { IngestService, QuotaRefusals } from './features/ingest/index.ts';
import {
  expireReservationsJob,
  LedgerRepository,
  LedgerService,
  purgeTombstonesJob,
  registerLedgerJobs,
  TombstoneRepository,
  TombstoneService,
} from './features/ledger/index.ts';
import { MailDeliveryService, MailService, mailSendJob, registerMailJobs } from './features/mail/index.ts';
import { ProfileService, profileRoutes } from './features/profile/index.ts';
import {
  deletePrefixJob,
  FileRepository,
  registerStorageJobs,
  StorageService,
  storageRoutes,
} from './features/storage/index.ts';
import { ReadinessService, systemRoutes } from './features/system/index.ts';
import { UserRepository } from './features/users/index.ts';
import type { Route } from './http/route.ts';
import type { Infrastructure } from './infrastructure.ts';
import type { Clock } from './platform/clock/clock.ts';
import { AccessTokens } from './platform/crypto/access-token.ts';
import { PasswordHasher } from './platform/crypto/password-hasher.ts';
import { deriveKey, Sealer } from './platform/crypto/seal.ts';
import { UnitOfWork } from './platform/db/unit-of-work.ts';
import type { Logger } from './platform/logging/logger.ts';
import { createMailTransport } from './platform/mail/create-mail-transport.ts';
import type { JobQueue } from './platform/queue/job-queue.ts';
import { PgBossQueue } from './platform/queue/pg-boss-queue.ts';

/** log2 of bcrypt's rounds: people choose passwords, a key's secret is 238 random bits. */
const BCRYPT_COST = { password: 12, secret: 10 } as const;
/**
 * A hash holds one of the threads that file access needs too (config/thread-pool.ts). Logins and keys have queues of their
 * own: a flood of one does not keep the other waiting.
 */
const HASHES_AT_ONCE = { password: 2, secret: 1 } as const;
const MAX_WAITING_HASHES = 200;

export interface CompositionInput {
  readonly config: Config;
  readonly secrets: Secrets;
  readonly infrastructure: Infrastructure;
  readonly clock: Clock;
  readonly log: Logger;
  readonly version: string;
  /** Cheaper hashes, for tests. */
  readonly bcryptCost?: { readonly password: number; readonly secret: number };
}

/** The services of one process, wired; nothing runs before `queue.start`. */
export interface Composition {
  readonly routes: readonly Route[];
  readonly access: AccessService;
  readonly firstAdmin: FirstAdminService;
  readonly queue: JobQueue;
  readonly readiness: ReadinessService;
  readonly ledger: LedgerService;
  readonly tombstones: TombstoneService;
}

/** The only place that knows who needs whom. */
export function compose(input: CompositionInput): Composition {
  const { infrastructure, clock, log } = input;
  const queue = new PgBossQueue({
    url: infrastructure.databaseUrl,
    jobs: [expireReservationsJob, purgeTombstonesJob, deletePrefixJob, mailSendJob, purgeAuditJob],
    log,
  });
  const readiness = new ReadinessService({
    pingDatabase: () => infrastructure.database.ping(),
    pingObjectStore: () => infrastructure.store.ping(),
    clock,
  });
  const accounts = composeAccounts(input, queue);
  const auditLog = composeAuditLog(input, queue);
  const files = composeFiles(input, queue, auditLog.recorder);
  return {
    routes: [
      ...systemRoutes({ version: input.version, clock, readiness }),
      ...accounts.routes,
      ...auditLog.routes,
      ...files.routes,
    ],
    access: accounts.access,
    firstAdmin: accounts.firstAdmin,
    queue,
    readiness,
    ledger: files.ledger,
    tombstones: files.tombstones,
  };
}

/** People, their sessions, keys and requests, and the mail that goes with them. */
function composeAccounts(
  { config, secrets, infrastructure, clock, log, bcryptCost }: CompositionInput,
  queue: JobQueue,
) {
  const { database } = infrastructure;
  const cost = bcryptCost ?? BCRYPT_COST;
  const hasher = (kind: keyof typeof HASHES_AT_ONCE) =>
    new PasswordHasher({ cost: cost[kind], concurrency: HASHES_AT_ONCE[kind], maxWaiting: MAX_WAITING_HASHES });
  const passwordHasher = hasher('password');
  const secretHasher = hasher('secret');
  const accessTokens = new AccessTokens(secrets.jwtSecret, clock);
  const sealer = new Sealer(secrets.encryptionKey);
  const uow = new UnitOfWork(database);
  const audit = new AuditRepository();
  const users = new UserRepository(database);
  const keyRepository = new ApiKeyRepository(database);
  const requestRepository = new KeyRequestRepository(database);
  const driveQuota = { bytes: config.limits.driveQuotaBytes, objects: config.limits.driveQuotaObjects };

  const delivery = new MailDeliveryService({ transport: createMailTransport(config.mail), sealer, clock, log });
  registerMailJobs(queue, delivery);
  const mail = new MailService({ queue, sealer, clock, publicUrl: config.http.publicUrl });

  const codeKey = deriveKey(secrets.encryptionKey, 'one-time-code');
  const codes = new OneTimeCodeRepository(database);
  const verification = new EmailVerificationService({ uow, users, codes, audit, mail, clock, codeKey });
  const sessions = new SessionRepository();
  const auth = new AuthService({
    uow,
    users,
    sessions,
    audit,
    verification,
    passwordHasher,
    accessTokens,
    refreshTokens: new RefreshTokens(deriveKey(secrets.encryptionKey, 'refresh-token')),
    clock,
    driveQuota,
  });
  const firstAdmin = new FirstAdminService({ uow, users, audit, passwordHasher, clock, driveQuota });
  const keys = new ApiKeyService({ uow, keys: keyRepository, audit, secretHasher, sealer, clock });
  const requests = new KeyRequestService({ uow, requests: requestRepository, users, audit, mail, clock });
  const reviews = new KeyReviewService({ uow, requests: requestRepository, keys: keyRepository, audit, mail, clock });
  const profile = new ProfileService({ users, keys });
  const access = new AccessService({
    repository: new AccessRepository(database),
    tokens: accessTokens,
    secretHasher,
    sealer,
    log,
  });
  return {
    access,
    firstAdmin,
    routes: [
      ...authRoutes(auth, verification),
      ...profileRoutes(profile),
      ...keyRequestRoutes(requests, reviews),
      ...apiKeyRoutes(keys),
    ],
  };
}

/** What reads the audit log and ends it, and what writes to it outside transactions. */
function composeAuditLog({ config, infrastructure, clock }: CompositionInput, queue: JobQueue) {
  const logs = new AuditLogRepository(infrastructure.database);
  const recorder = new AuditRecorder(logs);
  const auditLog = new AuditLogService({ logs, recorder, clock, retentionDays: config.retention.auditDays });
  registerAuditJobs(queue, auditLog);
  return { recorder, routes: auditLogRoutes(auditLog, clock) };
}

/** Files: the ledger, the one way in, and what is read and removed. */
function composeFiles(
  { config, infrastructure, clock, log }: CompositionInput,
  queue: JobQueue,
  recorder: AuditRecorder,
) {
  const { database, store, budget } = infrastructure;
  const ledger = new LedgerService({ repository: new LedgerRepository(database), log });
  const tombstones = new TombstoneService({ repository: new TombstoneRepository(database), store, log });
  const refusals = new QuotaRefusals(recorder, clock);
  const ingest = new IngestService({ ledger, store, budget, maxFileBytes: config.limits.maxFileBytes, refusals, log });
  const storage = new StorageService({
    files: new FileRepository(database),
    ledger,
    ingest,
    store,
    recorder,
    clock,
    enqueuePrefixDeletion: (deletion) => queue.enqueue(null, deletePrefixJob, deletion),
  });
  registerLedgerJobs(queue, ledger, tombstones);
  registerStorageJobs(queue, storage);
  return { ledger, tombstones, routes: storageRoutes(storage, clock) };
}
