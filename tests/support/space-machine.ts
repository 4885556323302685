import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { AppError } from '../../src/errors/app-error.ts';
import { AuditLogRepository, AuditRecorder, SYSTEM_ACTOR, SYSTEM_ORIGIN } from '../../src/features/audit/index.ts';
import {
  ContentPolicy,
  ContentProcessing,
  FileCommitter,
  IngestService,
  QuotaRefusals,
  type StagedFile,
  splitForNumber,
} from '../../src/features/ingest/index.ts';
import {
  type ConflictPolicy,
  FileLedgerRepository,
  FolderLedgerRepository,
  LedgerRepository,
  LedgerService,
  ReservationRepository,
  TombstoneRepository,
  TombstoneService,
} from '../../src/features/ledger/index.ts';
import {
  FileListingRepository,
  FileRepository,
  OperationRepository,
  OperationService,
  StorageService,
} from '../../src/features/storage/index.ts';
import { systemClock } from '../../src/platform/clock/clock.ts';
import { newId } from '../../src/platform/crypto/random.ts';
import { Database } from '../../src/platform/db/database.ts';
import { UnitOfWork } from '../../src/platform/db/unit-of-work.ts';
import { silentLogger } from '../../src/platform/logging/logger.ts';
import { ByteBudget } from '../../src/platform/object-store/byte-budget.ts';
import type { ObjectStore } from '../../src/platform/object-store/object-store.ts';
import { OutboxRelay } from '../../src/platform/queue/outbox-relay.ts';
import type { Answer, Content } from './space-model.ts';
import { namedObjects, type TestSpace } from './spaces.ts';

const AUDIT = { actor: SYSTEM_ACTOR, origin: SYSTEM_ORIGIN } as const;
const DRIVE_TRASH_DAYS = 30;

/** A file as rows tell it, its versions newest first. */
export interface FileRowView {
  readonly id: string;
  readonly path: string;
  readonly content: Content;
  readonly tags: readonly string[];
  readonly versions: readonly (Content & { readonly id: string })[];
}

const FILES = {
  name: 'test_space_files',
  text: `SELECT f.id, f.path, f.size_bytes, f.sha256, f.tags, f.deleted_at IS NOT NULL AS trashed, coalesce((
      SELECT jsonb_agg(jsonb_build_object('id', v.id, 'sizeBytes', v.size_bytes, 'sha256', v.sha256) ORDER BY v.id DESC)
      FROM file_versions v WHERE v.file_id = f.id), '[]') AS versions
    FROM files f WHERE f.space_id = $1 ORDER BY f.path, f.id`,
};
const BURIED = {
  name: 'test_space_buried',
  text: `SELECT count(*) AS n FROM object_tombstones WHERE starts_with(object_key, $1)`,
};
const DUE = {
  name: 'test_space_due',
  text: 'UPDATE object_tombstones SET due_at = now() WHERE starts_with(object_key, $1) AND attempts = 0',
};
const BELOW = {
  name: 'test_space_below',
  text: `SELECT id FROM files WHERE space_id = $1 AND deleted_at IS NULL AND path >= $2 || '/' AND path < $2 || '0'
    AND uploaded_at <= $3::text::timestamptz(3) ORDER BY path LIMIT $4`,
};
const CLOSE = { name: 'test_reservation_close', text: 'SELECT ledger_reservation_close($1)' };

const NO_QUEUE = { enqueue: tooLarge, enqueueMany: tooLarge, enqueueAs: tooLarge };

/** The services of one process, as `composition/files.ts` puts them together, without HTTP. */
export class SpaceProcess {
  readonly database: Database;
  readonly store: ObjectStore;
  readonly ledger: LedgerService;
  readonly ingest: IngestService;
  readonly storage: StorageService;
  readonly fileLedger: FileLedgerRepository;
  readonly folders: FolderLedgerRepository;
  readonly tombstones: TombstoneService;
  readonly reservations: ReservationRepository;
  readonly uow: UnitOfWork;
  readonly policy: ContentPolicy;

