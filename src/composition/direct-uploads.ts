import { ReservationRepository } from '../features/ledger/index.ts';
import {
  MultipartService,
  multipartRoutes,
  PresignService,
  presignRoutes,
  ReservationService,
  registerUploadJobs,
  reservationRoutes,
  UploadCompletion,
  type UploadCompletionDependencies,
  UploadService,
  UploadSessionRepository,
  uploadRoutes,
} from '../features/uploads/index.ts';
import { UploadUrls } from '../platform/object-store/upload-urls.ts';
import type { Basis } from './basis.ts';
import type { composeFiles } from './files.ts';

/** Uploads that go straight to the store, and the room that is held for them. */
export function composeDirectUploads(
  { database, store, urls: signer, uow, audit, clock, queue }: Basis,
  { ledger, refusals, policy, probed, sessionIngest, storage, spaces }: ReturnType<typeof composeFiles>,
  findJob: UploadCompletionDependencies['findJob'],
) {
  const sessions = new UploadSessionRepository(database);
  const completion = new UploadCompletion({ sessions, ingest: sessionIngest, storage, findJob });
  const uploads = new UploadService({ ledger, sessions, completion, store });
  const urls = new UploadUrls({ store, probed, urls: signer });
  const presign = new PresignService({ ledger, policy, refusals, urls, probed, completion, clock });
  const multipart = new MultipartService({ ledger, policy, refusals, sessions, store, urls, completion, clock });
  const reservations = new ReservationService({
    uow,
    reservations: new ReservationRepository(database),
    refusals,
    audit,
    clock,
  });
  registerUploadJobs(queue, uploads);
  return {
    uploads,
    routes: [
      ...presignRoutes(presign, spaces),
      ...multipartRoutes(multipart, spaces),
      ...uploadRoutes(uploads, spaces),
      ...reservationRoutes(reservations, spaces),
    ],
  };
}
