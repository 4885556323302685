import type { Config } from '../config/env.ts';
import type { Secrets } from '../config/secrets.ts';
import { AuditRepository } from '../features/audit/index.ts';
import { IdempotencyRepository, IdempotencyService, registerIdempotencyJobs } from '../features/idempotency/index.ts';
import { CONTENT_JOBS } from '../features/ingest/index.ts';
import { MailDeliveryService, MailService, registerMailJobs } from '../features/mail/index.ts';
import { UserRepository } from '../features/users/index.ts';
import type { Infrastructure } from '../infrastructure.ts';
import type { Clock } from '../platform/clock/clock.ts';
import { PasswordHasher } from '../platform/crypto/password-hasher.ts';
import { deriveKey, Sealer } from '../platform/crypto/seal.ts';
import { UnitOfWork } from '../platform/db/unit-of-work.ts';
import type { Logger } from '../platform/logging/logger.ts';
import { createMailTransport } from '../platform/mail/create-mail-transport.ts';
import type { ByteBudget } from '../platform/object-store/byte-budget.ts';
import type { JobQueue } from '../platform/queue/job-queue.ts';
import { OutboxRelay } from '../platform/queue/outbox-relay.ts';

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
  /** Smaller limits of what is done with folders at once, for tests. */
  readonly folderLimits?: { readonly movedFiles: number; readonly deletedFiles: number };
  /** Smaller limits of photo forms, for tests. */
  readonly photoForms?: { readonly budget: ByteBudget; readonly deadlineMs: number };
}

/** What nearly every service needs, once for the process. */
export type Basis = ReturnType<typeof composeBasis>;

export function composeBasis(input: CompositionInput, queue: JobQueue) {
  const { config, secrets, infrastructure, clock, log, bcryptCost } = input;
  const { database } = infrastructure;
  const sealer = new Sealer(secrets.encryptionKey);
  const delivery = new MailDeliveryService({ transport: createMailTransport(config.mail), sealer, clock, log });
  registerMailJobs(queue, delivery);
  const idempotency = new IdempotencyService({
    repository: new IdempotencyRepository(database),
    sealer,
    fingerprintKey: deriveKey(secrets.encryptionKey, 'idempotency'),
    clock,
    log,
  });
  registerIdempotencyJobs(queue, idempotency);
  const hasher = (kind: keyof typeof HASHES_AT_ONCE) =>
    new PasswordHasher({
      cost: (bcryptCost ?? BCRYPT_COST)[kind],
      concurrency: HASHES_AT_ONCE[kind],
      maxWaiting: MAX_WAITING_HASHES,
    });
  const uow = new UnitOfWork(database);
  return {
    ...input,
    ...infrastructure,
    queue,
    sealer,
    uow,
    outbox: new OutboxRelay({ uow, queue, jobs: CONTENT_JOBS, log }),
    idempotency,
    audit: new AuditRepository(),
    users: new UserRepository(database),
    mail: new MailService({ queue, sealer, clock, publicUrl: config.http.publicUrl }),
    passwordHasher: hasher('password'),
    secretHasher: hasher('secret'),
  };
}
