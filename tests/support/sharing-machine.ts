import { Readable } from 'node:stream';
import { AppError } from '../../src/errors/app-error.ts';
import { AuditLogRepository, AuditRecorder, AuditRepository, SYSTEM_ORIGIN } from '../../src/features/audit/index.ts';
import { LOCK_OUT, LoginGuard } from '../../src/features/auth/index.ts';
import { DriveAccess, DriveAccessRepository, DriveFileService, FolderService } from '../../src/features/drive/index.ts';
import {
  LinkDoorService,
  LinkDropService,
  LinkPasses,
  LinkRepository,
  LinkService,
  PublicLinkRepository,
  ShareRepository,
  ShareService,
} from '../../src/features/sharing/index.ts';
import {
  FileListingRepository,
  FolderRepository,
  FolderWalkRepository,
  LevelListing,
  ReadingService,
  ZipRepository,
  ZipService,
} from '../../src/features/storage/index.ts';
import { UserRepository } from '../../src/features/users/index.ts';
import { systemClock } from '../../src/platform/clock/clock.ts';
import { PasswordHasher } from '../../src/platform/crypto/password-hasher.ts';
import { newId } from '../../src/platform/crypto/random.ts';
import type { Database } from '../../src/platform/db/database.ts';
import { silentLogger } from '../../src/platform/logging/logger.ts';
import { RateLimiter } from '../../src/platform/rate-limit/rate-limiter.ts';
import type { Grantee, ModelRole, Person } from './sharing-model.ts';
import type { SpaceProcess } from './space-machine.ts';
import type { TestSpace } from './spaces.ts';

const CLOCK = systemClock;
const ORIGIN = SYSTEM_ORIGIN;
const HOUR_MS = 3_600_000;
const ALL = { limit: 200, cursor: undefined };
const EXPIRE = { name: 'test_sharing_expire', text: 'SELECT ledger_expire($1)' };
const AGE = ['shares', 'share_links', 'reservations'].map((table) => ({
  name: `test_sharing_age_${table}`,
  text: `UPDATE ${table} SET expires_at = expires_at - interval '1 hour' WHERE space_id = $1`,
}));

/** Those with whom every drive shares, with proven addresses. */
export type People = Readonly<Record<Grantee | 'stranger', { readonly id: string }>>;

export async function createPeople(database: Database): Promise<People> {
  const create = async (name: string) => {
    const { email, username } = addressesOf(name);
    const keys = { emailKey: email, usernameKey: username, emailVerifiedAt: new Date(), passwordHash: 'none' };
    return database.prisma.user.create({ data: { id: newId(), email, username, ...keys }, select: { id: true } });
  };
  return { ann: await create('ann'), bob: await create('bob'), stranger: await create('stranger') };
}

/** The services of drives and sharing in one process, as `composition/drive.ts` and `sharing.ts` put them together. */
export class SharingProcess {
  readonly database: Database;
  readonly access: DriveAccess;
  readonly files: DriveFileService;
  readonly folders: FolderService;
  readonly shares: ShareService;
  readonly links: LinkService;
  readonly door: LinkDoorService;
  readonly drops: LinkDropService;

  constructor({
    database,
    uow,
    store,
    storage,
    fileLedger,
    folders: folderLedger,
    ingest,
    policy,
    reservations,
  }: SpaceProcess) {
    const recorder = new AuditRecorder(new AuditLogRepository(database));
    const common = { uow, audit: new AuditRepository(), clock: CLOCK };
    const passwordHasher = new PasswordHasher({ cost: 4, concurrency: 1, maxWaiting: 1 });
    const links = new PublicLinkRepository(database);
    const guesses = RateLimiter.shared('link', LOCK_OUT, { database, remembersRefusals: false });
    this.database = database;
    this.access = new DriveAccess({ repository: new DriveAccessRepository(database), clock: CLOCK });
    this.files = new DriveFileService({
      access: this.access,
      storage,
      fileLedger,
      reading: new ReadingService({ find: (spaceId, ref) => storage.find(spaceId, ref), store, recorder }),
      policy,
    });
    this.folders = new FolderService({
      access: this.access,
      levels: new LevelListing({
        files: new FileListingRepository(database),
        folders: new FolderRepository(database),
        walk: new FolderWalkRepository(database),
      }),
      zips: new ZipService({ files: new ZipRepository(database), store, recorder, clock: CLOCK }),
      folderLedger,
      uow,
      limits: { movedFiles: 1000, deletedFiles: 1000 },
      startOperation: () => Promise.reject(new Error('nothing here is large enough for a job')),
    });
    this.shares = new ShareService({
      ...common,
      shares: new ShareRepository(database),
      users: new UserRepository(database),
    });
    this.links = new LinkService({ ...common, links: new LinkRepository(database), reservations, passwordHasher });
    this.door = new LinkDoorService({
      links,
      passwordHasher,
      guard: new LoginGuard(guesses, ''),
      passes: new LinkPasses(Buffer.alloc(32)),
      clock: CLOCK,
    });
    this.drops = new LinkDropService({ door: this.door, links, ingest, clock: CLOCK, log: silentLogger() });
  }
}

