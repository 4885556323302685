import type { Clock } from '../../platform/clock/clock.ts';

const ONE_EVERY_MS = 1000;

/** Asks, all the while an archive is sent, whether its reader may still have it. Throws what the check throws. */
export class ZipGuard {
  readonly #check: () => Promise<void>;
  readonly #clock: Clock;
  #askedAt = Number.NEGATIVE_INFINITY;
  #answer: Promise<void> = Promise.resolve();

  constructor(check: () => Promise<void>, clock: Clock) {
    this.#check = check;
    this.#clock = clock;
  }

  /** Asks if the last answer is a second old: ten thousand small files are not ten thousand questions. */
  pass(): Promise<void> {
    const age = this.#clock.now().getTime() - this.#askedAt;
    // A clock that was set back makes no answer last.
    return age >= 0 && age < ONE_EVERY_MS ? this.#answer : this.ask();
  }

  /** Asks now, whatever was answered before. */
  ask(): Promise<void> {
    this.#askedAt = this.#clock.now().getTime();
    this.#answer = this.#check();
    // Whoever awaits it hears of it; what is begun ahead and given up does not.
    this.#answer.catch(() => undefined);
    return this.#answer;
  }
}
