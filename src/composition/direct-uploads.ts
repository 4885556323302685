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
import type { Basis } from './basis.ts';
import type { composeFiles } from './files.ts';

/** Uploads that go straight to the store, and the room that is held for them. */
export function composeDirectUploads(
  { database, store, uow, audit, clock, queue }: Basis,
  { ledger, refusals, policy, probed, sessionIngest, storage, spaces }: ReturnType<typeof composeFiles>,
  findJob: UploadCompletionDependencies['findJob'],
) {
  const sessions = new UploadSessionRepository(database);
  const completion = new UploadCompletion({ sessions, ingest: sessionIngest, storage, findJob });
  const uploads = new UploadService({ ledger, sessions, completion, store });
  const presign = new PresignService({ ledger, policy, refusals, store, probed, completion, clock });
  const multipart = new MultipartService({ ledger, policy, refusals, sessions, store, completion, clock });
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
