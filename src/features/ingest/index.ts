export { ANNOUNCED_SLACK_BYTES, readHead } from './body-head.ts';
export { CATEGORIES } from './content-type.ts';
export { fileNameFault, normalizeFileName } from './file-name.ts';
export { type IngestedFile, IngestService, type StagedFile } from './ingest.service.ts';
export { QuotaRefusals } from './quota-refusals.ts';
