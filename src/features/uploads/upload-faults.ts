import { AppError } from '../../errors/app-error.ts';
import type { UploadSession } from './upload-session.ts';

/** CONFLICT: it was aborted or refused, or has expired. */
export function uploadEnded(): AppError {
  return new AppError('CONFLICT', { message: 'The upload has ended: it was aborted or refused, or has expired' });
}

/** CONFLICT: the request is for uploads that come another way. */
export function otherKind({ kind }: Pick<UploadSession, 'kind'>): AppError {
  const ways = {
    presign: 'It comes by one PUT: POST /uploads/complete completes it',
    multipart: 'It comes in parts: POST /uploads/multipart/:uploadId/complete completes it',
    tus: 'It comes by tus, and is complete with its last byte',
  };
  return new AppError('CONFLICT', { message: ways[kind] });
}
