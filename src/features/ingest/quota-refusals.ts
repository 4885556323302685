import { LRUCache } from 'lru-cache';
import { AppError } from '../../errors/app-error.ts';
import type { Clock } from '../../platform/clock/clock.ts';
import type { AuditRecorder } from '../audit/index.ts';
import type { SpaceScope } from '../ledger/index.ts';

const ONE_EVERY_MS = 60_000;
const MAX_SPACES = 10_000;

/** Of QUOTA_EXCEEDED (API.md). */
interface QuotaDetails {
  readonly limit: 'bytes' | 'objects';
  readonly quota: number;
  readonly used: number;
  readonly reserved: number;
  readonly requested: number;
}

/** What was short, if an error says that the quota was. */
export function quotaDetailsOf(error: unknown): QuotaDetails | null {
  return error instanceof AppError && error.code === 'QUOTA_EXCEEDED' ? (error.details as QuotaDetails) : null;
}

/** Records refusals for want of room: one a minute for each space, so that a flood of them is no flood of entries. */
export class QuotaRefusals {
  readonly #recorder: AuditRecorder;
  readonly #clock: Clock;
  readonly #notedAt = new LRUCache<string, number>({ max: MAX_SPACES });

  constructor(recorder: AuditRecorder, clock: Clock) {
    this.#recorder = recorder;
    this.#clock = clock;
  }

  /** Does the work, on a file where it is about one; when the quota refuses it, that is recorded before it is thrown on. */
  async noted<T>(by: SpaceScope, fileName: string | null, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      const details = quotaDetailsOf(error);
      if (details !== null && this.#isDue(by.space.id)) {
        const { limit, quota, used, reserved, requested } = details;
        await this.#record(by, { ...(fileName !== null && { fileName }), limit, quota, used, reserved, requested });
      }
      throw error;
    }
  }

  async #record(
    { space, actor, origin, metadata }: SpaceScope,
    refusal: Readonly<Record<string, string | number>>,
  ): Promise<void> {
    try {
      await this.#recorder.record({ action: 'quota.exceeded', actor, origin, metadata: { ...refusal, ...metadata } });
    } catch (error) {
      this.#notedAt.delete(space.id);
      throw error;
    }
  }

  /** Once true, it is the caller's: of many refusals at once one is recorded. */
  #isDue(spaceId: string): boolean {
    const now = this.#clock.now().getTime();
    const due = now - (this.#notedAt.get(spaceId) ?? Number.NEGATIVE_INFINITY) >= ONE_EVERY_MS;
    if (due) this.#notedAt.set(spaceId, now);
    return due;
  }
}
