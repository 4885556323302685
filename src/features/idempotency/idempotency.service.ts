import { createHmac, timingSafeEqual } from 'node:crypto';
import { AppError } from '../../errors/app-error.ts';
import type { Clock } from '../../platform/clock/clock.ts';
import type { Sealer } from '../../platform/crypto/seal.ts';
import { hasSqlState } from '../../platform/db/errors.ts';
import type { Logger } from '../../platform/logging/logger.ts';
import { canonicalJson } from './canonical-json.ts';
import type { IdempotencyRepository } from './idempotency.repository.ts';
import type { AttemptRef, Begun, IdempotencyAttempt, KeyedRequest, MadeSubject, StoredReply } from './idempotency.ts';

/** An answer is given again for this long. */
const TTL_MS = 24 * 3600 * 1000;
/** What a process that died had claimed is free after this. */
const LEASE_SECONDS = 15;
const RENEW_MS = 5_000;
const PURGE_BATCH = 1000;
/** Whoever comes while the first is under way: when to come again. */
const MAX_WAIT_SECONDS = 5;
/** Of `idempotency_effect`: another attempt has begun. */
const ATTEMPT_OVER = 'IK001';
/** The key version of `Sealer`, before the sealed bytes. */
const VERSION_BYTES = 1;

export interface IdempotencyDependencies {
  readonly repository: IdempotencyRepository;
  readonly sealer: Sealer;
  /** For fingerprints: bodies hold passwords. */
  readonly fingerprintKey: Buffer;
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * `Idempotency-Key`: exactly one effect, and its answer once more for 24 hours. An effect marks the key in its own
 * transaction (`idempotency_effect`), and only for the attempt that has the key: so whatever is lost afterwards, the next
 * attempt sees what was done, and what an earlier one still has under way cannot be done as well.
 */
export class IdempotencyService {
  readonly #deps: IdempotencyDependencies;

  constructor(deps: IdempotencyDependencies) {
    this.#deps = deps;
  }

