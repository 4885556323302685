import type { ErrorRequestHandler } from 'express';
import { AppError } from '../errors/app-error.ts';
import { HasherBusyError } from '../platform/crypto/password-hasher.ts';
import { databaseFault } from '../platform/db/errors.ts';
import { ObjectNotFoundError, StoreFullError, StoreUnavailableError } from '../platform/object-store/errors.ts';
import { sendFailure } from './envelope.ts';

const RETRY_AFTER_SECONDS = 2;

/** Turns whatever was thrown into the one error that a client may see; the original stays as `cause` for the log. */
export function toAppError(error: unknown): AppError {
  if (error instanceof AppError) return error;
  const retry = { cause: error, retryAfterSeconds: RETRY_AFTER_SECONDS };
  if (error instanceof StoreFullError) return new AppError('STORAGE_FULL', { cause: error });
  if (error instanceof StoreUnavailableError || error instanceof HasherBusyError) {
    return new AppError('DEPENDENCY_UNAVAILABLE', retry);
  }
  // A row names the object and the store does not have it: ours to mend, and a retry may meet a newer row.
  if (error instanceof ObjectNotFoundError) return new AppError('INTERNAL', { cause: error });
  const fault = databaseFault(error);
  if (fault === 'unavailable') return new AppError('DEPENDENCY_UNAVAILABLE', retry);
  if (fault === 'full') return new AppError('STORAGE_FULL', { cause: error });
  return fromParser(error) ?? new AppError('INTERNAL', { cause: error });
}

/** Errors of Express's router and body parsers: a status, a type, no code of ours. */
function fromParser(error: unknown): AppError | null {
  if (error instanceof URIError) return invalid('path', 'is not valid percent-encoding', error);
  // http-errors marks what it made with `expose`.
  if (!(error instanceof Error) || !('expose' in error)) return null;
  switch ('type' in error && error.type) {
    case 'entity.too.large':
      return new AppError('BODY_TOO_LARGE', { cause: error });
    case 'entity.parse.failed':
      return invalid('body', 'is not valid JSON', error);
    case 'request.size.invalid':
    case 'request.aborted':
      return invalid('body', 'ended before its announced length', error);
    case 'encoding.unsupported':
    case 'charset.unsupported':
      return invalid('body', 'has an unsupported encoding', error);
    default:
      // The parser's stream broke, as when a body is not compressed the way its header says.
      return 'status' in error && error.status === 400 ? invalid('body', 'could not be decoded', error) : null;
  }
}

function invalid(path: string, message: string, cause: unknown): AppError {
  return new AppError('VALIDATION_FAILED', { details: [{ path, message }], cause });
}

/** The last middleware: one envelope and, for a 5xx, the cause in the request's one log line. */
export const errorHandler: ErrorRequestHandler = (thrown: unknown, _req, res, _next) => {
  const error = toAppError(thrown);
  res.failureCode = error.code;
  // A full queue is no fault to look into, and comes by the thousand: its line needs no stack.
  if (error.httpStatusCode >= 500 && !(thrown instanceof HasherBusyError)) res.err = error;
  if (res.headersSent) {
    // Too late for an envelope: cut the response, so that the client does not take it for whole.
    res.destroy();
    return;
  }
  sendFailure(res, error);
};
