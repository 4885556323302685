import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '../logging/logger.ts';
import type { ObjectStore, StoreCapabilities } from './object-store.ts';

const RETRY_MS = 5_000;
/** What is relied on while nothing is known. */
const NOTHING: StoreCapabilities = { conditionalPut: false, signedChecksum: false, refusesUnsigned: false };

/** What the store was seen to hold presigned requests to: asked once in the background, again while the store is away. */
export class ProbedStore {
  readonly #store: Pick<ObjectStore, 'probe'>;
  readonly #log: Logger;
  readonly #retryMs: number;
  readonly #stopping = new AbortController();
  #known: StoreCapabilities = NOTHING;
  #probing: Promise<void> | null = null;

  constructor(
    store: Pick<ObjectStore, 'probe'>,
    log: Logger,
    { retryMs = RETRY_MS }: { readonly retryMs?: number } = {},
  ) {
    this.#store = store;
    this.#log = log;
    this.#retryMs = retryMs;
  }

  /** Until the store has answered, it is taken to hold to nothing. */
  get capabilities(): StoreCapabilities {
    return this.#known;
  }

  /** Begins to ask, if nobody has; resolves when the store has answered or `stop` was called. */
  start(): Promise<void> {
    this.#probing ??= this.#ask();
    return this.#probing;
  }

  stop(): void {
    this.#stopping.abort();
  }

  async #ask(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      try {
        this.#known = await this.#store.probe();
        this.#log.info({ ...this.#known }, 'the object store was probed');
        return;
      } catch (error) {
        this.#log.warn(
          { err: error },
          'the object store could not be probed; until it is, uploads are staged and come through this process',
        );
      }
      await delay(this.#retryMs, undefined, { signal: this.#stopping.signal, ref: false }).catch(() => {});
    }
  }
}
