import { defineJob } from '../../platform/queue/job.ts';
import type { ContentJobPayload } from '../ledger/index.ts';

/** Five tries within some minutes; a file waits for it. */
const CONTENT = { retryLimit: 4, retryDelaySeconds: 5, retryDelayMaxSeconds: 300 };

/** Reads a new content once: for viruses where a scanner is configured, for its SHA-256 where nobody has read it yet. */
export const checkContentJob = defineJob<ContentJobPayload>('content.check', {
  ...CONTENT,
  expireInSeconds: 6 * 3600,
  // With a scanner there is one for each upload, and statistics count all that are kept.
  keepSeconds: 3600,
});
/** Makes thumbnails and reads metadata of a content that may be read. */
export const processMediaJob = defineJob<ContentJobPayload>('media.process', { ...CONTENT, expireInSeconds: 300 });

/** What commits put into the outbox. */
export const CONTENT_JOBS = [checkContentJob, processMediaJob];
