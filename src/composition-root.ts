import type { Config } from './config/env.ts';
import type { Secrets } from './config/secrets.ts';
import { AccessRepository, AccessService } from './features/access/index.ts';
import {
  AccountDeletionService,
  AccountErasureService,
  accountRoutes,
  DeletionRepository,
  ErasureRepository,
  eraseDueJob,
  eraseJob,
  eraseTracesJob,
  registerAccountJobs,
} from './features/account/index.ts';
import {
  AdminUserRepository,
  AdminUserService,
  adminHealthRoutes,
  adminUserRoutes,
  HealthRepository,
  HealthService,
} from './features/admin/index.ts';
import {
  AdminKeyRepository,
  AdminKeyService,
  ApiKeyRepository,
  ApiKeyService,
  adminKeyRoutes,
  apiKeyRoutes,
  KeyRequestRepository,
  KeyRequestService,
  KeyReviewService,
  KeyRevocationService,
  KeySecretRepository,
  KeySecretService,
  keyRequestRoutes,
  purgeSecretsJob,
  registerKeyJobs,
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
  AuthPurgeService,
  AuthService,
  authRoutes,
  EmailVerificationService,
  FirstAdminService,
  LOCK_OUT,
  LoginGuard,
  OneTimeCodeRepository,
  OneTimeCodeService,
  PasswordCheckService,
  PasswordResetService,
  PasswordService,
  passwordRoutes,
  purgeAuthJob,
  RefreshTokens,
  ResetCodeService,
  registerAuthJobs,
  resetRequestJob,
  SessionRepository,
  SessionService,
  sessionRoutes,
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
import {
  PhotoService,
  ProfileRepository,
  ProfileService,
  photoRoutes,
  profileRoutes,
} from './features/profile/index.ts';
import {
  deletePrefixJob,
  FileRepository,
  registerStorageJobs,
  StorageService,
  storageRoutes,
} from './features/storage/index.ts';
import { ReadinessService, systemRoutes } from './features/system/index.ts';
import { UserRepository } from './features/users/index.ts';
import type { RateLimiters } from './http/rate-limits.ts';
import type { Route } from './http/route.ts';
import type { Infrastructure } from './infrastructure.ts';
import type { Clock } from './platform/clock/clock.ts';
import { AccessTokens } from './platform/crypto/access-token.ts';
import { PasswordHasher } from './platform/crypto/password-hasher.ts';
import { deriveKey, Sealer } from './platform/crypto/seal.ts';
import { UnitOfWork } from './platform/db/unit-of-work.ts';
import { ImageConverter } from './platform/images/image-converter.ts';
import type { Logger } from './platform/logging/logger.ts';
import { createMailTransport } from './platform/mail/create-mail-transport.ts';
import type { JobQueue } from './platform/queue/job-queue.ts';
import { PgBossQueue } from './platform/queue/pg-boss-queue.ts';
import { RateLimiter } from './platform/rate-limit/rate-limiter.ts';

/** log2 of bcrypt's rounds: people choose passwords, a key's secret is 238 random bits. */
const BCRYPT_COST = { password: 12, secret: 10 } as const;
/**
 * A hash holds one of the threads that file access needs too (config/thread-pool.ts). Logins and keys have queues of their
 * own: a flood of one does not keep the other waiting.
 */
const HASHES_AT_ONCE = { password: 2, secret: 1 } as const;
const MAX_WAITING_HASHES = 200;
const IMAGES = { concurrency: 2, maxWaiting: 20 } as const;

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
  readonly limits: RateLimiters;
  readonly firstAdmin: FirstAdminService;
  readonly queue: JobQueue;
  readonly readiness: ReadinessService;
  readonly ledger: LedgerService;
  readonly tombstones: TombstoneService;
  readonly accountDeletions: AccountDeletionService;
}

