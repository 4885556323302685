import type { Logger } from '../../platform/logging/logger.ts';

/** How long a reservation outlives the last sign of life of its process. With the sweep, under 60 s. */
export const LEASE_SECONDS = 40;
const RENEW_EVERY_MS = 10_000;

export interface LeaseKeeperDependencies {
  readonly renew: (uploadIds: readonly string[], leaseSeconds: number) => Promise<void>;
  readonly log: Logger;
}

/** Renews the leases of this process's transfers, all in one statement; transfers of a few seconds need none. */
export class LeaseKeeper {
  readonly #deps: LeaseKeeperDependencies;
  readonly #held = new Set<string>();
  readonly #timer: NodeJS.Timeout;
  #due: readonly string[] = [];

  constructor(deps: LeaseKeeperDependencies) {
    this.#deps = deps;
    this.#timer = setInterval(() => void this.#renew(), RENEW_EVERY_MS).unref();
  }

  hold(uploadId: string): void {
    this.#held.add(uploadId);
  }

  drop(uploadId: string): void {
    this.#held.delete(uploadId);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #renew(): Promise<void> {
    // Only what was there at the last turn: what is younger has most of its lease left.
    const due = this.#due.filter((id) => this.#held.has(id));
    this.#due = [...this.#held];
    if (due.length === 0) return;
    try {
      await this.#deps.renew(due, LEASE_SECONDS);
    } catch (error) {
      this.#deps.log.warn({ err: error, uploads: due.length }, 'leases could not be renewed');
    }
  }
}
