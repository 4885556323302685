export { ANNOUNCED_SLACK_BYTES, readHead } from './body-head.ts';
export { CATEGORIES } from './content-type.ts';
export { extensionOf, fileNameFault, lastSegment, normalizeFileName, splitForNumber } from './file-name.ts';
export { checkedName, type IngestedFile, IngestService, namedAs, type StagedFile } from './ingest.service.ts';
export { QuotaRefusals } from './quota-refusals.ts';
