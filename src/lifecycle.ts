import type { Loggers } from './platform/logging/logger.ts';

/** The process was asked to stop while it was still starting. */
class StoppedWhileStarting extends Error {
  override readonly name = 'StoppedWhileStarting';
}

/**
 * What has been started, and its end in reverse order: by a signal at any time, by a start that fails, or by an error
 * that nobody caught. The first signal stops in order, a second one ends the process at once.
 */
export class Lifecycle {
  readonly #loggers: Loggers;
  readonly #closers: (() => Promise<void>)[] = [];
  #starting = true;
  #stopping = false;

  constructor(loggers: Loggers) {
    this.#loggers = loggers;
    const { log } = loggers;
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.on(signal, () => {
        if (this.#stopping) process.exit(1);
        this.#stopping = true;
        log.info({ signal }, 'stopping');
        // While something is being started it has no end yet: the start notices at its next step.
        if (!this.#starting) void this.#end(0);
      });
    }
    process.on('uncaughtException', (error) => {
      // The state is unknown: nothing is trusted to stop in order.
      log.fatal({ err: error }, 'an error that nobody caught');
      void loggers.flush().then(() => process.exit(1));
    });
  }

  /** Runs one step of the start; `close` is what undoes it. Throws when the process has been asked to stop. */
  async step<T>(start: () => Promise<T> | T, close?: (started: T) => Promise<void>): Promise<T> {
    const started = await start();
    if (close) this.#closers.push(() => close(started));
    if (this.#stopping) throw new StoppedWhileStarting();
    return started;
  }

  /** The start is over: from now on a signal stops by itself. */
  started(): void {
    this.#starting = false;
  }

  /** Undoes a start that did not succeed and ends the process; `lines` tell a person why. */
  async fail(error: unknown, lines: readonly string[]): Promise<void> {
    if (error instanceof StoppedWhileStarting) return this.#end(0);
    this.#stopping = true;
    for (const line of lines) process.stderr.write(`pockity: ${line}\n`);
    return this.#end(1);
  }

  async #end(code: number): Promise<void> {
    const { log, flush } = this.#loggers;
    let outcome = code;
    for (const close of this.#closers.splice(0).reverse()) {
      try {
        await close();
      } catch (error) {
        log.error({ err: error }, 'could not stop in order');
        outcome = 1;
      }
    }
    log.info('stopped');
    await flush();
    process.exit(outcome);
  }
}
