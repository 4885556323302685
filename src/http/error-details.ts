import type { ErrorCode } from '../errors/codes.ts';

/** What `error.details` holds, by an example, where it holds anything. */
export const DETAILS_EXAMPLES: Partial<Record<ErrorCode, unknown>> = {
  VALIDATION_FAILED: [{ path: 'email', message: 'must be an e-mail address' }],
  PERMISSION_MISSING: { permission: 'write' },
  FILE_NOT_FOUND: { fileName: 'photos/2026/cat.jpg' },
  FILE_EXISTS: { id: '019aa2f4-6f4e-7c1d-8f00-3b1c2d3e4f50', fileName: 'photos/2026/cat.jpg' },
  ALREADY_REVIEWED: { status: 'APPROVED' },
  QUOTA_EXCEEDED: { limit: 'bytes', quota: 5_368_709_120, used: 5_368_000_000, reserved: 0, requested: 1_048_576 },
  FILE_TOO_LARGE: { maxBytes: 5_242_880 },
  FILE_TYPE_NOT_ALLOWED: { contentType: 'image/gif', allowed: ['image/jpeg', 'image/png', 'image/webp'] },
  CONTENT_MISMATCH: { seen: 'text/html', declared: 'image/jpeg', fileName: 'cat.jpg' },
  RANGE_NOT_SATISFIABLE: { size: 48_213 },
  RATE_LIMITED: { limit: 10, windowSeconds: 60 },
};
