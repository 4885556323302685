import { cutPageById, type Page, type PageRequest } from '../../platform/keyset.ts';
import { MultipartNotFoundError } from '../../platform/object-store/errors.ts';
import type { ObjectStore } from '../../platform/object-store/object-store.ts';
import type { LedgerService, SpaceScope } from '../ledger/index.ts';
import type { UploadCompletion } from './upload-completion.ts';
import type { EndedSession, UploadSessionRepository } from './upload-session.repository.ts';
import type { SessionState, UploadSession } from './upload-session.ts';

/** Ended uploads are remembered so long behind their end: a PUT that began by a URL just before that is over by then. */
const REMEMBERED_SECONDS = 24 * 3600;
const PURGE_BATCH = 1000;

export interface UploadDependencies {
  readonly ledger: LedgerService;
  readonly sessions: UploadSessionRepository;
  readonly completion: UploadCompletion;
  readonly store: ObjectStore;
}

/** Uploads of all kinds as their owner sees them: listed, looked at, given up. */
export class UploadService {
  readonly #deps: UploadDependencies;

  constructor(deps: UploadDependencies) {
    this.#deps = deps;
  }

  /** Newest first, those that ended within the last day too. */
  async list(
    spaceId: string,
    { state, limit, cursor }: PageRequest & { readonly state: SessionState | undefined },
  ): Promise<Page<UploadSession>> {
    return cutPageById(await this.#deps.sessions.list(spaceId, { state, cursor, limit: limit + 1 }), limit);
  }

  /** With the bytes that have come, as far as that is cheaply known. Errors: UPLOAD_NOT_FOUND. */
  async get(
    spaceId: string,
    id: string,
  ): Promise<{ readonly session: UploadSession; readonly receivedBytes: number | null }> {
    const session = await this.#deps.completion.find(spaceId, id);
    return { session, receivedBytes: await this.#receivedBytes(session) };
  }

  /**
   * Gives an open upload up, with its room and whatever was stored; one that has ended stays so. A PUT by a URL that was
   * signed before may land still, and is removed. Errors: UPLOAD_NOT_FOUND, CONFLICT (completed).
   */
  async abort(scope: SpaceScope, id: string): Promise<UploadSession> {
    const { ledger, completion } = this.#deps;
    await completion.find(scope.space.id, id);
    await ledger.abortSession(scope, id);
    return completion.find(scope.space.id, id);
  }

  /**
   * The job that forgets what ended long ago and removes what used URLs have left since, and what PUTs that were cut short
   * have left besides; answers how many. Those whose store resists are found again by the next sweep.
   */
  async purge(signal: AbortSignal): Promise<number> {
    const { sessions, store } = this.#deps;
    let purged = 0;
    let after: EndedSession | undefined;
    while (!signal.aborted) {
      const ended = await sessions.listEnded(REMEMBERED_SECONDS, { after, limit: PURGE_BATCH });
      if (ended.length === 0) break;
      // Before they are forgotten: of a key that a file names nothing else would look for it again.
      const outcomes = await store.discardTemporary(ended.map(({ objectKey }) => objectKey));
      purged += await sessions.purge(ended.filter((_, index) => outcomes[index]?.deleted).map(({ id }) => id));
      after = ended.at(-1);
    }
    return purged;
  }

  async #receivedBytes({ state, kind, sizeBytes, objectKey, storeUploadId }: UploadSession): Promise<number | null> {
    const { store } = this.#deps;
    if (state !== 'OPEN') return state === 'COMPLETED' ? sizeBytes : null;
    // HEAD of tus tells: only it knows what is durable.
    if (kind === 'tus') return null;
    if (kind === 'multipart' && storeUploadId === null) return 0;
    if (storeUploadId !== null) {
      try {
        const parts = await store.listParts(objectKey, storeUploadId);
        return parts.reduce((sum, part) => sum + part.sizeBytes, 0);
      } catch (error) {
        // Joined just now.
        if (!(error instanceof MultipartNotFoundError)) throw error;
      }
    }
    return (await store.head(objectKey))?.sizeBytes ?? 0;
  }
}
