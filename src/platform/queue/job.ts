/** A kind of job: its name, what a job of it carries, and how failing ones are tried again. */
export interface JobDefinition<Payload extends object> {
  /** Dotted, as `mail.send`; also the queue's name. */
  readonly name: string;
  /** Tries after the first; then the job moves to the dead letters. 0: a sweep, which comes again and leaves no letter. */
  readonly retryLimit: number;
  /** Before the first retry; doubles with each, with some jitter. */
  readonly retryDelaySeconds: number;
  readonly retryDelayMaxSeconds: number;
  /** How long one run may take; then it counts as failed. A job whose process died has failed within a minute. */
  readonly expireInSeconds: number;
  /** How long a finished job stays to be looked at. */
  readonly keepSeconds: number;
  /** Only for the compiler: ties the name to its payload. */
  readonly payload?: Payload;
}

/** A definition whatever its payload, so that definitions of all kinds fit one list. */
export type AnyJobDefinition = JobDefinition<object>;

/**
 * What most jobs want: five tries over 8 to 15 minutes (waits of 30 s to 60 s, doubling), a run of at most 5 minutes, a day
 * in the list when done.
 */
const DEFAULTS = {
  retryLimit: 4,
  retryDelaySeconds: 30,
  retryDelayMaxSeconds: 3600,
  expireInSeconds: 300,
  keepSeconds: 24 * 3600,
} as const;

/** Defines a kind of job; every one that is enqueued or worked must be in the list that the queue is made with. */
export function defineJob<Payload extends object>(
  name: string,
  options: Partial<Omit<JobDefinition<Payload>, 'name' | 'payload'>> = {},
): JobDefinition<Payload> {
  return { name, ...DEFAULTS, ...options };
}
