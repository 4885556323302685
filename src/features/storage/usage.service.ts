import type { Clock } from '../../platform/clock/clock.ts';
import type { Page, PageRequest } from '../../platform/keyset.ts';
import type { AnalyticsRepository, SpaceAnalytics } from './analytics.repository.ts';
import { daysUntilFull } from './usage-forecast.ts';
import type { UsageDay, UsageEntry, UsageHistoryRepository } from './usage-history.repository.ts';

const DAY_MS = 24 * 3600 * 1000;
/** Growth is looked at over so many days. */
const GROWTH_DAYS = 30;

export interface UsageServiceDependencies {
  readonly history: UsageHistoryRepository;
  readonly analytics: AnalyticsRepository;
  readonly clock: Clock;
}

export interface Analytics extends SpaceAnalytics {
  readonly remainingBytes: number;
  readonly daysUntilFull: number | null;
}

/** How usage came about, what it consists of and where it goes to. */
export class UsageService {
  readonly #deps: UsageServiceDependencies;

  constructor(deps: UsageServiceDependencies) {
    this.#deps = deps;
  }

  /**
   * Entries of the byte ledger, newest first, of today and so many whole days (UTC) before; on the first page the same by
   * day. Errors: VALIDATION_FAILED (cursor).
   */
  async history(
    spaceId: string,
    { days, limit, cursor }: PageRequest & { readonly days: number },
  ): Promise<Page<UsageEntry> & { readonly days: readonly UsageDay[] | null }> {
    const since = this.#startOfDay(days);
    const page = await this.#deps.history.page(spaceId, { since, limit, cursor });
    return { ...page, days: cursor === undefined ? await this.#deps.history.days(spaceId, since) : null };
  }

  async analytics(space: {
    readonly id: string;
    readonly quotaBytes: number;
    readonly usedBytes: number;
    readonly reservedBytes: number;
  }): Promise<Analytics> {
    const since = this.#startOfDay(GROWTH_DAYS);
    const found = await this.#deps.analytics.read(space.id, since);
    const remainingBytes = Math.max(0, space.quotaBytes - space.usedBytes - space.reservedBytes);
    const growth = {
      grownBytes: found.grownBytes,
      since,
      spaceCreatedAt: found.spaceCreatedAt,
      now: this.#deps.clock.now(),
    };
    return { ...found, remainingBytes, daysUntilFull: daysUntilFull(remainingBytes, growth) };
  }

  #startOfDay(daysAgo: number): Date {
    const now = this.#deps.clock.now().getTime();
    return new Date(now - (now % DAY_MS) - daysAgo * DAY_MS);
  }
}
