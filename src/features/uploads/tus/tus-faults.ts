import { AppError } from '../../../errors/app-error.ts';
import type { BodyEnding } from './received-body.ts';

/** CONFLICT: tus 1.0 wants 409 where the client and we stand at different bytes. */
export function wrongOffset(offsetBytes: number): AppError {
  return new AppError('CONFLICT', {
    message: 'Upload-Offset is not where the upload stands; ask by HEAD',
    details: { offset: offsetBytes },
  });
}

/** BODY_TOO_LARGE: the request brings more than the upload was announced to have. */
export function beyondEnd(sizeBytes: number): AppError {
  return new AppError('BODY_TOO_LARGE', {
    message: 'The upload would become longer than it was announced',
    details: { uploadLength: sizeBytes },
  });
}

/** What the sender is told, if there still is one, of a body that did not come in whole. */
export function endedEarly(ending: Exclude<BodyEnding, 'whole'>, sizeBytes: number): AppError {
  switch (ending) {
    case 'cut':
      return invalid('body', 'ended before its announced length; go on from Upload-Offset');
    case 'excess':
      return beyondEnd(sizeBytes);
    case 'stopped':
      return takenOver();
  }
}

/** UPLOAD_LOCKED: whoever was told so asks by HEAD where the upload stands, if it still does. */
export function takenOver(cause?: unknown): AppError {
  return new AppError('UPLOAD_LOCKED', {
    message: 'Another request goes on with this upload',
    retryAfterSeconds: 2,
    cause,
  });
}

export function invalid(path: string, message: string): AppError {
  return new AppError('VALIDATION_FAILED', { details: [{ path, message }] });
}
