import type { Clock } from '../../platform/clock/clock.ts';
import { firstIdOf } from '../../platform/crypto/random.ts';
import type { UnitOfWork } from '../../platform/db/unit-of-work.ts';
import type { Logger } from '../../platform/logging/logger.ts';
import type { JobSender } from '../../platform/queue/job-queue.ts';
import { type AuditRepository, SYSTEM_ACTOR, SYSTEM_ORIGIN } from '../audit/index.ts';
import type { Belongings, ErasureRepository } from './erasure.repository.ts';
import { eraseJob, eraseTracesJob, type Traces } from './erasure.ts';

const FILES_AT_ONCE = 1000;
const ROWS_AT_ONCE = 10_000;
const ACCOUNTS_AT_ONCE = 100;
/** An erasure that began this long ago and is not done gets another job: the first one's tries may be used up. */
const STALE_MS = 2 * 3600 * 1000;
/** How often a space that an upload came into once more is emptied before the job gives up until its next try. */
const MAX_ROUNDS = 20;
/** Entries that were being written while others were read may have older ids. */
const OVERLAP_MS = 3600 * 1000;
const FIRST_AUDIT_ID = firstIdOf(0);

export interface AccountErasureDependencies {
  readonly uow: UnitOfWork;
  readonly repository: ErasureRepository;
  readonly audit: AuditRepository;
  readonly queue: JobSender;
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * Erases accounts that are due: files, objects, keys, the person in the audit log, at last the account. Every step can be
 * repeated, so an erasure that was killed anywhere goes on when it is run again; two at once do no harm.
 */
export class AccountErasureService {
  readonly #deps: AccountErasureDependencies;

  constructor(deps: AccountErasureDependencies) {
    this.#deps = deps;
  }

  /** Begins to erase what is due, a job for each account; answers how many. Of two at once, each account has one. */
  async enqueueDue(): Promise<number> {
    const { uow, repository, queue, clock } = this.#deps;
    for (let total = 0; ; ) {
      const now = clock.now();
      const due = { now, staleBefore: new Date(now.getTime() - STALE_MS), limit: ACCOUNTS_AT_ONCE };
      const begun = await uow.run(async (tx) => {
        const userIds = await repository.beginDue(tx, due);
        const erasures = userIds.map((userId) => ({ userId }));
        await queue.enqueueMany(tx, eraseJob, erasures);
        return userIds.length;
      });
      total += begun;
      if (begun < ACCOUNTS_AT_ONCE) return total;
    }
  }

  /** Nothing happens to an account that is not due, was restored, or is gone. Throws when it has to be run again. */
  async erase(userId: string, signal: AbortSignal): Promise<void> {
    const { uow, repository, clock, log } = this.#deps;
    if (!(await uow.run((tx) => repository.begin(tx, userId, clock.now())))) return;
    for (let round = 1; round <= MAX_ROUNDS; round += 1) {
      const belongings = await repository.findBelongings(userId);
      await this.#empty(userId, belongings, signal);
      // Before the account goes, and with it what tells its keys; what comes from here on is the other job's.
      // By the machine's clock, as ids are, whatever the injected one says.
      const afterAuditId = firstIdOf(Date.now() - OVERLAP_MS);
      const { accessKeyIds } = belongings;
      await this.eraseTraces({ userId, accessKeyIds, afterAuditId: FIRST_AUDIT_ID }, signal);
      const outcome = await this.#finish({ userId, accessKeyIds, afterAuditId });
      if (outcome === 'busy') continue;
      if (outcome === 'erased') log.info({ userId }, 'an account was erased');
      return;
    }
    throw new Error('uploads keep coming into an account that is being erased');
  }

  /** Takes the person out of the audit log, from an entry on. */
  async eraseTraces({ userId, accessKeyIds, afterAuditId }: Traces, signal: AbortSignal): Promise<void> {
    let afterId: string | null = afterAuditId;
    while (afterId !== null) {
      signal.throwIfAborted();
      afterId = await this.#deps.repository.pseudonymise(userId, accessKeyIds, { afterId, limit: ROWS_AT_ONCE });
    }
  }

  async #empty(userId: string, { spaceIds }: Belongings, signal: AbortSignal): Promise<void> {
    const { repository } = this.#deps;
    for (const spaceId of spaceIds) {
      await untilNone(() => repository.eraseFiles(spaceId, FILES_AT_ONCE), signal);
      await untilNone(() => repository.eraseUsage(spaceId, ROWS_AT_ONCE), signal);
    }
    await untilNone(() => repository.eraseReceivedShares(userId, ROWS_AT_ONCE), signal);
    await untilNone(() => repository.eraseAnswers(userId, ROWS_AT_ONCE), signal);
    await untilNone(() => repository.eraseSessions(userId, ROWS_AT_ONCE), signal);
  }

  /** The account goes, its entry and the job for what came since come, or none of it. */
  #finish(traces: Traces): Promise<'erased' | 'gone' | 'busy'> {
    const { uow, repository, audit, queue } = this.#deps;
    return uow.run(async (tx) => {
      const outcome = await repository.finish(tx, traces.userId);
      if (typeof outcome === 'string') return outcome;
      await queue.enqueue(tx, eraseTracesJob, traces);
      await audit.append(tx, {
        action: 'user.erase',
        actor: SYSTEM_ACTOR,
        origin: SYSTEM_ORIGIN,
        subject: { type: 'user', id: traces.userId },
        metadata: { ...outcome },
      });
      return 'erased';
    });
  }
}

async function untilNone(erase: () => Promise<number>, signal: AbortSignal): Promise<void> {
  do signal.throwIfAborted();
  while ((await erase()) > 0);
}
