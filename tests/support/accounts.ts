import type { Express } from 'express';
import supertest from 'supertest';
import type { Composition } from '../../src/composition-root.ts';
import type { FirstAdminService } from '../../src/features/auth/index.ts';
import type { Infrastructure } from '../../src/infrastructure.ts';
import type { Clock } from '../../src/platform/clock/clock.ts';
import type { Database } from '../../src/platform/db/database.ts';
import { startTestApp, type TestApp, type TestAppOptions } from './app.ts';
import { MailBox } from './mail-box.ts';
import { createTestDatabase, type TestDatabase } from './postgres.ts';

export const PASSWORD = 'correct horse battery';
export const JWT_SECRET = 'a secret of the tests, and of nothing else';
export const ENCRYPTION_KEY = Buffer.alloc(32, 7);

/** A request for a key as it is sent. */
export const WISH = {
  keyName: 'backup',
  requestedStorageGB: 0.5,
  requestedObjects: 100,
  reason: 'Nightly backup of the photo library',
};

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

interface Reply {
  readonly status: number;
  readonly headers: Record<string, string>;
  // biome-ignore lint/suspicious/noExplicitAny: bodies are checked by the tests' expectations
  readonly body: any;
}

/** What logging in answers. */
export interface SessionData {
  readonly user: { readonly id: string; readonly email: string };
  readonly token: string;
  readonly refreshToken: string;
}

/** Somebody logged in, over HTTP. */
export class Caller {
  readonly #app: Express;
  readonly #token: string;
  readonly email: string;
  readonly id: string;
  readonly refreshToken: string;

  /** For requests that the methods here do not make. */
  get token(): string {
    return this.#token;
  }

  constructor(app: Express, session: SessionData) {
    this.#app = app;
    this.#token = session.token;
    this.email = session.user.email;
    this.id = session.user.id;
    this.refreshToken = session.refreshToken;
  }

  /** The same person, whose requests reach another process. */
  at(process: Accounts): Caller {
    const { id, email, refreshToken } = this;
    return new Caller(process.app, { user: { id, email }, token: this.#token, refreshToken });
  }

  async get(path: string): Promise<Reply> {
    return supertest(this.#app).get(`/api${path}`).auth(this.#token, { type: 'bearer' });
  }

  async post(path: string, body?: object): Promise<Reply> {
    return supertest(this.#app).post(`/api${path}`).auth(this.#token, { type: 'bearer' }).send(body);
  }

  async put(path: string, body?: object): Promise<Reply> {
    return supertest(this.#app).put(`/api${path}`).auth(this.#token, { type: 'bearer' }).send(body);
  }

  async patch(path: string, body?: object): Promise<Reply> {
    return supertest(this.#app).patch(`/api${path}`).auth(this.#token, { type: 'bearer' }).send(body);
  }

  async delete(path: string, body?: object): Promise<Reply> {
    return supertest(this.#app).delete(`/api${path}`).auth(this.#token, { type: 'bearer' }).send(body);
  }
}

/** One process of the service, and the people who use it. */
export class Accounts {
  readonly clock: MovableClock;
  readonly mailBox: MailBox;
  readonly #testApp: TestApp;
  #emails = 0;

  constructor(testApp: TestApp, clock: MovableClock) {
    this.#testApp = testApp;
    this.clock = clock;
    this.mailBox = new MailBox(testApp.dataDirectory);
  }

  get app(): Express {
    return this.#testApp.app;
  }

  get database(): Database {
    return this.#testApp.infrastructure.database;
  }

  get firstAdmin(): FirstAdminService {
    return this.#testApp.composition.firstAdmin;
  }

  get composition(): Composition {
    return this.#testApp.composition;
  }

  get infrastructure(): Infrastructure {
    return this.#testApp.infrastructure;
  }

  get dataDirectory(): string {
    return this.#testApp.dataDirectory;
  }

  stop(): Promise<void> {
    return this.#testApp.close();
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

  /** Registered, verified and made an admin. */
  async admin(): Promise<Caller> {
    const caller = await this.user();
    await this.database.prisma.user.update({ where: { id: caller.id }, data: { role: 'ADMIN' } });
    return caller;
  }

  /** Asked for, approved as asked, not claimed. */
  async approvedKey(owner: Caller, admin: Caller, fields: object = {}): Promise<{ id: string; accessKeyId: string }> {
    const asked = await owner.post('/apiKeys/request/create', { ...WISH, ...fields });
    const reply = await admin.patch(`/apiKeys/request/admin/review/${asked.body.data.request.id}`, { approved: true });
    return reply.body.data.apiKey;
  }

  /** Actions in the order of their entries. */
  async auditOf(subjectId: string): Promise<string[]> {
    const rows = await this.database.prisma.auditLog.findMany({ where: { subjectId }, orderBy: { createdAt: 'asc' } });
    return rows.map(({ action }) => action);
  }
}

/** A database and processes on it; only the first one sends mail. */
export interface Site {
  readonly accounts: Accounts;
  startAnother(): Promise<Accounts>;
  stop(): Promise<void>;
}

/**
 * Starts a service of one process, on a clock that can be moved; without rate limits unless `environment` sets them, and
 * with jobs running unless told otherwise; `photoForms` and `folderLimits` are smaller limits.
 */
export async function startAccounts(
  environment: Readonly<Record<string, string>> = {},
  {
    workers: firstWorks = true,
    ...options
  }: Pick<TestAppOptions, 'workers' | 'photoForms' | 'folderLimits' | 'wrapStore'> = {},
): Promise<Site> {
  const database = await createTestDatabase();
  const clock = new MovableClock();
  const processes: Accounts[] = [];
  const start = async (workers: boolean) => {
    const accounts = new Accounts(await startOn(database, { clock, workers, environment, ...options }), clock);
    processes.push(accounts);
    return accounts;
  };
  return {
    accounts: await start(firstWorks),
    startAnother: () => start(false),
    stop: async () => {
      await Promise.all(processes.map((process) => process.stop()));
      await database.drop();
    },
  };
}

function startOn(database: TestDatabase, options: TestAppOptions): Promise<TestApp> {
  const environment = {
    JWT_SECRET,
    ENCRYPTION_KEY: ENCRYPTION_KEY.toString('base64'),
    ...options.environment,
  };
  return startTestApp({ ...options, database, environment });
}
