/**
 * Every error a client can meet, with its HTTP status. Codes are append-only: clients switch on them.
 * `message` is the default text; a throw may give a more helpful one, never a provider's or a stack.
 */
export const ERROR_CODES = {
  VALIDATION_FAILED: { status: 400, message: 'The request is not valid' },
  AMBIGUOUS_CREDENTIALS: { status: 400, message: 'Send either an API key or a bearer token, not both' },
  OTP_INVALID: { status: 400, message: 'The code is wrong or has expired' },
  UNAUTHENTICATED: { status: 401, message: 'Authentication is required' },
  INVALID_CREDENTIALS: { status: 401, message: 'The credentials are not valid' },
  TOKEN_EXPIRED: { status: 401, message: 'The token has expired' },
  KEY_REVOKED: { status: 401, message: 'The API key is revoked' },
  KEY_EXPIRED: { status: 401, message: 'The API key has expired' },
  FORBIDDEN: { status: 403, message: 'This is not allowed' },
  EMAIL_NOT_VERIFIED: { status: 403, message: 'Verify your e-mail address first' },
  ACCOUNT_DISABLED: { status: 403, message: 'The account is disabled' },
  ACCOUNT_DELETION_PENDING: { status: 403, message: 'The account is about to be deleted; restore it first' },
  PERMISSION_MISSING: { status: 403, message: 'The API key lacks a permission' },
  ROUTE_NOT_FOUND: { status: 404, message: 'There is no such endpoint' },
  USER_NOT_FOUND: { status: 404, message: 'There is no such user' },
  FILE_NOT_FOUND: { status: 404, message: 'There is no such file' },
  SESSION_NOT_FOUND: { status: 404, message: 'There is no such session' },
  PHOTO_NOT_FOUND: { status: 404, message: 'There is no photo' },
  API_KEY_NOT_FOUND: { status: 404, message: 'There is no such API key' },
  SECRET_NOT_FOUND: { status: 404, message: 'The API key has no such secret' },
  REQUEST_NOT_FOUND: { status: 404, message: 'There is no such request' },
  JOB_NOT_FOUND: { status: 404, message: 'There is no such job' },
  METHOD_NOT_ALLOWED: { status: 405, message: 'The endpoint does not know this method' },
  CONFLICT: { status: 409, message: 'The request conflicts with the current state' },
  EMAIL_TAKEN: { status: 409, message: 'The e-mail address is taken' },
  USERNAME_TAKEN: { status: 409, message: 'The username is taken' },
  FILE_EXISTS: { status: 409, message: 'A file of this name exists' },
  ALREADY_REVIEWED: { status: 409, message: 'The request is already reviewed' },
  ALREADY_CLAIMED: { status: 409, message: 'The secret is already claimed' },
  LAST_ADMIN: { status: 409, message: 'The last admin who can act cannot be disabled, demoted or deleted' },
  PRECONDITION_FAILED: { status: 412, message: 'A precondition of the request does not hold' },
  QUOTA_EXCEEDED: { status: 413, message: 'The quota does not allow this' },
  FILE_TOO_LARGE: { status: 413, message: 'The file is larger than this server takes' },
  BODY_TOO_LARGE: { status: 413, message: 'The request body is too large' },
  FILE_TYPE_NOT_ALLOWED: { status: 415, message: 'Files of this type are not taken here' },
  RANGE_NOT_SATISFIABLE: { status: 416, message: 'The range lies outside the file' },
  RATE_LIMITED: { status: 429, message: 'Too many requests' },
  INTERNAL: { status: 500, message: 'Something went wrong here' },
  DEPENDENCY_UNAVAILABLE: { status: 503, message: 'A service that this depends on does not answer' },
  STORAGE_FULL: { status: 507, message: 'The server has no room left' },
} as const satisfies Record<string, { status: number; message: string }>;

/** A stable, machine-readable error code. */
export type ErrorCode = keyof typeof ERROR_CODES;
