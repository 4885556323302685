import { authCases, userCases } from './accounts.ts';
import { adminCases } from './admin.ts';
import { apiKeyCases } from './api-keys.ts';
import { assetCases } from './assets.ts';
import { directUploadCases } from './direct-uploads.ts';
import { driveCases } from './drive.ts';
import { jobCases } from './jobs.ts';
import { linkCases } from './links.ts';
import type { RouteCases } from './route-case.ts';
import { shareCases } from './sharing.ts';
import { storageCases } from './storage.ts';
import { storageChangeCases } from './storage-changes.ts';
import { systemCases } from './system.ts';
import { uploadCases } from './uploads.ts';
import { usageCases } from './usage.ts';

/** How to call each route rightly, by operation id. */
export const routeCases: RouteCases = {
  ...systemCases,
  ...authCases,
  ...userCases,
  ...apiKeyCases,
  ...adminCases,
  ...jobCases,
  ...storageCases,
  ...directUploadCases,
  ...assetCases,
  ...shareCases,
  ...driveCases,
  ...storageChangeCases,
  ...linkCases,
  ...usageCases,
  ...uploadCases,
};
