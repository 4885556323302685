export { purgeIdempotencyJob, registerIdempotencyJobs } from './idempotency.jobs.ts';
export { IdempotencyRepository } from './idempotency.repository.ts';
export { doneBefore, IdempotencyService } from './idempotency.service.ts';
export type { Effect, IdempotencyAttempt, StoredReply } from './idempotency.ts';