  /** What tells one request from another, whatever the order of its fields. Nobody can guess from it what was sent. */
  fingerprint(asked: unknown): Buffer {
    return createHmac('sha256', this.#deps.fingerprintKey).update(canonicalJson(asked)).digest();
  }

  /** Errors: IDEMPOTENCY_KEY_REUSED, CONFLICT (another attempt is under way; with Retry-After). */
  async begin(request: KeyedRequest): Promise<Begun> {
    const { repository, clock } = this.#deps;
    const now = clock.now();
    const times = { leaseSeconds: LEASE_SECONDS, now, expiresAt: this.#expiresAt() };
    const claim = await repository.claim(request, times);
    switch (claim.outcome) {
      case 'claimed':
        return { kind: 'run', attempt: this.#attemptOf(claim.attempt) };
      case 'made': {
        const { id, subject, secret, fingerprint } = claim;
        return { kind: 'made', effect: { subject, secret: secret && this.#opened(secret, id) }, fingerprint };
      }
      case 'done': {
        const { id, subject, status, reply, fingerprint } = claim;
        const rest = this.#opened(reply, id) as Omit<StoredReply, 'status'>;
        return { kind: 'done', reply: { status, ...rest }, subject, fingerprint };
      }
      case 'under_way':
        throw underWay(Math.min(claim.waitSeconds, MAX_WAIT_SECONDS));
      case 'reused':
        throw new AppError('IDEMPOTENCY_KEY_REUSED');
    }
  }

  /**
   * Does the work of an attempt, holding its claim meanwhile, and keeps the answer. Work that is refused gives the key
   * back; work that fails otherwise ends the attempt. `isRefusal`: whether an error is the client's.
   * Errors: those of the work; CONFLICT where another attempt has begun since.
   */
  async run(
    attempt: IdempotencyAttempt,
    work: () => Promise<StoredReply | null>,
    isRefusal: (error: unknown) => boolean,
  ): Promise<StoredReply | null> {
    const renewal = setInterval(() => void this.#renew(attempt), RENEW_MS).unref();
    try {
      const reply = await work();
      if (reply) await this.#finish(attempt, reply);
      else await this.#end(attempt, false);
      return reply;
    } catch (error) {
      const reused = error instanceof AppError && error.code === 'IDEMPOTENCY_KEY_REUSED';
      await this.#end(attempt, isRefusal(error) && !reused);
      throw hasSqlState(error, ATTEMPT_OVER) ? underWay(MAX_WAIT_SECONDS, error) : error;
    } finally {
      clearInterval(renewal);
    }
  }

  /**
   * Notes what a form held, before anything is done with it. Errors: IDEMPOTENCY_KEY_REUSED, CONFLICT (another attempt has
   * begun since).
   */
  async noteFingerprint(attempt: IdempotencyAttempt, fingerprint: Buffer): Promise<void> {
    const outcome = await this.#deps.repository.noteFingerprint(attempt, fingerprint);
    if (outcome === 'reused') throw new AppError('IDEMPOTENCY_KEY_REUSED');
    if (outcome === 'over') throw underWay(MAX_WAIT_SECONDS);
  }

  /** Errors: IDEMPOTENCY_KEY_REUSED. */
  assertSame(fingerprint: Buffer, known: Buffer | null): void {
    if (known === null || (fingerprint.length === known.length && timingSafeEqual(fingerprint, known))) return;
    throw new AppError('IDEMPOTENCY_KEY_REUSED');
  }

  /** Removes keys whose day is over. Harmless at any time. */
  async purge(signal: AbortSignal): Promise<number> {
    for (let total = 0; ; ) {
      signal.throwIfAborted();
      const purged = await this.#deps.repository.purge(this.#deps.clock.now(), PURGE_BATCH);
      total += purged;
      if (purged < PURGE_BATCH) return total;
    }
  }

  /** Never fails: what was done is done, and whoever did it must hear of it. */
  async #finish(attempt: IdempotencyAttempt, { status, ...rest }: StoredReply): Promise<void> {
    const { repository, log } = this.#deps;
    try {
      await repository.finish(attempt, { status, reply: attempt.seal(rest), expiresAt: this.#expiresAt() });
    } catch (error) {
      log.warn({ err: error, idempotencyId: attempt.id }, 'the answer of an idempotency key could not be kept');
      await this.#end(attempt, false);
    }
  }

  /** Never fails: the claim ends by itself. */
  async #end(attempt: IdempotencyAttempt, nothingWasDone: boolean): Promise<void> {
    const { repository, log } = this.#deps;
    try {
      if (nothingWasDone && (await repository.release(attempt))) return;
      await repository.end(attempt);
    } catch (error) {
      log.warn({ err: error, idempotencyId: attempt.id }, 'the claim of an idempotency key could not be ended');
    }
  }

  async #renew(attempt: IdempotencyAttempt): Promise<void> {
    try {
      await this.#deps.repository.renew(attempt, LEASE_SECONDS, this.#expiresAt());
    } catch (error) {
      this.#deps.log.warn({ err: error, idempotencyId: attempt.id }, 'a claim could not be renewed');
    }
  }

  #attemptOf(ref: AttemptRef): IdempotencyAttempt {
    const seal = (value: object) => {
      const { bytes, keyVersion } = this.#deps.sealer.seal(JSON.stringify(value), contextOf(ref.id));
      return Buffer.concat([Buffer.of(keyVersion), bytes]);
    };
    return { ...ref, seal };
  }

  #opened(sealed: Buffer, id: string): unknown {
    const { sealer } = this.#deps;
    const [keyVersion = 0] = sealed;
    return JSON.parse(sealer.open({ bytes: sealed.subarray(VERSION_BYTES), keyVersion }, contextOf(id)));
  }

  #expiresAt(): Date {
    return new Date(this.#deps.clock.now().getTime() + TTL_MS);
  }
}

/** For an effect whose answer is lost and cannot be made again. */
export function doneBefore({ type, id }: MadeSubject): AppError {
  return new AppError('CONFLICT', {
    message: 'This was done before with the same Idempotency-Key, and its answer was lost; details name what was made',
    details: { subjectType: type, subjectId: id },
  });
}

function underWay(retryAfterSeconds: number, cause?: unknown): AppError {
  const message = 'A request with the same Idempotency-Key is under way; send it again later to get its answer';
  return new AppError('CONFLICT', { message, retryAfterSeconds, cause });
}

function contextOf(id: string): string {
  return `idempotency:${id}`;
}
