import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from 'pg';
import type { DbLog } from './db-log.ts';

/** What a hold needs: a connection that `takeHold` has been called on, and how to get another such one. */
export interface EmbeddedHoldOptions {
  readonly client: Client;
  readonly reopen: () => Promise<Client>;
  readonly log: DbLog;
}

/** 'pockity' in ASCII. Every process that uses the server holds this advisory lock, shared, on its own connection. */
const HOLD_KEY = '31647670186112121';
const MAX_RETRY_DELAY_MS = 2000;

/** Makes the connection count as a user of its server, until it is closed or breaks. */
export async function takeHold(client: Client): Promise<void> {
  await client.query('SELECT pg_advisory_lock_shared($1)', [HOLD_KEY]);
}

/** True when no other connection than this one counts as a user of the server. Only under the process lock does it stay so. */
export async function isLastHold(client: Client): Promise<boolean> {
  const { rows } = await client.query<{ last: boolean }>('SELECT pg_try_advisory_lock($1) AS last', [HOLD_KEY]);
  return rows[0]?.last === true;
}

/**
 * Keeps one connection counted as a user of the server. The server ends it with the process, however that dies. When the
 * connection breaks (the server was restarted, or killed), another is opened in the background, again and again.
 */
export class EmbeddedHold {
  readonly #options: EmbeddedHoldOptions;
  readonly #closing = new AbortController();
  #client: Client | null = null;
  #reopening: Promise<void> = Promise.resolve();

  constructor(options: EmbeddedHoldOptions) {
    this.#options = options;
    this.#keep(options.client);
  }

  /** Ends the watch, once, and hands the connection over to the caller, who ends it; null if there is none at the moment. */
  async detach(): Promise<Client | null> {
    this.#closing.abort();
    await this.#reopening;
    const client = this.#client;
    this.#client = null;
    return client;
  }

  #keep(client: Client): void {
    this.#client = client;
    client.once('end', () => {
      if (this.#client !== client) return;
      this.#client = null;
      if (!this.#closing.signal.aborted) this.#reopening = this.#reopen();
    });
  }

  async #reopen(): Promise<void> {
    const { signal } = this.#closing;
    this.#options.log.warn({}, 'the connection to the embedded PostgreSQL broke');
    let lastMessage = '';
    for (let retryDelayMs = 50; !signal.aborted; retryDelayMs = Math.min(retryDelayMs * 2, MAX_RETRY_DELAY_MS)) {
      try {
        this.#keep(await this.#options.reopen());
        this.#options.log.info({}, 'connected to the embedded PostgreSQL again');
        return;
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        if (message !== lastMessage) this.#options.log.warn({ err: error }, 'the embedded PostgreSQL is not back yet');
        lastMessage = message;
        await delay(retryDelayMs, undefined, { signal }).catch(() => {});
      }
    }
  }
}
