export { ANNOUNCED_SLACK_BYTES, readHead } from './body-head.ts';
export { CONTENT_JOBS, checkContentJob, processMediaJob } from './content.jobs.ts';
export { ContentPolicy } from './content-policy.ts';
export { ContentProcessing } from './content-processing.ts';
export { CATEGORIES } from './content-type.ts';
export { FileCommitter, type IngestedFile, namedAs } from './file-committer.ts';
export {
  checkedPath,
  extensionOf,
  fileNameFault,
  lastSegment,
  normalizeFileName,
  splitForNumber,
} from './file-name.ts';
export { IngestService, type StagedFile } from './ingest.service.ts';
export { QuotaRefusals } from './quota-refusals.ts';
export { readableKey } from './readable.ts';
export { SessionIngestService } from './session-ingest.service.ts';
