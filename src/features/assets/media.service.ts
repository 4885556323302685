import { newId } from '../../platform/crypto/random.ts';
import { MediaRefusedError } from '../../platform/media/errors.ts';
import { type MediaKind, mediaKindOf } from '../../platform/media/media-kinds.ts';
import { searchTextOf } from '../../platform/media/media-metadata.ts';
import type { MediaResult, MediaWorker } from '../../platform/media/media-worker.ts';
import type { ThumbnailSize } from '../../platform/media/thumbnail-sizes.ts';
import type { ObjectStore } from '../../platform/object-store/object-store.ts';
import { FinalJobError } from '../../platform/queue/final-job-error.ts';
import type { JobAttempt } from '../../platform/queue/job-queue.ts';
import { processMediaJob } from '../ingest/index.ts';
import type { ContentJobPayload, TombstoneRepository } from '../ledger/index.ts';
import type { MediaSource, StoredThumbnail } from './asset.ts';
import type { MediaRepository } from './media.repository.ts';

const WEBP = 'image/webp';
/** Thumbnails that are not named by then are removed; a put that takes longer than half of it has failed. */
const INTENT_SECONDS = 600;
/** Their fault is not the file's: it is whole, only nothing can be made of it here. */
const NOT_FOR_HERE = new Set(['unsupported', 'too_large']);

export interface MediaDependencies {
  readonly media: MediaRepository;
  readonly tombstones: TombstoneRepository;
  readonly store: ObjectStore;
  readonly worker: MediaWorker;
}

/** Makes thumbnails and metadata of contents, beside the space's objects and not counted on its quota. */
export class MediaService {
  readonly #deps: MediaDependencies;

  constructor(deps: MediaDependencies) {
    this.#deps = deps;
  }

  /**
   * Reads one content and notes what came of it. Runs any number of times, also at once: one run's thumbnails stay, those of
   * others are buried. Throws `FinalJobError` where the file itself is at fault (a bomb, broken); anything else is tried again,
   * and given up with the job.
   */
  async process(job: ContentJobPayload, attempt: JobAttempt): Promise<void> {
    const source = await this.#deps.media.findSource(job);
    // What is still to be scanned gets another job when it is clean.
    if (source === null || source.state === 'DONE' || source.status !== 'READY') return;
    const kind = mediaKindOf(source.contentType);
    if (kind === null)
      return this.#deps.media.noteEnded(job, { state: 'SKIPPED', error: 'nothing is made of files of this type' });
    try {
      const result = await this.#read(job, source, { kind, signal: attempt.signal });
      await this.#keep(job, source.prefix, { result, signal: attempt.signal });
    } catch (error) {
      await this.#failed(job, error, attempt);
    }
  }

  #read(
    { objectKey }: ContentJobPayload,
    { contentType, sizeBytes }: MediaSource,
    { kind, signal }: { readonly kind: MediaKind; readonly signal: AbortSignal },
  ): Promise<MediaResult> {
    const open = async (stop: AbortSignal) => (await this.#deps.store.get(objectKey, { signal: stop })).body;
    return this.#deps.worker.process({ kind, contentType, sizeBytes, open }, signal);
  }

  /**
   * Tombstones stand before the objects and go with the statement that names them. When that fails nobody knows whether it
   * did: then they are left as they are, there or gone.
   */
  async #keep(
    job: ContentJobPayload,
    prefix: string,
    { result, signal }: { readonly result: MediaResult; readonly signal: AbortSignal },
  ): Promise<void> {
    const { media, tombstones, store } = this.#deps;
    const inTime = AbortSignal.any([signal, AbortSignal.timeout(INTENT_SECONDS * 500)]);
    const thumbnails: { [size in ThumbnailSize]?: StoredThumbnail } = {};
    for (const { size, width, height, webp } of result.thumbnails) {
      const key = `${prefix}${newId()}`;
      await tombstones.intend(key, INTENT_SECONDS);
      await store.put(key, webp, { contentType: WEBP, sizeBytes: webp.length, signal: inTime });
      thumbnails[size] = { key, width, height, sizeBytes: webp.length };
    }
    const { metadata } = result;
    if (await media.noteDone(job, { metadata, searchText: searchTextOf(metadata), thumbnails })) return;
    await Promise.all(Object.values(thumbnails).map(({ key }) => tombstones.intend(key, 0)));
  }

  async #failed(job: ContentJobPayload, error: unknown, { retryCount, signal }: JobAttempt): Promise<void> {
    const { media } = this.#deps;
    if (error instanceof MediaRefusedError) {
      if (NOT_FOR_HERE.has(error.code)) return media.noteEnded(job, { state: 'SKIPPED', error: error.reason });
      await media.noteEnded(job, { state: 'FAILED', error: error.reason, isFinal: true });
      throw new FinalJobError(error.code, error.reason, { cause: error });
    }
    // Removed while it was read: that was not the content's fault, and nobody asks any more.
    if ((await media.findSource(job)) === null) return;
    if (retryCount >= processMediaJob.retryLimit && !signal.aborted) {
      const reason = 'the file could not be processed; ask for it again later';
      await media.noteEnded(job, { state: 'FAILED', error: reason });
    }
    throw error;
  }
}
