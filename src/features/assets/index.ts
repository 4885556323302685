export { assetRoutes } from './asset.router.ts';
export { AssetService } from './asset.service.ts';
export { registerMediaJobs, sweepMediaJob } from './media.jobs.ts';
export { MediaRepository } from './media.repository.ts';
export { MediaService } from './media.service.ts';
export { MediaSweepService } from './media-sweep.service.ts';
export { thumbnailRoutes } from './thumbnail.router.ts';
export { ThumbnailLinker } from './thumbnail-links.ts';
