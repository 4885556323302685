import type { JobFailure } from './job-failure.ts';

/** `waiting`: to be taken up now or later, also once more after a failed try; `failed`: for good. */
export const JOB_STATES = ['waiting', 'active', 'completed', 'failed'] as const;
export type JobState = (typeof JOB_STATES)[number];

/** A job as it stands in a list. */
export interface JobRecord {
  readonly id: string;
  readonly queue: string;
  readonly state: JobState;
  readonly priority: number;
  /** Tries that were begun after the first. */
  readonly retryCount: number;
  readonly retryLimit: number;
  readonly createdAt: Date;
  /** Not before this time; null for a dead letter whose job is no longer kept beside it. */
  readonly startAfter: Date | null;
  /** The latest try's begin. */
  readonly startedAt: Date | null;
  /** When it was done, or had failed for good. */
  readonly completedAt: Date | null;
  /** Of the latest try that failed. */
  readonly failure: JobFailure | null;
  /** Until when a dead letter is kept. */
  readonly deadUntil: Date | null;
}

/** What a job carries or left, as far as it may be shown. */
export type JobContent =
  | { readonly kind: 'shown'; readonly value: unknown; readonly bytes: number }
  | { readonly kind: 'sealed' | 'truncated'; readonly bytes: number };

/** One job with all that is known of it. */
export interface JobDetail extends JobRecord {
  readonly input: JobContent | null;
  /** What a job that is done left; null where its handler leaves nothing. */
  readonly output: JobContent | null;
}

/** How one queue stands. */
export interface QueueCounts {
  readonly queue: string;
  readonly waiting: number;
  /** Of those that wait, how many have failed before. */
  readonly retrying: number;
  readonly active: number;
  /** Done, and still kept to be looked at. */
  readonly completed: number;
  readonly failed: number;
  /** For how long the first of those that wait could have been taken up; null when none is due. */
  readonly oldestWaitingSeconds: number | null;
}

export interface JobFilter {
  readonly state: JobState | undefined;
  readonly queue: string | undefined;
}