  constructor(url: string, store: ObjectStore) {
    const log = silentLogger();
    const database = new Database({ url, maxConnections: 12, log });
    this.reservations = new ReservationRepository(database);
    const recorder = new AuditRecorder(new AuditLogRepository(database));
    this.database = database;
    this.uow = new UnitOfWork(database);
    this.store = store;
    this.ledger = new LedgerService({ repository: new LedgerRepository(database), log });
    const policy = new ContentPolicy({
      maxFileBytes: Number.MAX_SAFE_INTEGER,
      allowedTypes: [],
      blockedExtensions: [],
    });
    this.policy = policy;
    const outbox = new OutboxRelay({ uow: this.uow, queue: NO_QUEUE, jobs: [], log });
    const processing = new ContentProcessing({ scans: false, makesMedia: () => false, outbox });
    this.ingest = new IngestService({
      ledger: this.ledger,
      committer: new FileCommitter(this.ledger, processing),
      store,
      budget: new ByteBudget(16 * 1024 * 1024),
      policy,
      refusals: new QuotaRefusals(recorder, systemClock),
      log,
    });
    this.fileLedger = new FileLedgerRepository(database, { driveTrashDays: DRIVE_TRASH_DAYS });
    this.folders = new FolderLedgerRepository(database, { driveTrashDays: DRIVE_TRASH_DAYS });
    this.storage = new StorageService({
      uow: this.uow,
      files: new FileRepository(database),
      listing: new FileListingRepository(database),
      fileLedger: this.fileLedger,
      ingest: this.ingest,
      policy,
      assertReservation: (spaceId, id) => this.ledger.assertReservation(spaceId, id),
      operations: new OperationService({
        uow: this.uow,
        operations: new OperationRepository(database),
        fileLedger: this.fileLedger,
        folderLedger: this.folders,
        queue: NO_QUEUE,
        clock: systemClock,
      }),
    });
    this.tombstones = new TombstoneService({ repository: new TombstoneRepository(database), store, log });
  }

  async close(): Promise<void> {
    this.ledger.stop();
    await this.database.close();
  }
}

/** One real space, by the services of one process. Its methods answer codes; what is no refusal is thrown. */
export class SpaceMachine {
  readonly process: SpaceProcess;
  readonly space: TestSpace;
  readonly #scope: { readonly space: TestSpace } & typeof AUDIT;

  constructor(process: SpaceProcess, space: TestSpace) {
    this.process = process;
    this.space = space;
    this.#scope = { space, ...AUDIT };
  }

  async stage(
    path: string,
    bytes: Buffer,
    {
      conflict,
      tags,
      reservationId,
    }: { conflict: ConflictPolicy; tags: readonly string[] | null; reservationId?: string | undefined },
  ): Promise<StagedFile | string> {
    let staged: StagedFile | undefined;
    const { code } = await answerOf(async () => {
      staged = await this.process.ingest.stage({
        scope: this.#scope,
        fileName: path,
        contentType: undefined,
        conflict,
        tags,
        reservationId,
        body: Readable.from([bytes], { objectMode: false }),
        announcedBytes: bytes.length,
      });
    });
    return staged ?? code;
  }

  commit(staged: StagedFile): Promise<Answer> {
    return answerOf(() => staged.commit());
  }

