import { join } from 'node:path';
import {
  AssetService,
  assetRoutes,
  type MediaRepository,
  MediaService,
  MediaSweepService,
  registerMediaJobs,
  ThumbnailLinker,
  type ThumbnailService,
  thumbnailRoutes,
} from '../features/assets/index.ts';
import { processMediaJob } from '../features/ingest/index.ts';
import { TombstoneRepository } from '../features/ledger/index.ts';
import type { ReadingService, SpaceService, StorageService } from '../features/storage/index.ts';
import { MediaWorker } from '../platform/media/media-worker.ts';
import type { JobBoard } from '../platform/queue/job-board.ts';
import type { Basis } from './basis.ts';

export interface AssetsInput {
  readonly storage: StorageService;
  readonly reading: ReadingService;
  readonly spaces: SpaceService;
  readonly board: JobBoard;
  readonly media: MediaRepository;
  readonly thumbnails: ThumbnailService;
}

/** Files by id with what is made of their contents, and the worker that makes it: nothing of that runs until a job comes. */
export function composeAssets(basis: Basis, { storage, reading, spaces, board, media, thumbnails }: AssetsInput) {
  const { config, database, store, clock, log, queue, uow, audit } = basis;
  const worker = new MediaWorker({ log, temporaryDirectory: join(config.dataDirectory, 'media') });
  const tombstones = new TombstoneRepository(database);
  const sweeps = new MediaSweepService({
    uow,
    media,
    queue,
    oldestWaitingSeconds: async () =>
      (await board.counts()).find((counts) => counts.queue === processMediaJob.name)?.oldestWaitingSeconds ?? null,
    log,
  });
  registerMediaJobs(queue, new MediaService({ media, tombstones, store, worker }), sweeps);
  const links = new ThumbnailLinker({ store, clock });
  const assets = new AssetService({ uow, storage, media, links, queue, audit });
  return {
    worker,
    sweeps,
    routes: [...assetRoutes({ assets, reading, spaces, clock }), ...thumbnailRoutes(assets, thumbnails)],
  };
}
