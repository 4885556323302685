import { setTimeout as delay } from 'node:timers/promises';
import type { Express } from 'express';
import supertest from 'supertest';
import { createApp } from '../../src/app.ts';
import { AccessRepository, AccessService } from '../../src/features/access/index.ts';
import {
  ApiKeyRepository,
  ApiKeyService,
  apiKeyRoutes,
  KeyRequestRepository,
  KeyRequestService,
  KeyReviewService,
  keyRequestRoutes,
} from '../../src/features/api-keys/index.ts';
import { AuditRepository, SYSTEM_ORIGIN } from '../../src/features/audit/index.ts';
import {
  AuthService,
  authRoutes,
  EmailVerificationService,
  FirstAdminService,
  OneTimeCodeRepository,
  SessionRepository,
} from '../../src/features/auth/index.ts';
import { MailDeliveryService, MailService, mailSendJob, registerMailJobs } from '../../src/features/mail/index.ts';
import { ProfileService, profileRoutes } from '../../src/features/profile/index.ts';
import { UserRepository } from '../../src/features/users/index.ts';
import type { Clock } from '../../src/platform/clock/clock.ts';
import { AccessTokens } from '../../src/platform/crypto/access-token.ts';
import { PasswordHasher } from '../../src/platform/crypto/password-hasher.ts';
import { deriveKey, Sealer } from '../../src/platform/crypto/seal.ts';
import { Database } from '../../src/platform/db/database.ts';
import { UnitOfWork } from '../../src/platform/db/unit-of-work.ts';
import { silentLogger } from '../../src/platform/logging/logger.ts';
import type { MailMessage, MailTransport } from '../../src/platform/mail/mail-transport.ts';
import { PgBossQueue } from '../../src/platform/queue/pg-boss-queue.ts';
import { createTestDatabase, type TestDatabase } from './postgres.ts';

export const PASSWORD = 'correct horse battery';

/** A clock that a test moves. */
export class MovableClock implements Clock {
  #aheadMs = 0;

  now(): Date {
    return new Date(Date.now() + this.#aheadMs);
  }

  advance(seconds: number): void {
    this.#aheadMs += seconds * 1000;
  }
}

/** Keeps what was sent; `broken` makes it a dead mail server. */
export class MailBox implements MailTransport {
  readonly messages: MailMessage[] = [];
  broken = false;

  async send(message: MailMessage): Promise<void> {
    if (this.broken) throw new Error('connect ECONNREFUSED');
    this.messages.push(message);
  }

  async close(): Promise<void> {}

  /** Waits for the latest of at least `count` mails to this address. */
  async latest(to: string, count = 1): Promise<MailMessage> {
    const deadline = Date.now() + 15_000;
    for (;;) {
      const found = this.messages.filter((message) => message.to === to);
      const last = found.toSorted((a, b) => a.date.getTime() - b.date.getTime()).at(-1);
      if (last && found.length >= count) return last;
      if (Date.now() > deadline) throw new Error(`${found.length} of ${count} mails came to ${to}`);
      await delay(20);
    }
  }

  /** The code of the latest of at least `count` mails to this address. */
  async code(to: string, count = 1): Promise<string> {
    const code = /^Your code: (\d{6})$/m.exec((await this.latest(to, count)).text)?.[1];
    if (code === undefined) throw new Error('the mail holds no code');
    return code;
  }
}

interface Reply {
  readonly status: number;
  readonly headers: Record<string, string>;
  // biome-ignore lint/suspicious/noExplicitAny: bodies are checked by the tests' expectations
  readonly body: any;
}

/** Somebody logged in, over HTTP. */
export class Caller {
  readonly #app: Express;
  readonly email: string;
  readonly id: string;
  token: string;
  refreshToken: string;

  constructor(app: Express, session: { user: { id: string; email: string }; token: string; refreshToken: string }) {
    this.#app = app;
    this.email = session.user.email;
    this.id = session.user.id;
    this.token = session.token;
    this.refreshToken = session.refreshToken;
  }

