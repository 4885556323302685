import { AppError } from '../../errors/app-error.ts';
import type { Clock } from '../../platform/clock/clock.ts';
import { isId } from '../../platform/crypto/random.ts';
import type { Tx, UnitOfWork } from '../../platform/db/unit-of-work.ts';
import type { Page, PageRequest } from '../../platform/keyset.ts';
import type { JobSender } from '../../platform/queue/job-queue.ts';
import { type ActingUser, type AuditEntry, type AuditRepository, type Doer, SYSTEM_ORIGIN } from '../audit/index.ts';
import type { ReceivedShare } from './share.ts';
import { claimSharesJob } from './share-claim.ts';
import type { NotedShare, ReceivedShareRepository } from './share-received.repository.ts';

/** What one transaction gives somebody who has proven an address; the rest is a job's. */
const CLAIMED_AT_ONCE = 1000;

export interface ReceivedShareDependencies {
  readonly uow: UnitOfWork;
  readonly received: ReceivedShareRepository;
  readonly audit: AuditRepository;
  readonly queue: JobSender;
  readonly clock: Clock;
}

/** What others share with somebody. */
export class ReceivedShareService {
  readonly #deps: ReceivedShareDependencies;

  constructor(deps: ReceivedShareDependencies) {
    this.#deps = deps;
  }

  list(userId: string, page: PageRequest): Promise<Page<ReceivedShare>> {
    return this.#deps.received.page(userId, page, this.#deps.clock.now());
  }

  /** Ends a share with the acting person. SHARE_NOT_FOUND: also where it is with somebody else. */
  async leave({ userId, actor, origin }: ActingUser, id: string): Promise<void> {
    const { uow, received, audit } = this.#deps;
    if (!isId(id)) throw new AppError('SHARE_NOT_FOUND');
    await uow.run(async (tx) => {
      const left = await received.delete(tx, userId, id);
      if (!left) throw new AppError('SHARE_NOT_FOUND');
      await audit.append(tx, entryOf('share.delete', { actor, origin }, left, { byGrantee: true }));
    });
  }

  /** Gives somebody what waits for the address that this transaction has proven; very much of it later, by a job. */
  async claim(tx: Tx, user: ActingUser): Promise<void> {
    const waited = await this.#claim(tx, user);
    if (waited === CLAIMED_AT_ONCE) await this.#deps.queue.enqueue(tx, claimSharesJob, { userId: user.userId });
  }

  /** The rest. Nothing where the address has changed since. */
  async claimRest(userId: string, signal: AbortSignal): Promise<void> {
    const actor = { type: 'user', id: userId, accessKeyId: null } as const;
    const user = { userId, actor, origin: SYSTEM_ORIGIN };
    do signal.throwIfAborted();
    while ((await this.#deps.uow.run((tx) => this.#claim(tx, user))) === CLAIMED_AT_ONCE);
  }

  async #claim(tx: Tx, { userId, ...by }: ActingUser): Promise<number> {
    const { received, audit } = this.#deps;
    const { given, waited } = await received.claim(tx, userId, CLAIMED_AT_ONCE);
    await audit.appendAll(
      tx,
      given.map((share) => entryOf('share.change', by, share, { claimed: true })),
    );
    return waited;
  }
}

/** Never the address. */
function entryOf(
  action: 'share.change' | 'share.delete',
  { actor, origin }: Doer,
  { id, fileId, folderId, permission, expiresAt }: NotedShare,
  why: Readonly<Record<string, true>>,
): AuditEntry {
  const subject = fileId === null ? { folderId } : { fileId };
  const metadata = { ...subject, permission, expiresAt: expiresAt?.toISOString() ?? null, ...why };
  return { action, actor, origin, subject: { type: 'share', id }, metadata };
}