/** The only place that knows who needs whom. */
export function compose(input: CompositionInput): Composition {
  const { infrastructure, clock, log } = input;
  const queue = new PgBossQueue({
    url: infrastructure.databaseUrl,
    jobs: [
      expireReservationsJob,
      purgeTombstonesJob,
      deletePrefixJob,
      mailSendJob,
      resetRequestJob,
      purgeAuthJob,
      eraseJob,
      eraseTracesJob,
      eraseDueJob,
      purgeSecretsJob,
      purgeAuditJob,
    ],
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
  const health = composeHealth(input, queue);
  return {
    routes: [
      ...systemRoutes({ version: input.version, clock, readiness }),
      ...accounts.routes,
      ...auditLog.routes,
      ...files.routes,
      ...adminHealthRoutes(health),
    ],
    access: accounts.access,
    limits: composeLimits(input),
    firstAdmin: accounts.firstAdmin,
    queue,
    readiness,
    ledger: files.ledger,
    tombstones: files.tombstones,
    accountDeletions: accounts.deletions,
  };
}

/** Exact over all processes where somebody could guess; elsewhere each process counts for itself. */
function composeLimits({ config, infrastructure }: CompositionInput): RateLimiters {
  const { database } = infrastructure;
  const { auth, upload, api } = config.rateLimits;
  return {
    auth: auth && RateLimiter.shared('auth', auth, { database, remembersRefusals: true }),
    upload: upload && RateLimiter.local('upload', upload),
    api: api && RateLimiter.local('api', api),
  };
}

/** People, their sessions, keys and requests, and the mail that goes with them. */
function composeAccounts(
  { config, secrets, infrastructure, clock, log, bcryptCost }: CompositionInput,
  queue: JobQueue,
) {
  const { database, store, budget } = infrastructure;
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
  const oneTimeCodes = new OneTimeCodeService({ codes, codeKey });
  const verification = new EmailVerificationService({ uow, users, codes, oneTimeCodes, audit, mail, clock });
  const sessions = new SessionRepository(database);
  const guard = new LoginGuard(RateLimiter.shared('login', LOCK_OUT, { database, remembersRefusals: false }));
  const passwordCheck = new PasswordCheckService({ uow, users, audit, passwordHasher, guard });
  const auth = new AuthService({
    uow,
    users,
    sessions,
    audit,
    verification,
    passwordCheck,
    passwordHasher,
    accessTokens,
    refreshTokens: new RefreshTokens(deriveKey(secrets.encryptionKey, 'refresh-token')),
    clock,
    driveQuota,
  });
  const sessionService = new SessionService({ uow, users, sessions, audit, clock });
  const proven = { uow, users, sessions, codes, audit, mail, passwordHasher, clock };
  const passwords = new PasswordService({ ...proven, passwordCheck });
  const resets = new PasswordResetService({ ...proven, guard, oneTimeCodes, queue, sealer });
  registerAuthJobs(
    queue,
    new ResetCodeService({ uow, users, oneTimeCodes, audit, mail, sealer, clock }),
    new AuthPurgeService({ sessions, codes, clock }),
  );
  const firstAdmin = new FirstAdminService({ uow, users, audit, passwordHasher, clock, driveQuota });
  const revocation = new KeyRevocationService({ uow, keys: keyRepository, audit, mail, clock });
  const keys = new ApiKeyService({ uow, keys: keyRepository, users, revocation, audit, clock });
  const keySecrets = new KeySecretService({
    uow,
    keys: keyRepository,
    secrets: new KeySecretRepository(database),
    audit,
    secretHasher,
    sealer,
    clock,
  });
  registerKeyJobs(queue, keySecrets);
  const adminKeys = new AdminKeyService({ uow, keys: new AdminKeyRepository(database), revocation, audit, clock });
  const requests = new KeyRequestService({
    uow,
    requests: requestRepository,
    keys: keyRepository,
    users,
    audit,
    mail,
    clock,
  });
  const reviews = new KeyReviewService({ uow, requests: requestRepository, keys: keyRepository, audit, mail, clock });
  const adminUsers = new AdminUserService({
    uow,
    accounts: new AdminUserRepository(database),
    users,
    sessions,
    audit,
    clock,
  });
  const profiles = new ProfileRepository(database);
  const profile = new ProfileService({ uow, profiles, users, keys, verification, audit, mail, clock });
  const tombstones = new TombstoneRepository(database);
  const images = new ImageConverter(IMAGES);
  const photos = new PhotoService({ uow, profiles, tombstones, audit, images, store, budget, clock });
  const deletions = new AccountDeletionService({
    uow,
    deletions: new DeletionRepository(database),
    users,
    sessions,
    passwords: passwordCheck,
    audit,
    mail,
    queue,
    clock,
    graceDays: config.retention.accountDeletionGraceDays,
  });
  const erasure = new AccountErasureService({
    uow,
    repository: new ErasureRepository(database),
    audit,
    queue,
    clock,
    log,
  });
  registerAccountJobs(queue, erasure);
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
    deletions,
    routes: [
      ...authRoutes(auth, verification),
      ...sessionRoutes(sessionService),
      ...passwordRoutes(passwords, resets),
      ...profileRoutes(profile),
      ...photoRoutes(photos),
      ...accountRoutes(deletions),
      ...keyRequestRoutes(requests, reviews),
      ...apiKeyRoutes(keys, keySecrets),
      ...adminUserRoutes(adminUsers, deletions),
      ...adminKeyRoutes(adminKeys),
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

/** What admins see of the whole. */
function composeHealth({ infrastructure, clock, version, log }: CompositionInput, queue: JobQueue) {
  const repository = new HealthRepository(infrastructure.database);
  return new HealthService({
    askDatabase: () => repository.database(),
    askObjectStore: () => infrastructure.store.ping(),
    askQueue: () => queue.stats(),
    countAll: (now) => repository.statistics(now),
    clock,
    version,
    log,
  });
}
