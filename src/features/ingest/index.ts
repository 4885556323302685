export { ANNOUNCED_SLACK_BYTES, readHead } from './body-head.ts';
export { ContentPolicy } from './content-policy.ts';
export { CATEGORIES } from './content-type.ts';
export {
  checkedPath,
  extensionOf,
  fileNameFault,
  lastSegment,
  normalizeFileName,
  splitForNumber,
} from './file-name.ts';
export { type IngestedFile, IngestService, namedAs, type StagedFile } from './ingest.service.ts';
export { QuotaRefusals } from './quota-refusals.ts';
