import { derivedId } from '../../platform/crypto/random.ts';
import type { OutboxRelay } from '../../platform/queue/outbox-relay.ts';
import type { ContentJob, ContentStatus } from '../ledger/index.ts';
import { checkContentJob, processMediaJob } from './content.jobs.ts';

export interface ContentProcessingOptions {
  /** A virus scanner is configured. */
  readonly scans: boolean;
  /** Whether thumbnails or metadata are made of contents of a type. */
  readonly makesMedia: (contentType: string) => boolean;
  readonly outbox: OutboxRelay;
}

/** What is to become of a new content: whether it may be read at once, and what is done with it. */
export interface ContentPlan {
  readonly status: ContentStatus;
  readonly media: boolean;
  readonly jobs: readonly ContentJob[] | undefined;
}

/** Decides what happens to contents after their commit, which puts the jobs into the outbox. */
export class ContentProcessing {
  readonly #options: ContentProcessingOptions;

  constructor(options: ContentProcessingOptions) {
    this.#options = options;
  }

  /**
   * The jobs' ids follow from the upload's, so that who asks again finds them. `isChecked`: it is a copy of what
   * may be read. Of what is still to be scanned, nothing is made before that.
   */
  plan(content: {
    readonly uploadId: string;
    readonly contentType: string;
    readonly sha256: string | null;
    readonly isChecked: boolean;
  }): ContentPlan {
    const scans = this.#options.scans && !content.isChecked;
    const media = this.#options.makesMedia(content.contentType);
    const jobs = [
      ...(scans || content.sha256 === null ? [checkContentJob] : []),
      ...(media && !scans ? [processMediaJob] : []),
    ].map(({ name }) => ({ id: derivedId(content.uploadId, name), name }));
    return { status: scans ? 'PROCESSING' : 'READY', media, jobs: jobs.length > 0 ? jobs : undefined };
  }

  /** The commit of what was planned has taken place. */
  begin({ jobs }: ContentPlan): void {
    if (jobs) this.#options.outbox.nudge();
  }
}
