import { ERROR_CODES, type ErrorCode } from './codes.ts';

/** What goes beside the code: `details` reach the client, `cause` only the log. */
export interface AppErrorOptions {
  readonly message?: string;
  readonly details?: unknown;
  readonly cause?: unknown;
  /** Seconds for the `Retry-After` header. */
  readonly retryAfterSeconds?: number;
}

/** The one error that services throw; the HTTP layer turns it into API.md's failure envelope. */
export class AppError extends Error {
  readonly code: ErrorCode;
  readonly details: unknown;
  readonly retryAfterSeconds: number | undefined;

  constructor(code: ErrorCode, options: AppErrorOptions = {}) {
    super(
      options.message ?? ERROR_CODES[code].message,
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    this.name = 'AppError';
    this.code = code;
    this.details = options.details ?? null;
    this.retryAfterSeconds = options.retryAfterSeconds;
  }

  get httpStatusCode(): number {
    return ERROR_CODES[this.code].status;
  }
}
