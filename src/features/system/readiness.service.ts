import type { Clock } from '../../platform/clock/clock.ts';

const CACHE_MS = 1000;
const CHECK_TIMEOUT_MS = 2000;

export type DependencyState = 'ok' | 'unavailable';

export interface Readiness {
  readonly ready: boolean;
  readonly draining: boolean;
  readonly database: DependencyState;
  readonly objectStore: DependencyState;
}

export interface ReadinessDependencies {
  readonly pingDatabase: () => Promise<void>;
  readonly pingObjectStore: () => Promise<void>;
  readonly clock: Clock;
}

/** Whether this process should be sent requests: its dependencies answer, and it is not about to stop. */
export class ReadinessService {
  readonly #deps: ReadinessDependencies;
  #draining = false;
  #checkedAt = 0;
  #checking: Promise<Pick<Readiness, 'database' | 'objectStore'>> | undefined;

  constructor(deps: ReadinessDependencies) {
    this.#deps = deps;
  }

  /** From now on not ready: load balancers turn away while requests under way finish. */
  drain(): void {
    this.#draining = true;
  }

  get draining(): boolean {
    return this.#draining;
  }

  /** Looked up at most once a second, however often it is asked. */
  async check(): Promise<Readiness> {
    const now = this.#deps.clock.now().getTime();
    if (!this.#checking || now - this.#checkedAt >= CACHE_MS) {
      this.#checkedAt = now;
      this.#checking = this.#look();
    }
    const { database, objectStore } = await this.#checking;
    const ready = !this.#draining && database === 'ok' && objectStore === 'ok';
    return { ready, draining: this.#draining, database, objectStore };
  }

  async #look(): Promise<Pick<Readiness, 'database' | 'objectStore'>> {
    const [database, objectStore] = await Promise.all([
      stateOf(this.#deps.pingDatabase()),
      stateOf(this.#deps.pingObjectStore()),
    ]);
    return { database, objectStore };
  }
}

async function stateOf(ping: Promise<void>): Promise<DependencyState> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<DependencyState>((resolve) => {
    timer = setTimeout(() => resolve('unavailable'), CHECK_TIMEOUT_MS);
  });
  try {
    return await Promise.race([
      ping.then((): DependencyState => 'ok').catch((): DependencyState => 'unavailable'),
      late,
    ]);
  } finally {
    clearTimeout(timer);
  }
}