  copy(from: string, to: string, conflict: ConflictPolicy): Promise<Answer> {
    return answerOf(() => this.process.storage.copy(this.#scope, { path: from }, { to, conflict }));
  }

  change(
    path: string,
    change: { fileName?: string | undefined; conflict: ConflictPolicy; tags?: readonly string[] | undefined },
  ): Promise<Answer> {
    return answerOf(() => this.process.storage.change(this.#scope, { path }, change));
  }

  delete(path: string): Promise<Answer> {
    return answerOf(() => this.process.storage.delete(this.#scope, { path }));
  }

  async deleteMany(paths: readonly string[]): Promise<string[]> {
    const { deleted } = await this.process.storage.deleteMany(this.#scope, paths);
    return deleted.map(({ path }) => path);
  }

  async deletePrefix(prefix: string): Promise<string[]> {
    const outcome = await this.process.storage.deletePrefix(this.#scope, prefix);
    if ('jobId' in outcome) throw new Error('a job');
    return outcome.deletion.deleted.map(({ path }) => path);
  }

  async restore({ id, path }: { id: string; path: string }, conflict: ConflictPolicy): Promise<Answer> {
    const item = { id, path, conflict, ...splitForNumber(path) };
    const [answer] = await this.process.fileLedger.restore(this.space.id, [item], AUDIT);
    if (!answer) throw new Error('no answer');
    return answer.outcome === 'restored' ? { code: 'ok', path: answer.path } : { code: answer.outcome };
  }

  async purge(ids: readonly string[]): Promise<number> {
    return (await this.process.fileLedger.purge(this.space.id, { ids }, { limit: 1000, ...AUDIT })).length;
  }

  async emptyTrash(): Promise<number> {
    const all = { deletedUpTo: new Date(Date.now() + 60_000).toISOString() };
    return (await this.process.fileLedger.purge(this.space.id, all, { limit: 1000, ...AUDIT })).length;
  }

  async restoreVersion(fileId: string, versionId: string): Promise<string> {
    const outcome = await this.process.fileLedger.restoreVersion(this.space.id, { fileId, versionId }, AUDIT);
    return outcome === 'restored' ? 'ok' : outcome;
  }

  async deleteVersion(fileId: string, versionId: string): Promise<string> {
    const freed = await this.process.fileLedger.deleteVersion(this.space.id, { fileId, versionId }, AUDIT);
    return freed === null ? 'gone' : 'ok';
  }

  async set(settings: {
    trashDays?: number | null;
    versionsKept?: number;
    quotaBytes?: bigint;
    quotaObjects?: bigint;
  }) {
    await this.process.database.prisma.space.update({ where: { id: this.space.id }, data: settings });
  }

  async makeFolder(path: string): Promise<string> {
    const { uow, folders } = this.process;
    return (await uow.run((tx) => folders.make(tx, this.space.id, { path, parentId: null, ...AUDIT }))).outcome;
  }

  /** With more than `limit` files below, in steps of that many to the end. */
  async moveFolder(from: string, to: string, limit: number): Promise<string> {
    const { uow, folders } = this.process;
    const operationId = newId();
    const folder = { id: await this.folderId(from), path: from };
    const move = { folder, to: { path: to, parentId: null }, limit, operationId, ...AUDIT };
    const { outcome } = await uow.run((tx) => folders.move(tx, this.space.id, move));
    if (outcome !== 'begun') return outcome;
    const before = await this.operationTime(operationId);
    for (let steps = 0; (await folders.moveStep(this.space.id, { from, to, before, limit })) > 0; steps += 1) {
      if (steps > 1000) throw new Error('the move has no end');
    }
    await this.#endOperation(operationId);
    return outcome;
  }

  async deleteFolder(path: string, limit: number): Promise<string> {
    const { uow, folders } = this.process;
    const operationId = newId();
    const folder = { id: await this.folderId(path), path };
    const { outcome } = await uow.run((tx) =>
      folders.delete(tx, this.space.id, { folder, limit, operationId, ...AUDIT }),
    );
    if (outcome !== 'begun') return outcome;
    await this.deleteBelow(path, await this.operationTime(operationId), limit);
    await this.#endOperation(operationId);
    return outcome;
  }

  /** As the job of a large deletion does, `limit` at a time; answers how many files went. */
  async deleteBelow(folder: string, before: string, limit: number): Promise<number> {
    const { database, fileLedger } = this.process;
    for (let count = 0; ; ) {
      const files = await database.query<{ id: string }>(BELOW, [this.space.id, folder, before, limit]);
      if (files.length === 0) return count;
      count += (await fileLedger.delete(this.space.id, files, AUDIT)).length;
    }
  }

  async openReservation(id: string, bytes: number, objects: number, expiresAt: Date | null = null): Promise<boolean> {
    const { uow, reservations } = this.process;
    return uow.run((tx) => reservations.open(tx, this.space.id, { id, bytes, objects, expiresAt }));
  }

  async closeReservation(id: string): Promise<void> {
    await this.process.database.query(CLOSE, [id]);
  }

  async folderId(path: string): Promise<string> {
    const where = { spaceId: this.space.id, path };
    return (await this.process.database.prisma.folder.findFirst({ where }))?.id ?? newId();
  }

  /** Living files as the service lists them. */
  async list() {
    const query = { prefix: '', delimited: false, sort: 'name', order: 'asc', limit: 200 } as const;
    const { files } = await this.process.storage.list(this.space.id, query);
    return files.map(({ id, path, sizeBytes, sha256, tags }) => ({ id, path, content: { sizeBytes, sha256 }, tags }));
  }

  /** Everything, as the rows have it. */
  async rows(): Promise<{ living: FileRowView[]; trash: FileRowView[]; folders: string[] }> {
    const rows = await this.process.database.query<{
      id: string;
      path: string;
      size_bytes: number;
      sha256: string;
      tags: string[];
      trashed: boolean;
      versions: (Content & { id: string })[];
    }>(FILES, [this.space.id]);
    const view = (trashed: boolean) =>
      rows
        .filter((row) => row.trashed === trashed)
        .map(({ id, path, size_bytes: sizeBytes, sha256, tags, versions }) => ({
          id,
          path,
          content: { sizeBytes, sha256 },
          tags,
          versions,
        }));
    const folders = await this.process.database.prisma.folder.findMany({ where: { spaceId: this.space.id } });
    return { living: view(false), trash: view(true), folders: folders.map(({ path }) => path).sort() };
  }

  /** Purges what is buried; answers what rows and store then differ in, object by object, bytes included. */
  async differingObjects(): Promise<string[]> {
    const { database, store, tombstones } = this.process;
    await database.query(DUE, [this.space.prefix]);
    for (;;) {
      const [buried] = await database.query<{ n: number }>(BURIED, [this.space.prefix]);
      if (buried?.n === 0) break;
      // Others may be at it as well.
      await tombstones.purge();
    }
    const rows = await namedObjects(database, this.space.id);
    const named = new Map(rows.map((row) => [row.object_key, row]));
    const differing: string[] = [];
    for await (const { key, sizeBytes } of store.list(this.space.prefix)) {
      const row = named.get(key);
      named.delete(key);
      if (!row) differing.push(`${key} is named by nothing`);
      else if (row.size_bytes !== sizeBytes) differing.push(`${key} has ${sizeBytes} bytes, not ${row.size_bytes}`);
      else if (row.sha256 !== null && (await this.#sha256(key)) !== row.sha256)
        differing.push(`${key} has other bytes`);
    }
    return [...differing, ...Array.from(named.keys(), (key) => `${key} is not there`)];
  }

  async #sha256(key: string): Promise<string> {
    const { body } = await this.process.store.get(key);
    const hash = createHash('sha256');
    for await (const chunk of body) hash.update(chunk);
    return hash.digest('hex');
  }

  /** Up to when what it is about has come, as PostgreSQL wrote it. */
  async operationTime(id: string): Promise<string> {
    const { params } = await this.process.database.prisma.operation.findUniqueOrThrow({ where: { id } });
    return (params as { before: string }).before;
  }

  async #endOperation(id: string): Promise<void> {
    await this.process.database.prisma.operation.update({
      where: { id },
      data: { state: 'DONE', finishedAt: new Date() },
    });
  }
}

async function tooLarge(): Promise<never> {
  throw new Error('nothing here is large enough for a job');
}

/** How it ended; what is no refusal is thrown. */
export async function answerOf(work: () => Promise<{ id: string; path: string } | unknown>): Promise<Answer> {
  try {
    const file = await work();
    if (typeof file !== 'object' || file === null || !('id' in file) || !('path' in file)) return { code: 'ok' };
    return { code: 'ok', id: String(file.id), path: String(file.path) };
  } catch (error) {
    if (error instanceof AppError) return { code: error.code };
    throw error;
  }
}
