import { createHash } from 'node:crypto';
import type { ScanVerdict, VirusScanner } from '../../platform/antivirus/clamd.ts';
import { AntivirusUnavailableError } from '../../platform/antivirus/errors.ts';
import type { Clock } from '../../platform/clock/clock.ts';
import type { Logger } from '../../platform/logging/logger.ts';
import type { ObjectStore } from '../../platform/object-store/object-store.ts';
import type { JobAttempt, JobSender } from '../../platform/queue/job-queue.ts';
import type { OutboxRelay } from '../../platform/queue/outbox-relay.ts';
import { checkContentJob } from '../ingest/index.ts';
import type { ContentJobPayload } from '../ledger/index.ts';
import type { CheckedContent, CheckOutcome, ContentCheckRepository } from './content-check.repository.ts';

/** Between the last try of one job and the first of the next, as long as there is no scanner to ask. */
const UNAVAILABLE_MS = 60_000;
/** A younger content may be on its way through the outbox. */
const LOST_AFTER_SECONDS = 120;
/** What failed for another reason than the scanner is for an admin to see first. */
const FAILED_REST_SECONDS = 3600;
const SWEEP_BATCH = 1000;

export interface ContentCheckDependencies {
  readonly checks: ContentCheckRepository;
  readonly store: ObjectStore;
  /** null: none is configured. */
  readonly scanner: VirusScanner | null;
  readonly queue: JobSender;
  readonly outbox: OutboxRelay;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Reads new contents once: for viruses before anybody may have them, for their SHA-256 where nobody knows it. */
export class ContentCheckService {
  readonly #deps: ContentCheckDependencies;

  constructor(deps: ContentCheckDependencies) {
    this.#deps = deps;
  }

  /**
   * The job. Safe to repeat and to run twice at once. As long as the scanner gives no verdict, the content stays as it is
   * and is tried again: it never passes for that, and never becomes a dead letter.
   */
  async check(payload: ContentJobPayload, { signal, retryCount }: Omit<JobAttempt, 'jobId'>): Promise<void> {
    const { checks, queue, outbox, clock, log } = this.#deps;
    const content = await checks.find(payload.spaceId, payload.objectKey);
    if (content === null || (content.status !== 'PROCESSING' && content.sha256 !== null)) return;
    try {
      await checks.record(payload, await this.#read(payload.objectKey, content, signal));
      outbox.nudge();
    } catch (error) {
      if (!(error instanceof AntivirusUnavailableError) || retryCount < checkContentJob.retryLimit) throw error;
      log.warn({ err: error, fileId: payload.fileId }, 'the virus scanner cannot be asked; the file waits for it');
      const startAfter = new Date(clock.now().getTime() + UNAVAILABLE_MS);
      await queue.enqueue(null, checkContentJob, payload, { startAfter });
    }
  }

  /** Enqueues what is to be checked and has no job; answers how many. */
  async sweep(): Promise<number> {
    const { checks, queue } = this.#deps;
    const limits = { ageSeconds: LOST_AFTER_SECONDS, failedSeconds: FAILED_REST_SECONDS, limit: SWEEP_BATCH };
    const lost = await checks.findLost(checkContentJob.name, limits);
    await queue.enqueueMany(null, checkContentJob, lost);
    return lost.length;
  }

  async #read(objectKey: string, content: CheckedContent, signal: AbortSignal): Promise<CheckOutcome> {
    const { store, scanner } = this.#deps;
    const isToBeScanned = content.status === 'PROCESSING';
    if (isToBeScanned && scanner === null) {
      throw new AntivirusUnavailableError('this process has no virus scanner, and the file waits for one (CLAMD_URL)');
    }
    const { body } = await store.get(objectKey, { signal });
    const scan = isToBeScanned ? scanner?.begin() : undefined;
    const hash = createHash('sha256');
    let sizeBytes = 0;
    try {
      for await (const chunk of body as AsyncIterable<Buffer>) {
        signal.throwIfAborted();
        sizeBytes += chunk.length;
        hash.update(chunk);
        await scan?.write(chunk);
      }
      const sha256 = hash.digest('hex');
      // What is clean must be all of it, and what it was taken for.
      if (sizeBytes !== content.sizeBytes || (content.sha256 ?? sha256) !== sha256) {
        throw new Error(`the store has another content at ${objectKey} than was put there`);
      }
      return { sha256, ...outcomeOf(await scan?.end()) };
    } finally {
      scan?.abort();
      body.destroy();
    }
  }
}

/** What cannot be scanned is never found clean. */
function outcomeOf(verdict: ScanVerdict | undefined): Pick<CheckOutcome, 'verdict' | 'reason'> {
  switch (verdict?.outcome) {
    case undefined:
      return { verdict: null, reason: null };
    case 'clean':
      return { verdict: 'clean', reason: null };
    case 'infected':
      return { verdict: 'infected', reason: verdict.signature };
    case 'too_large':
      return { verdict: 'infected', reason: 'too large for the virus scanner' };
  }
}
