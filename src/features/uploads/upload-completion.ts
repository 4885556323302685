import { AppError } from '../../errors/app-error.ts';
import { derivedId, isId } from '../../platform/crypto/random.ts';
import type { JobRecord, JobState } from '../../platform/queue/job-record.ts';
import type { SpaceCounters } from '../access/index.ts';
import { CONTENT_JOBS, type IngestedFile, type SessionIngestService } from '../ingest/index.ts';
import type { SpaceScope } from '../ledger/index.ts';
import type { StorageService, StoredFile } from '../storage/index.ts';
import { uploadEnded } from './upload-faults.ts';
import type { UploadSessionRepository } from './upload-session.repository.ts';
import type { UploadSession } from './upload-session.ts';

/** What is done with a new content. */
export interface UploadJob {
  readonly id: string;
  readonly name: string;
  readonly state: JobState;
}

export interface CompletedUpload {
  readonly file: IngestedFile | StoredFile;
  readonly job: UploadJob | null;
  /** Right after it became a file; null where that was before. */
  readonly counters: SpaceCounters | null;
}

export interface UploadCompletionDependencies {
  readonly sessions: UploadSessionRepository;
  readonly ingest: SessionIngestService;
  readonly storage: StorageService;
  readonly findJob: (id: string) => Promise<Pick<JobRecord, 'state'> | null>;
}

export interface CompletionSteps {
  /** Refuses what is not open or comes another way; whatever has to happen in the store before it is verified. */
  readonly gather: (session: UploadSession) => Promise<void>;
  /** Whether the caller still may, asked before it becomes a file. */
  readonly confirm: () => Promise<unknown>;
}

/** The end of every upload by signed URLs: a file, once, however often and from wherever it is asked for. */
export class UploadCompletion {
  readonly #deps: UploadCompletionDependencies;
  /** Of this process, one at a time; those of others meet in the ledger. */
  readonly #underWay = new Map<string, Promise<unknown>>();

  constructor(deps: UploadCompletionDependencies) {
    this.#deps = deps;
  }

  /** Errors: UPLOAD_NOT_FOUND. */
  async find(spaceId: string, uploadId: string): Promise<UploadSession> {
    const session = isId(uploadId) ? await this.#deps.sessions.find(spaceId, uploadId) : null;
    if (!session) throw new AppError('UPLOAD_NOT_FOUND');
    return session;
  }

  /**
   * Makes a file of an open upload, or answers the file that a completed one has become. Who asks while that is under way
   * waits for it, and is answered for itself: by that file, or by its own try.
   * Errors: UPLOAD_NOT_FOUND, CONFLICT (it has ended), FILE_NOT_FOUND (deleted since), and those of
   * `SessionIngestService.finish`.
   */
  async complete(scope: SpaceScope, uploadId: string, steps: CompletionSteps): Promise<CompletedUpload> {
    let session = await this.find(scope.space.id, uploadId);
    if (session.state !== 'OPEN') return this.#ended(session);
    for (;;) {
      const running = this.#underWay.get(session.id);
      if (!running) break;
      // Its parts may have been others, and its failure its own.
      await running.catch(() => {});
      session = await this.find(scope.space.id, uploadId);
      if (session.state !== 'OPEN') return this.#endedMeanwhile(session, steps);
    }
    const work = this.#run(scope, session, steps).finally(() => this.#underWay.delete(session.id));
    this.#underWay.set(session.id, work);
    return work;
  }

  async #run(scope: SpaceScope, session: UploadSession, steps: CompletionSteps): Promise<CompletedUpload> {
    const { ingest } = this.#deps;
    const { gather, confirm } = steps;
    try {
      await gather(session);
      const upload = {
        ...session,
        promisedSha256: session.sha256,
        // Of a staging key it may be of another PUT than the copy.
        seenSha256: session.staged ? null : await this.#receivedSha256(session),
      };
      const file = await ingest.finish(scope, upload, { confirm });
      const [job] = file.jobs;
      return { file, job: job ? { ...job, state: 'waiting' } : null, counters: file.counters };
    } catch (error) {
      // Completed or ended by somebody else meanwhile: that is what is to be told.
      const now = await this.find(session.spaceId, session.id);
      if (now.state === 'COMPLETED' || (now.state === 'ENDED' && isLeaseLost(error))) {
        return this.#endedMeanwhile(now, steps);
      }
      throw error;
    }
  }

  /** The PUT may have come since the session was read. */
  async #receivedSha256({ spaceId, id }: UploadSession): Promise<string | null> {
    return (await this.find(spaceId, id)).receivedSha256;
  }

  /** By somebody else: whether this caller still may has not been asked yet. */
  async #endedMeanwhile(session: UploadSession, { confirm }: CompletionSteps): Promise<CompletedUpload> {
    await confirm();
    return this.#ended(session);
  }

  async #ended({ id, spaceId, fileId, state }: UploadSession): Promise<CompletedUpload> {
    if (state !== 'COMPLETED' || fileId === null) throw uploadEnded();
    const file = await this.#deps.storage.getFile(spaceId, { id: fileId });
    return { file, job: await this.#jobOf(id), counters: null };
  }

  async #jobOf(uploadId: string): Promise<UploadJob | null> {
    const { sessions, findJob } = this.#deps;
    for (const { name } of CONTENT_JOBS) {
      const id = derivedId(uploadId, name);
      if (await sessions.hasJobInOutbox(id)) return { id, name, state: 'waiting' };
      const job = await findJob(id);
      if (job) return { id, name, state: job.state };
    }
    return null;
  }
}

function isLeaseLost(error: unknown): boolean {
  return error instanceof AppError && error.code === 'DEPENDENCY_UNAVAILABLE';
}
