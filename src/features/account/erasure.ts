import { defineJob } from '../../platform/queue/job.ts';

/** An account to be erased. */
export interface Erasure {
  readonly userId: string;
}

/** What is left to be done when the account is gone: nothing else knows the ids of its keys any more. */
export interface Traces {
  readonly userId: string;
  readonly accessKeyIds: readonly string[];
  /** Entries of the audit log up to this id are done. */
  readonly afterAuditId: string;
}

/** Erases an account that is due; goes on where it stopped when it is run again. */
export const eraseJob = defineJob<Erasure>('account.erase', { expireInSeconds: 3600 });
/** Takes the person out of audit entries that came while the account was erased. */
export const eraseTracesJob = defineJob<Traces>('account.traces.erase', { expireInSeconds: 3600 });
/** Finds accounts that have fallen due, and those whose erasure died. */
export const eraseDueJob = defineJob<Record<string, never>>('account.erase.due', {
  retryLimit: 0,
  expireInSeconds: 600,
  keepSeconds: 3600,
});