  async get(path: string): Promise<Reply> {
    return supertest(this.#app).get(`/api${path}`).auth(this.token, { type: 'bearer' });
  }

  async post(path: string, body?: object): Promise<Reply> {
    return supertest(this.#app).post(`/api${path}`).auth(this.token, { type: 'bearer' }).send(body);
  }

  async patch(path: string, body?: object): Promise<Reply> {
    return supertest(this.#app).patch(`/api${path}`).auth(this.token, { type: 'bearer' }).send(body);
  }

  async delete(path: string): Promise<Reply> {
    return supertest(this.#app).delete(`/api${path}`).auth(this.token, { type: 'bearer' });
  }
}

/** One process' accounts and keys on a real database, with its HTTP routes. */
export class Accounts {
  readonly clock = new MovableClock();
  readonly mailBox = new MailBox();
  readonly database: Database;
  readonly uow: UnitOfWork;
  readonly users: UserRepository;
  readonly auth: AuthService;
  readonly verification: EmailVerificationService;
  readonly firstAdmin: FirstAdminService;
  readonly keys: ApiKeyService;
  readonly requests: KeyRequestService;
  readonly reviews: KeyReviewService;
  readonly sealer: Sealer;
  readonly secretHasher: PasswordHasher;
  readonly queue: PgBossQueue;
  readonly app: Express;
  #emails = 0;

  private constructor(url: string) {
    const log = silentLogger();
    const encryptionKey = Buffer.alloc(32, 7);
    const { clock } = this;
    this.database = new Database({ url, maxConnections: 10, log });
    this.uow = new UnitOfWork(this.database);
    this.users = new UserRepository(this.database);
    this.sealer = new Sealer(encryptionKey);
    this.queue = new PgBossQueue({ url, jobs: [mailSendJob], log, pollSeconds: 2 });
    this.secretHasher = new PasswordHasher({ cost: 4, concurrency: 2, maxWaiting: 1000 });
    const passwordHasher = new PasswordHasher({ cost: 4, concurrency: 2, maxWaiting: 1000 });
    const accessTokens = new AccessTokens('a secret of the tests, and of nothing else', clock);
    const audit = new AuditRepository();
    const mail = new MailService({ queue: this.queue, sealer: this.sealer, clock, publicUrl: undefined });
    const delivery = new MailDeliveryService({ transport: this.mailBox, sealer: this.sealer, clock, log });
    registerMailJobs(this.queue, delivery);
    const { uow, users, secretHasher, sealer } = this;
    const driveQuota = { bytes: 5 * 1024 ** 3, objects: 10_000 };
    this.verification = new EmailVerificationService({
      uow,
      users,
      codes: new OneTimeCodeRepository(this.database),
      audit,
      mail,
      clock,
      codeKey: deriveKey(encryptionKey, 'one-time-code'),
    });
    this.auth = new AuthService({
      uow,
      users,
      sessions: new SessionRepository(),
      audit,
      verification: this.verification,
      passwordHasher,
      accessTokens,
      clock,
      driveQuota,
    });
    this.firstAdmin = new FirstAdminService({ uow, users, audit, passwordHasher, clock, driveQuota });
    const keys = new ApiKeyRepository(this.database);
    const requests = new KeyRequestRepository(this.database);
    this.keys = new ApiKeyService({ uow, keys, audit, secretHasher, sealer, clock });
    this.requests = new KeyRequestService({ uow, requests, users, audit, mail, clock });
    this.reviews = new KeyReviewService({ uow, requests, keys, audit, mail, clock });
    const access = new AccessService({
      repository: new AccessRepository(this.database),
      tokens: accessTokens,
      secretHasher,
      log,
    });
    this.app = createApp({
      routes: [
        ...authRoutes(this.auth, this.verification),
        ...profileRoutes(new ProfileService({ users, keys: this.keys })),
        ...keyRequestRoutes(this.requests, this.reviews),
        ...apiKeyRoutes(this.keys),
      ],
      access,
      version: '0.0.0',
      log,
      trustProxy: false,
      corsOrigins: [],
      publicUrl: undefined,
      objectHandler: undefined,
      isDraining: () => false,
    });
  }

  static async start(database: TestDatabase): Promise<Accounts> {
    const accounts = new Accounts(database.url);
    await accounts.queue.start({ workers: true, supervise: false });
    return accounts;
  }

  async stop(): Promise<void> {
    await this.queue.stop({ timeoutMs: 1000 });
    await this.database.close();
  }

  anonymous() {
    return supertest(this.app);
  }

  newEmail(): string {
    this.#emails += 1;
    return `somebody${this.#emails}-${process.pid}@example.com`;
  }

  /** Registered, not verified. */
  async register(fields: object = {}): Promise<Caller> {
    const reply = await this.anonymous()
      .post('/api/auth/register')
      .send({ email: this.newEmail(), password: PASSWORD, ...fields })
      .expect(201);
    return new Caller(this.app, reply.body.data);
  }

  /** Registered and verified. */
  async user(): Promise<Caller> {
    const caller = await this.register();
    await this.database.prisma.user.update({ where: { id: caller.id }, data: { emailVerifiedAt: new Date() } });
    return caller;
  }

  /** The first admin or one more. */
  async admin(): Promise<Caller> {
    const caller = await this.user();
    await this.database.prisma.user.update({ where: { id: caller.id }, data: { role: 'ADMIN' } });
    return caller;
  }

  /** Actions in the order of their entries. */
  async auditOf(subjectId: string): Promise<string[]> {
    const rows = await this.database.prisma.auditLog.findMany({ where: { subjectId }, orderBy: { createdAt: 'asc' } });
    return rows.map(({ action }) => action);
  }
}

/** A database and one process on it. */
export async function startAccounts(): Promise<{ accounts: Accounts; database: TestDatabase; stop(): Promise<void> }> {
  const database = await createTestDatabase();
  const accounts = await Accounts.start(database);
  return {
    accounts,
    database,
    stop: async () => {
      await accounts.stop();
      await database.drop();
    },
  };
}

export const TEST_ORIGIN = SYSTEM_ORIGIN;