/** One real drive, as its owner and others reach it. */
export class SharingMachine {
  readonly process: SharingProcess;
  readonly #space: TestSpace;
  readonly #people: People;

  constructor(process: SharingProcess, space: TestSpace, people: People) {
    this.process = process;
    this.#space = space;
    this.#people = people;
  }

  /** As the drive's services know people. */
  user(person: Person) {
    const userId = this.#idOf(person);
    const space = person === 'owner' ? this.#space : { id: newId(), prefix: `users/${userId}/` };
    return { userId, own: { space, actor: actorOf(userId), origin: ORIGIN } };
  }

  /** As the services know who shares. */
  get owner() {
    const { id: spaceId, ownerId: userId } = this.#space;
    return { userId, spaceId, actor: actorOf(userId), origin: ORIGIN };
  }

  async role(person: Person, kind: 'file' | 'folder', id: string): Promise<ModelRole> {
    const { access } = this.process;
    const user = this.user(person);
    try {
      const grant =
        kind === 'file' ? await access.resolveFile(user, id, 'view') : await access.resolveFolder(user, id, 'view');
      return grant.role;
    } catch (error) {
      if (error instanceof AppError && error.code === NOT_FOUND[kind]) return 'none';
      throw error;
    }
  }

  /** Ids of the folders by their paths. */
  async folderIds(): Promise<Map<string, string>> {
    const where = { spaceId: this.#space.id };
    return new Map((await this.process.database.prisma.folder.findMany({ where })).map(({ path, id }) => [path, id]));
  }

  /** What the owner is told to share. */
  async shares() {
    const { entries } = await this.process.shares.list(this.#space.ownerId, undefined, ALL);
    return entries.map(({ id, path, permission }) => ({ id, path, permission }));
  }

  async drops() {
    const filter = { ...ALL, fileId: undefined, folderId: undefined };
    const { entries } = await this.process.links.list(this.#space.ownerId, filter);
    return entries.map(({ id, folderId, uploadedFiles }) => ({ id, folderId, uploadedFiles }));
  }

  /** The file that somebody made of whom only the owner hears: the one that is not known. */
  async newFile(known: ReadonlySet<string>): Promise<{ id: string; path: string }> {
    const where = { spaceId: this.#space.id, deletedAt: null, id: { notIn: [...known] } };
    return this.process.database.prisma.file.findFirstOrThrow({ where, select: { id: true, path: true } });
  }

  /** Everything becomes an hour older. */
  async passHour(): Promise<void> {
    for (const statement of AGE) await this.process.database.query(statement, [this.#space.id]);
  }

  /** As the job does, for this drive. */
  async expire(): Promise<void> {
    await this.process.database.query(EXPIRE, [this.#space.id]);
  }

  #idOf(person: Person): string {
    return person === 'owner' ? this.#space.ownerId : this.#people[person].id;
  }
}

export const NOT_FOUND = { file: 'FILE_NOT_FOUND', folder: 'FOLDER_NOT_FOUND' } as const;

export function addressesOf(name: string) {
  return { email: `${name}@example.com`, username: name };
}

/** When it ends in so many hours. */
export function endIn(hours: number | null): Date | null {
  // Half an hour aside, so that how long the test runs does not matter.
  return hours === null ? null : new Date(Date.now() + (hours - 0.5) * HOUR_MS);
}

/** What somebody sends. */
export function bodyOf(bytes: Buffer) {
  return {
    contentType: undefined,
    body: Readable.from([bytes], { objectMode: false }),
    announcedBytes: bytes.length,
  };
}

function actorOf(userId: string) {
  return { type: 'user', id: userId, accessKeyId: null } as const;
}
